/** The files of the chart that are made from the program: what admission checks, what the operator may do, what is shown. */
import { stringify } from 'yaml';
import { customResourceDefinitionFile } from '../operator/api/crd.ts';
import { operatorRules } from '../operator/rbac.ts';
import { dashboardFile, dashboardPath } from './dashboard/dashboard.ts';

/** Texts by path from the root of the repository. */
export function chartFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['charts/kvcache/files/kvcache.dev_kvcaches.yaml', customResourceDefinitionFile()],
    ['charts/kvcache/files/rules.yaml', rulesFile()],
    [dashboardPath, dashboardFile()],
  ]);
}

function rulesFile(): string {
  const comment = '# Generated from operator/rbac.ts by `npm run generate`; edit that file.\n';
  return comment + stringify(operatorRules, { lineWidth: 0, aliasDuplicateObjects: false });
}
