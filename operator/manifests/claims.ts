/**
 * What becomes of the disks (PersistentVolumeClaims) of shards that are gone.
 *
 *   the shard was removed (scale-in)   shards.storage.persistentVolumeClaimRetentionPolicy.whenScaled
 *   the KVCache is deleted             … .whenDeleted, or deletionPolicy without it
 *
 * The StatefulSet keeps all claims (shard-set.ts). Those of removed shards are deleted by the operator once they own
 * no slot (reconcile/scale.ts). For the deletion of the KVCache claims get it as their owner, so that the garbage collector needs no
 * operator; with Retain they have none, and a KVCache of the same name finds them by name.
 */
import type { KVCache } from '../api/schema.ts';
import type { OwnerReference } from '../kube/resources.ts';
import { dataVolume, namesOf } from './names.ts';
import { metadataOf } from './manifest.ts';

/** Whether disks go with the KVCache. */
export function removesClaims({ spec }: KVCache): boolean {
  const { whenDeleted } = spec.shards.storage.persistentVolumeClaimRetentionPolicy;
  return (whenDeleted ?? spec.deletionPolicy) === 'Delete';
}

/** The owners that the claims of a cache should have. */
export function claimOwners(cache: KVCache): OwnerReference[] {
  if (!removesClaims(cache)) return [];
  // A claim is not controlled by the KVCache, it only goes with it.
  return metadataOf(cache, dataVolume).ownerReferences.map(({ apiVersion, kind, name, uid }) => ({
    apiVersion,
    kind,
    name,
    uid,
  }));
}

/** The ordinal of the shard whose claim this is; undefined for claims of others. */
export function claimOrdinal(cache: KVCache, claimName: string): number | undefined {
  const prefix = `${dataVolume}-${namesOf(cache).shardSet}-`;
  if (!claimName.startsWith(prefix)) return undefined;
  const ordinal = claimName.slice(prefix.length);
  return /^(0|[1-9]\d*)$/.test(ordinal) ? Number(ordinal) : undefined;
}
