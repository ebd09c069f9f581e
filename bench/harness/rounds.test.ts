import { describe, expect, test } from 'vitest';
import { rotated, runRounds, type RoundsOptions } from './rounds.ts';
import { type Case, type Plan, rate, type Side } from './scenario.ts';

const cases: Case[] = [{ title: 'a', figures: [rate], comparisons: [] }];
const options = (more: Partial<RoundsOptions> = {}): RoundsOptions => ({
  rounds: 3,
  measuredMs: 1,
  signal: new AbortController().signal,
  onProgress: () => undefined,
  ...more,
});

function planOf(sides: readonly Side[], more: Partial<Plan> = {}): Plan {
  return { cases, sides, ...more };
}

describe('rounds', () => {
  test('who begins changes from round to round, and the order stays', () => {
    expect([0, 1, 2, 3].map((round) => rotated(['a', 'b', 'c'], round).join(''))).toEqual(['abc', 'bca', 'cab', 'abc']);
    expect(rotated(['a', 'b', 'c'], -1)).toEqual(['c', 'a', 'b']);
    expect(rotated([], 2)).toEqual([]);
  });

  test('sides alternate within every round, and the round that warms up is not counted', async () => {
    const order: string[] = [];
    const side = (name: string): Side => ({
      name,
      about: '',
      measure: async (_, { index }) => {
        order.push(`${index}${name}`);
        return { rate: index };
      },
    });
    const result = await runRounds(planOf([side('x'), side('y')]), options());
    expect(order).toEqual(['-1y', '-1x', '0x', '0y', '1y', '1x', '2x', '2y']);
    expect(result.cases[0]!.samples.get('x')).toEqual([{ rate: 0 }, { rate: 1 }, { rate: 2 }]);
  });

  test('a side that fails is reported once and keeps its place in the rounds, while the other goes on', async () => {
    let attempts = 0;
    const failing: Side = {
      name: 'failing',
      about: '',
      measure: async () => {
        attempts++;
        throw new Error('out of luck');
      },
    };
    const steady: Side = { name: 'steady', about: '', measure: async () => ({ rate: 1 }) };
    const result = await runRounds(planOf([failing, steady]), options());
    expect(attempts).toBe(1);
    expect(result.faults).toEqual([{ side: 'failing', case: 'a', message: 'out of luck' }]);
    expect(result.cases[0]!.samples.get('failing')).toEqual([undefined, undefined, undefined]);
    expect(result.cases[0]!.samples.get('steady')).toHaveLength(3);
  });

  test('once aborted no further measurement begins', async () => {
    const abort = new AbortController();
    let measured = 0;
    const side: Side = {
      name: 'x',
      about: '',
      measure: async () => {
        measured++;
        abort.abort();
        return { rate: 1 };
      },
    };
    await expect(runRounds(planOf([side]), options({ signal: abort.signal }))).rejects.toThrow('aborted');
    expect(measured).toBe(1);
  });

  test('progress counts every measurement, and reaches its end', async () => {
    const seen: string[] = [];
    const side: Side = { name: 'x', about: '', measure: async () => ({ rate: 1 }) };
    await runRounds(
      planOf([side], { warmsUp: false }),
      options({ onProgress: (done, of) => seen.push(`${done}/${of}`) }),
    );
    expect(seen).toEqual(['1/3', '2/3', '3/3']);
  });
});
