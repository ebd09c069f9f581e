import { describe, expect, it } from 'vitest';
import { claimOrdinal, claimOwners } from './claims.ts';
import { shardClaimName } from './names.ts';
import { cacheOf } from './testing/cache.ts';

describe('claims', () => {
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
