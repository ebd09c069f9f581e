/** What `npm run e2e` hands to the scenarios: where the cluster is, what is in it, where results go. */
import type { Images } from './images.ts';

export interface E2eEnvironment {
  readonly context: string;
  /** Absent where the cluster is no kind cluster: scenarios that harm nodes are skipped there. */
  readonly kindCluster?: string;
  readonly images: Images;
  /** A folder a failed scenario. */
  readonly resultsFolder: string;
}

export const environmentVariable = 'KVCACHE_E2E';
export const operatorNamespace = 'kvcache-system';
/** The release of the chart. */
export const releaseName = 'kvcache';

export function e2eEnvironment(): E2eEnvironment {
  const json = process.env[environmentVariable];
  if (json === undefined) throw new Error('scenarios run through `npm run e2e`, which makes their cluster');
  return JSON.parse(json) as E2eEnvironment;
}

/** The long form of a scenario, for a release. */
export function isLong(): boolean {
  return process.env['KVCACHE_LONG'] === '1';
}
