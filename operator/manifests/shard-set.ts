/**
 * The StatefulSet of the shards.
 *
 *   Parallel                       one pod that cannot start must not keep the others, nor its own repair, from starting
 *   OnDelete                       the operator replaces pods one at a time, each flushed first and waited for
 *   claims are retained, always    see claims.ts: the operator removes them, when their shard's keys have moved
 *
 * The StatefulSet controller's own deletion of claims was rejected: it acts on `replicas` alone, so that a StatefulSet
 * scaled or deleted by hand would take the disks with it before the operator could mend it.
 *
 * `volumeClaimTemplates` cannot be changed. Where the disks have grown, the operator expands the claims and makes the
 * StatefulSet anew around its running pods.
 */
import type { V1StatefulSet } from '@kubernetes/client-node';
import type { KVCache } from '../api/schema.ts';
import { statefulSets, type Wire } from '../kube/resources.ts';
import { type Manifest, type ManifestContext, metadataOf } from './manifest.ts';
import { annotationNames, dataVolume, namesOf, selectorLabels } from './names.ts';
import { podTemplate } from './pod.ts';

export function shardSet(cache: KVCache, context: ManifestContext): Manifest<Wire<V1StatefulSet>> {
  const { shardSet: name, shardService } = namesOf(cache);
  const labels = selectorLabels(cache, 'shard');
  const { storage } = cache.spec.shards;
  return {
    resource: statefulSets,
    name,
    object: {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: metadataOf(cache, name, 'shard'),
      spec: {
        replicas: context.shardReplicas,
        serviceName: shardService,
        podManagementPolicy: 'Parallel',
        updateStrategy: { type: 'OnDelete' },
        persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
        revisionHistoryLimit: 3,
        selector: { matchLabels: labels },
        template: podTemplate(cache, context, {
          component: 'shard',
          labels: identityLabels(cache),
          annotations: context.secretsHash === undefined ? {} : { [annotationNames.secretsHash]: context.secretsHash },
        }),
        volumeClaimTemplates: [
          {
            // Without them the API server adds them, and the list would not be the same.
            apiVersion: 'v1',
            kind: 'PersistentVolumeClaim',
            metadata: { name: dataVolume, labels },
            spec: {
              accessModes: ['ReadWriteOnce'],
              resources: { requests: { storage: String(storage.size) } },
              ...(storage.storageClassName !== undefined && { storageClassName: storage.storageClassName }),
            },
          },
        ],
      },
    },
  };
}

/** By this label the webhook of Azure workload identity gives pods their token. */
function identityLabels(cache: KVCache): Record<string, string> {
  const isUsed = cache.spec.blob?.identity.workloadIdentity?.clientID !== undefined;
  return isUsed ? { 'azure.workload.identity/use': 'true' } : {};
}
