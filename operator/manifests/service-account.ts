/** The ServiceAccount of the pods: without rights, and for Blob the identity that Azure knows it by. */
import type { V1ServiceAccount } from '@kubernetes/client-node';
import type { KVCache } from '../api/schema.ts';
import { serviceAccounts, type Wire } from '../kube/resources.ts';
import { type Manifest, metadataOf } from './manifest.ts';
import { namesOf } from './names.ts';

export function serviceAccount(cache: KVCache): Manifest<Wire<V1ServiceAccount>> {
  const { serviceAccount: name } = namesOf(cache);
  const identity = cache.spec.blob?.identity.workloadIdentity;
  const annotations = {
    ...identity?.serviceAccountAnnotations,
    ...(identity?.clientID !== undefined && { 'azure.workload.identity/client-id': identity.clientID }),
    ...(identity?.tenantID !== undefined && { 'azure.workload.identity/tenant-id': identity.tenantID }),
  };
  return {
    resource: serviceAccounts,
    name,
    object: {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { ...metadataOf(cache, name), ...(Object.keys(annotations).length > 0 && { annotations }) },
      automountServiceAccountToken: false,
    },
  };
}
