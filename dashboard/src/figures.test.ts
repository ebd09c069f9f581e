import { expect, test } from 'vitest';
import { momentOf, quantile, type ShardFigures, type Statistics } from './figures.ts';

const bounds = [0.001, 0.01, 0.1];

function statistics(timeMs: number, count: number, latency: number[], shards: ShardFigures[]): Statistics {
  return {
    time_ms: timeMs,
    process: { role: 'router', name: 'router', uptime_ms: timeMs, resident_bytes: 1 },
    latency_bounds: bounds,
    commands: { get: { count, errors: 0, latency } },
    shards,
  };
}

const shard = (hot: number, cold: number, miss: number): ShardFigures => ({
  name: 'shard-0',
  reads: { hot, cold, miss },
  hot: { bytes: 10, bytesMax: 100 },
  index: { bytes: 5 },
});

test('rates are of the time between two looks', () => {
  const before = statistics(0, 100, [100, 0, 0, 0], [shard(50, 0, 50)]);
  const now = statistics(2_000, 300, [100, 200, 0, 0], [shard(50 + 60, 30, 50 + 10)]);
  const moment = momentOf(before, now);
  expect([moment.commandsPerSecond, moment.hitRate, moment.bytes.ram]).toEqual([100, 0.9, 15]);
  expect(moment.p50).toBeCloseTo(0.0055);
});

test('a process that was started again counts from zero, and one that was away has no past', () => {
  const before = statistics(0, 1_000, [1_000, 0, 0, 0], []);
  const moment = momentOf(before, statistics(1_000, 10, [10, 0, 0, 0], [shard(1_000, 0, 0)]));
  expect([moment.commandsPerSecond, moment.hitRate]).toEqual([10, undefined]);
});

test('quantiles lie within their bucket, beyond all bounds at the last one, and nowhere without calls', () => {
  expect(quantile(bounds, [0, 10, 0, 0], 0.5)).toBeCloseTo(0.0055);
  expect(quantile(bounds, [99, 0, 0, 1], 0.999)).toBe(0.1);
  expect(quantile(bounds, [0, 0, 0, 0], 0.5)).toBeUndefined();
});
