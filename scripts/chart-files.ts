/** The files of the chart that are made from the program: what admission checks, what the operator may do, what is shown. */
import { customResourceDefinitionFile } from '../operator/api/crd.ts';
import { dashboardFile, dashboardPath } from './dashboard/dashboard.ts';

/** Texts by path from the root of the repository. */
export function chartFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['charts/kvcache/files/kvcache.dev_kvcaches.yaml', customResourceDefinitionFile()],
    [dashboardPath, dashboardFile()],
  ]);
}
