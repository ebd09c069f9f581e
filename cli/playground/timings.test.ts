import { describe, expect, test } from 'vitest';
import { Timings } from './timings.ts';

const facts = () => ({ bytes: 1000, serverUs: 1 });

describe('timings', () => {
  test('of no call are zero', () => {
    expect(new Timings().summary()).toEqual({
      count: 0,
      bytes: 0,
      bytesPerSecond: 0,
      p50Ms: 0,
      p90Ms: 0,
      p100Ms: 0,
      serverP50Ms: 0,
    });
  });

  test('count calls and bytes, and order their percentiles', async () => {
    const timings = new Timings();
    await Promise.all(Array.from({ length: 20 }, () => timings.measure(() => Promise.resolve(), facts)));
    const summary = timings.summary();
    expect(summary).toMatchObject({ count: 20, bytes: 20_000, serverP50Ms: expect.closeTo(0.001, 2) });
    expect(summary.p50Ms).toBeLessThanOrEqual(summary.p90Ms);
    expect(summary.p90Ms).toBeLessThanOrEqual(summary.p100Ms);
    expect(summary.bytesPerSecond).toBeGreaterThan(0);
  });

  test('leave out calls that failed', async () => {
    const timings = new Timings();
    await expect(timings.measure(() => Promise.reject(new Error('away')), facts)).rejects.toThrow('away');
    expect(timings.summary().count).toBe(0);
  });
});
