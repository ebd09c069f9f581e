/** Hashes, lists, sets and sorted sets beside a real redis-server: generated sequences of commands, every reply compared. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { collectionCalls, sequences } from '../../../testing/redis-collection-calls.ts';
import { compareWithRedis } from '../../../testing/redis-compare.ts';
import { hasRedisServer, RedisServer } from '../../../testing/redis-server.ts';

let redis: RedisServer;

describe.skipIf(!hasRedisServer())('beside a real redis-server', () => {
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.stop());

  test.each(collectionCalls)(
    '$type answer the same',
    async ({ calls, orderOf }) => {
      const property = fc.asyncProperty(sequences(calls), fc.boolean(), (sequence, withJournal) =>
        compareWithRedis(redis, sequence, { withJournal, ...(orderOf && { orderOf }) }),
      );
      await fc.assert(property, { numRuns: 150 * Number(process.env['KVCACHE_HISTORIES'] ?? 1) });
    },
    120_000,
  );
});
