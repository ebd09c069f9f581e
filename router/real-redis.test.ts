/**
 * A router with three shards beside a real redis-server: the sequences of commands that the engine is held against, with
 * keys on all shards, and every reply compared. Commands over several shards are split and their replies merged.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collectionCalls, sequences } from '../testing/redis-collection-calls.ts';
import { compareExecutorWithRedis } from '../testing/redis-compare.ts';
import { keyCalls, keyOrders, timeTolerances } from '../testing/redis-key-calls.ts';
import { hasRedisServer, RedisServer } from '../testing/redis-server.ts';
import { Cluster } from './testing/cluster.ts';

const runs = 40 * Number(process.env['KVCACHE_HISTORIES'] ?? 1);

describe.skipIf(!hasRedisServer())('a router with three shards beside a real redis-server', () => {
  let redis: RedisServer;
  let cluster: Cluster;

  beforeAll(async () => {
    redis = await RedisServer.start();
    cluster = await Cluster.start(3);
  });
  afterAll(async () => {
    await cluster.stop();
    await redis.stop();
  });

  test('strings, numbers, keys and expiry answer the same', async () => {
    const property = fc.asyncProperty(fc.array(keyCalls, { minLength: 30, maxLength: 60, size: 'max' }), (calls) =>
      compareExecutorWithRedis(redis, calls, cluster.router, { tolerances: timeTolerances, orderOf: keyOrders }),
    );
    await fc.assert(property, { numRuns: runs });
    for (const { seen } of cluster.executors) expect(seen).toContain('MGET');
  }, 120_000);

  test.each(collectionCalls)(
    '$type answer the same',
    async ({ calls, orderOf }) => {
      const property = fc.asyncProperty(sequences(calls), (sequence) =>
        compareExecutorWithRedis(redis, sequence, cluster.router, { ...(orderOf && { orderOf }) }),
      );
      await fc.assert(property, { numRuns: runs });
    },
    120_000,
  );
});
