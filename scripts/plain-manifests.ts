/**
 * `deploy/kvcache.yaml`: the chart as plain manifests, for `kubectl apply -f` where nobody wants Helm.
 *
 * They are what `helm template` makes of the chart's own values, without what only Helm reads, and with the namespace
 * that `helm install --create-namespace` would make, under the restricted pod security level.
 */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';
import { crdName } from '../operator/api/crd.ts';

export const plainManifestsPath = 'deploy/kvcache.yaml';
export const plainNamespace = 'kvcache-system';
export const chartFolder = resolve(import.meta.dirname, '../charts/kvcache');
/** Helm asks for a version where it talks to no cluster; nothing in the chart depends on which. */
const kubernetesVersion = '1.34.0';

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: unknown;
  readonly data?: Readonly<Record<string, string>>;
}

export function hasHelm(): boolean {
  return spawnSync('helm', ['version']).status === 0;
}

/** What `helm template` prints, object by object. Throws with Helm's own words. */
export function renderChart(...options: readonly string[]): Manifest[] {
  const args = ['template', 'kvcache', chartFolder, '--kube-version', kubernetesVersion, ...options];
  const { status, stdout, stderr, error } = spawnSync('helm', args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (error) throw error;
  if (status !== 0) throw new Error(`helm ${args.join(' ')}: ${stderr}`);
  return parseAllDocuments(stdout).flatMap((document) => (document.toJS() as Manifest | null) ?? []);
}

function isHelms([name]: readonly [string, string]): boolean {
  return name.startsWith('helm.sh/') || name === 'app.kubernetes.io/managed-by';
}

/** The object without what only Helm reads, pod templates included. */
function withoutHelm(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutHelm);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).flatMap(([key, member]: [string, unknown]) => {
    if (key !== 'labels' && key !== 'annotations') return [[key, withoutHelm(member)] as const];
    const entries = Object.entries(member as Record<string, string>).filter((entry) => !isHelms(entry));
    return entries.length === 0 ? [] : [[key, Object.fromEntries(entries)] as const];
  });
  return Object.fromEntries(kept);
}

const namespace: Manifest = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: plainNamespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
};

/** The file's text, from a definition of the CRD as it lies in crds/. */
export function plainManifests(crd: string): string {
  const rendered = renderChart('--namespace', plainNamespace, '--skip-tests', '--no-hooks');
  const others = rendered
    .filter(({ kind, metadata }) => kind !== 'CustomResourceDefinition' || metadata.name !== crdName)
    .map(withoutHelm);
  const objects = [namespace, ...others].map((object) => stringify(object, { lineWidth: 0 }));
  const comment = '# Generated from charts/kvcache by `npm run generate`; edit the chart.\n';
  return comment + [objects[0]!, crd.replace(/^(#.*\n)+/, ''), ...objects.slice(1)].join('---\n');
}
