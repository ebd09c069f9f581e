import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hotShareMin, memoryCheckIntervalMs, memoryTargetRatio } from '../../limits.ts';
import { ManualClock } from '../../testing/engine-clock.ts';
import { HotTier } from './hot-tier.ts';
import { indexBytesMaxOf, MemoryBudget, shareMemory } from './memory-budget.ts';
import { shardEnvironment } from '../../process/process-environment.ts';

const MiB = 1024 * 1024;
const bytes = fc.integer({ min: 0, max: 4_096 }).map((mebibytes) => mebibytes * MiB);
const reading = fc
  .record({
    limitBytes: fc.integer({ min: 64, max: 4_096 }).map((mebibytes) => mebibytes * MiB),
    hotShareOfLimit: fc.double({ min: 0.05, max: 1, noNaN: true }),
    residentBytes: bytes,
    hotBytes: bytes,
    indexBytes: bytes,
    otherBytes: bytes,
    unaccountedBytes: bytes,
  })
  .map(({ hotShareOfLimit, ...rest }) => Object.assign(rest, { hotBytesMax: rest.limitBytes * hotShareOfLimit }));

describe('shareMemory', () => {
  it('keeps the hot tier between its least share and its most', () => {
    fc.assert(
      fc.property(reading, (given) => {
        const { hotLimitBytes } = shareMemory(given);
        expect(hotLimitBytes).toBeLessThanOrEqual(given.hotBytesMax);
        expect(hotLimitBytes + 1).toBeGreaterThan(Math.min(given.hotBytesMax, given.limitBytes * hotShareMin));
      }),
    );
  });

  it('lets the hot tier yield: what others take more never raises its limit', () => {
    fc.assert(
      fc.property(reading, bytes, (given, more) => {
        const { hotLimitBytes } = shareMemory(given);
        const taken = { ...given, residentBytes: given.residentBytes + more };
        expect(shareMemory(taken).hotLimitBytes).toBeLessThanOrEqual(hotLimitBytes);
        const used = { ...taken, otherBytes: given.otherBytes + more };
        expect(shareMemory(used).hotLimitBytes).toBeLessThanOrEqual(hotLimitBytes);
      }),
    );
  });

  it('holds a process at its target whose garbage comes and goes, and gives out what it can', () => {
    const garbage = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 200, maxLength: 400 });
    fc.assert(
      fc.property(garbage, fc.double({ min: 0.05, max: 0.24, noNaN: true }), (shares, baseShare) => {
        const limitBytes = 256 * MiB;
        const hotBytesMax = limitBytes * 0.75;
        const baseBytes = baseShare * limitBytes;
        const garbageBytesMax = 0.19 * limitBytes;
        let state = { hotLimitBytes: 0, unaccountedBytes: baseBytes + garbageBytesMax };
        for (const share of shares) {
          const hotBytes = state.hotLimitBytes;
          const residentBytes = baseBytes + hotBytes + share * garbageBytesMax;
          // At worst the peak of garbage has faded altogether since it was seen last.
          expect(residentBytes).toBeLessThan(limitBytes * 1.25);
          const { unaccountedBytes } = state;
          const others = { indexBytes: 0, otherBytes: 0 };
          state = shareMemory({ limitBytes, hotBytesMax, residentBytes, hotBytes, unaccountedBytes, ...others });
          const affordable = limitBytes * memoryTargetRatio - baseBytes - garbageBytesMax;
          expect(state.hotLimitBytes).toBeGreaterThan(Math.min(hotBytesMax, affordable) - 1);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('indexBytesMaxOf', () => {
  it('gives the index half of a limit, and of a small one what the process leaves', () => {
    const mebibytes = [64, 128, 256, 512, 1_024, 4_096].map((limit) => Math.floor(indexBytesMaxOf(limit * MiB) / MiB));
    expect(mebibytes).toEqual([8, 16, 32, 200, 512, 2_048]);
  });
});

describe('MemoryBudget', () => {
  it('lowers and raises the limit of the hot tier by the clock', () => {
    const clock = new ManualClock(0);
    const hot = new HotTier({ limitBytes: 1 });
    let residentBytes = 50 * MiB;
    const budget = new MemoryBudget({
      limitBytes: 256 * MiB,
      hotBytesMax: 192 * MiB,
      hot,
      clock,
      indexBytes: () => 10 * MiB,
      otherBytes: () => 20 * MiB,
      residentBytes: () => residentBytes,
    });
    const first = hot.limitBytes;
    expect(first).toBeGreaterThan(100 * MiB);
    residentBytes = 250 * MiB;
    clock.advance(memoryCheckIntervalMs);
    expect(budget.residentBytes).toBe(250 * MiB);
    expect(hot.limitBytes).toBeLessThan(first / 2);
    residentBytes = 60 * MiB;
    clock.advance(120_000);
    expect(hot.limitBytes).toBe(192 * MiB);
    budget.close();
    residentBytes = 900 * MiB;
    clock.advance(60_000);
    expect(hot.limitBytes).toBe(192 * MiB);
  });

  it('keeps the resident memory of a churning process within 1.25 times its limit', async () => {
    const child = spawn(
      process.execPath,
      [resolve(import.meta.dirname, '../../bench/hot-churn.ts'), '256', '20', '500'],
      {
        env: { ...process.env, ...shardEnvironment },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    expect(code).toBe(0);
    const { worst, last, commands } = JSON.parse(output.trimEnd().split('\n').at(-1)!) as Record<string, number>;
    expect(commands).toBeGreaterThan(0);
    expect(worst).toBeLessThanOrEqual(1.25);
    expect(last).toBeLessThanOrEqual(1.25);
  }, 120_000);
});
