import { expect, test } from 'vitest';
import { Registry } from 'prom-client';
import { counter, gauge, observe, samplesOf } from './metrics.ts';

test('metrics are read when they are asked for, with and without labels', async () => {
  const registry = new Registry();
  const reads = { hot: 1, cold: 0 };
  observe(registry, [
    gauge('keys', 'Keys.', () => reads.hot * 10),
    counter('reads_total', 'Reads.', () => samplesOf(reads), ['found']),
  ]);
  reads.hot = 2;
  const text = await registry.metrics();
  expect(text).toContain('# HELP keys Keys.\n# TYPE keys gauge\nkeys 20\n');
  expect(text).toContain(
    '# HELP reads_total Reads.\n# TYPE reads_total counter\nreads_total{found="hot"} 2\nreads_total{found="cold"} 0\n',
  );
  // A counter's number is what its part has counted, not a sum over scrapes.
  expect(await registry.metrics()).toBe(text);
});
