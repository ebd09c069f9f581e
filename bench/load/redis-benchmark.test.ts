import { describe, expect, test } from 'vitest';
import { parseCsv } from './redis-benchmark.ts';

const head =
  '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"';

describe("redis-benchmark's output", () => {
  test('rate and latencies are read by their column names', () => {
    const output = `${head}\n"SET","105263.16","0.272","0.088","0.263","0.399","0.511","1.007"\n`;
    expect(parseCsv(output)).toEqual({ perSecond: 105_263.16, p50Ms: 0.263, p99Ms: 0.511 });
  });

  test('warnings around the rows do not matter', () => {
    const row = '"GET","99.5","1","1","2","3","4","5"';
    expect(parseCsv(`WARNING: Could not fetch server CONFIG\n${head}\n${row}\n`)).toMatchObject({ perSecond: 99.5 });
  });

  test('output without figures is a fault that shows it', () => {
    expect(() => parseCsv('Error: Connection refused')).toThrow(
      'redis-benchmark told no rps: Error: Connection refused',
    );
    expect(() => parseCsv('')).toThrow('nothing');
  });
});
