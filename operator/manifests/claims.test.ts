import { describe, expect, it } from 'vitest';
import { claimOrdinal, claimOwners, releasedClaims } from './claims.ts';
import { shardClaimName } from './names.ts';
import { cacheOf } from './testing/cache.ts';

describe('claims', () => {
  const claims = ['data-c-shard-0', 'data-c-shard-2', 'data-c-shard-3', 'data-c-shard-x', 'data-other-shard-9'];

  it('are released when their shard is beyond the replicas and owns no slot', () => {
    expect(releasedClaims(cacheOf(), claims, 2, new Set(['c-shard-3']))).toEqual(['data-c-shard-2']);
    expect(releasedClaims(cacheOf(), claims, 2, new Set())).toEqual(['data-c-shard-2', 'data-c-shard-3']);
  });

  it('are kept where the spec says so', () => {
    const storage = { persistentVolumeClaimRetentionPolicy: { whenScaled: 'Retain' } } as const;
    expect(releasedClaims(cacheOf({ shards: { storage } }), claims, 2, new Set())).toEqual([]);
  });

  it('go with the KVCache only where the spec says so', () => {
    expect(claimOwners(cacheOf())).toEqual([]);
    expect(claimOwners(cacheOf({ deletionPolicy: 'Delete' }))).toEqual([
      { apiVersion: 'kvcache.dev/v1alpha1', kind: 'KVCache', name: 'c', uid: expect.any(String) },
    ]);
    const storage = { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain' } } as const;
    expect(claimOwners(cacheOf({ deletionPolicy: 'Delete', shards: { storage } }))).toEqual([]);
  });

  it('know their shard', () => {
    expect(claimOrdinal(cacheOf(), shardClaimName(cacheOf(), 12))).toBe(12);
    expect(claimOrdinal(cacheOf(), 'data-c-shard-01')).toBeUndefined();
  });
});
