import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KvcacheError } from '../errors.ts';
import { defaultRetryPolicy, retryDelayMs, withRetry } from './retry.ts';

const policy = { attemptsMax: 3, delayMinMs: 0, delayMaxMs: 0 };
const inTime = { policy, deadlineMs: Number.MAX_SAFE_INTEGER, mayRetry: () => true };

function failing(times: number): { attempt: () => Promise<string>; attempts: () => number } {
  let attempts = 0;
  return {
    attempt: async () => {
      attempts++;
      if (attempts <= times) throw new KvcacheError('UNAVAILABLE', `attempt ${attempts}`);
      return 'done';
    },
    attempts: () => attempts,
  };
}

describe('a call that fails', () => {
  test('is tried again until it succeeds', async () => {
    const call = failing(2);
    expect(await withRetry(call.attempt, inTime)).toBe('done');
    expect(call.attempts()).toBe(3);
  });

  test('ends with the last fault after the last attempt', async () => {
    await expect(withRetry(failing(3).attempt, inTime)).rejects.toThrow('attempt 3');
  });

  test('is not tried again where that is not safe', async () => {
    const call = failing(1);
    await expect(withRetry(call.attempt, { ...inTime, mayRetry: () => false })).rejects.toThrow('attempt 1');
    expect(call.attempts()).toBe(1);
  });

  test('is not tried again after its deadline', async () => {
    const call = failing(1);
    await expect(withRetry(call.attempt, { ...inTime, deadlineMs: 0 })).rejects.toThrow('attempt 1');
    expect(call.attempts()).toBe(1);
  });

  test('stops waiting for the next attempt when its caller cancels', async () => {
    const caller = new AbortController();
    const call = withRetry(failing(1).attempt, {
      ...inTime,
      policy: { attemptsMax: 2, delayMinMs: 1_000_000, delayMaxMs: 1_000_000 },
      signal: caller.signal,
    });
    caller.abort();
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

test('by default attempts go on for about five seconds, as long as a restart may take', () => {
  const pausesMs = Array.from({ length: defaultRetryPolicy.attemptsMax - 1 }, (_, index) =>
    retryDelayMs(defaultRetryPolicy, index + 1, 0.5),
  );
  const sumMs = pausesMs.reduce((sum, pauseMs) => sum + pauseMs, 0);
  expect(sumMs).toBeGreaterThan(4_500);
  expect(sumMs).toBeLessThan(6_000);
});

test('the pause between attempts grows, is spread and stays within its bounds', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (attempts, random) => {
        const delayMs = retryDelayMs(defaultRetryPolicy, attempts, random);
        expect(delayMs).toBeGreaterThanOrEqual(defaultRetryPolicy.delayMinMs);
        expect(delayMs).toBeLessThanOrEqual(defaultRetryPolicy.delayMaxMs);
      },
    ),
  );
  expect(retryDelayMs(defaultRetryPolicy, 3, 0.5)).toBeGreaterThan(retryDelayMs(defaultRetryPolicy, 1, 0.5));
});
