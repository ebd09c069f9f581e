import { expect, test } from 'vitest';
import { LatencyHistogram } from './latency.ts';

test('a share of all measurements is read off as the bound of its bucket', () => {
  const histogram = new LatencyHistogram();
  expect(histogram.quantileMs(0.5)).toBe(0);
  for (let count = 0; count < 90; count++) histogram.record(0.1);
  for (let count = 0; count < 10; count++) histogram.record(100);
  expect(histogram.quantileMs(0.5)).toBeCloseTo(0.128);
  expect(histogram.quantileMs(0.9)).toBeCloseTo(0.128);
  expect(histogram.quantileMs(0.99)).toBeCloseTo(131.072);
  expect(histogram.count).toBe(100);
  expect(histogram.sumMs).toBeCloseTo(1_009);
});

test('every latency has a bucket, the shortest and the longest too', () => {
  const histogram = new LatencyHistogram();
  for (const latencyMs of [-1, 0, 0.016, 0.017, 1e9]) histogram.record(latencyMs);
  const { counts } = histogram;
  expect(counts.length).toBe(LatencyHistogram.boundsMs.length + 1);
  expect([counts[0], counts[1], counts.at(-1)]).toEqual([3, 1, 1]);
  expect(histogram.quantileMs(1)).toBe(Infinity);
});
