/**
 * The engine's commands on strings, numbers, keys and expiry beside a real redis-server: the same generated sequences of
 * commands, every reply compared, errors with their texts. Times left differ by what the run took.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { compareWithRedis } from '../../testing/redis-compare.ts';
import { keyCalls, keyOrders, numberCalls, timeTolerances } from '../../testing/redis-key-calls.ts';
import { hasRedisServer, RedisServer } from '../../testing/redis-server.ts';

let redis: RedisServer;

describe.skipIf(!hasRedisServer())('beside a real redis-server', () => {
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.stop());

  test.each([false, true])('every reply is the same, with values below RAM: %s', async (withJournal) => {
    const property = fc.asyncProperty(fc.array(keyCalls, { minLength: 30, maxLength: 60, size: 'max' }), (calls) =>
      compareWithRedis(redis, calls, { withJournal, tolerances: timeTolerances, orderOf: keyOrders }),
    );
    await fc.assert(property, { numRuns: 100 });
  });

  test('numbers are counted with the same digits', async () => {
    const property = fc.asyncProperty(fc.array(numberCalls, { minLength: 50, maxLength: 80, size: 'max' }), (calls) =>
      compareWithRedis(redis, calls, { withJournal: false }),
    );
    await fc.assert(property, { numRuns: 100 });
  });
});
