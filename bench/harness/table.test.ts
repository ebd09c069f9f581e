import { describe, expect, test } from 'vitest';
import { digits, presented } from './present.ts';
import { type Case, p99, rate } from './scenario.ts';
import { rowsOf } from './summary.ts';
import { tableOf } from './table.ts';

const what: Case = {
  title: 'GET 100 B',
  figures: [rate, p99],
  comparisons: [{ side: 'shard', against: 'redis', goal: { atLeast: 1 } }],
};

describe('the table', () => {
  test('shows medians with spread, and ratios of the same round with their range and whether the goal is reached', () => {
    const samples = new Map([
      ['shard', [90_000, 100_000, 110_000].map((value) => ({ rate: value, p99: 1.25 }))],
      ['redis', [100_000, 50_000, 100_000].map((value) => ({ rate: value, p99: 2 }))],
    ]);
    const text = tableOf(['shard', 'redis'], rowsOf([{ case: what, samples }]));
    expect(text).toContain('100 K/s ± 5 %');
    expect(text).toContain('shard : redis');
    expect(text).toContain('1.10 (0.90–2.00) ≥ 1 ✓');
    expect(text).toContain('1.25 ms');
  });

  test('a side that was not measured has a dash and no ratio', () => {
    const samples = new Map([
      ['shard', [{ rate: 5, p99: 1 }]],
      ['redis', [undefined]],
    ]);
    const rows = rowsOf([{ case: what, samples }]);
    expect(rows[0]!.ratios).toEqual([]);
    expect(tableOf(['shard', 'redis'], rows)).toContain('–');
  });

  test('a goal that is an upper bound is missed above it', () => {
    const atMost: Case = { ...what, comparisons: [{ side: 'a', against: 'b', goal: { atMost: 1.5 } }] };
    const samples = new Map([
      ['a', [{ rate: 2, p99: 0 }]],
      ['b', [{ rate: 1, p99: 0 }]],
    ]);
    expect(rowsOf([{ case: atMost, samples }])[0]!.ratios[0]).toMatchObject({ median: 2, isReached: false });
  });

  test('figures have three digits and the prefix that fits', () => {
    expect(presented(1_234_567, 'op/s')).toBe('1.23 M/s');
    expect(presented(2.5e9, 'B/s')).toBe('2.50 GB/s');
    expect(presented(167, 'B')).toBe('167 B');
    expect(presented(0.42351, 'share')).toBe('0.4235');
    expect(presented(12.345, 'ms')).toBe('12.3 ms');
    expect(digits(NaN)).toBe('–');
  });
});
