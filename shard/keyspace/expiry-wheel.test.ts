import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expiryTickMs } from '../../limits.ts';
import { entryOf } from '../../testing/engine-entries.ts';
import type { Entry } from '../journal.ts';
import { ExpiryWheel } from './expiry-wheel.ts';

const startMs = 1_700_000_000_000;
const yearMs = 365 * 24 * 3_600_000;

/** Advances until nothing is left to do now, counting turns. */
function settle(wheel: ExpiryWheel, nowMs: number, workMax: number, onExpired: (entry: Entry) => void): number {
  let turns = 1;
  while (!wheel.advance(nowMs, workMax, onExpired)) turns += 1;
  return turns;
}

describe('ExpiryWheel', () => {
  it('hands out every entry once, after its time and within a tick of it, through any steps of time', () => {
    const delay = fc.oneof(
      fc.integer({ min: -1_000, max: 20_000 }),
      fc.integer({ min: 0, max: 100 * 24 * 3_600_000 }),
      fc.integer({ min: 0, max: 400 * yearMs }),
    );
    const step = fc.record({
      adds: fc.array(delay, { maxLength: 4 }),
      removes: fc.boolean(),
      passMs: fc.oneof(fc.integer({ min: 0, max: 3_000 }), delay.map(Math.abs)),
      workMax: fc.integer({ min: 1, max: 50 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const wheel = new ExpiryWheel();
        /** What waits, and the time from which it is due: that of its coming if it was overdue then. */
        const waiting = new Map<Entry, number>();
        let nowMs = startMs;
        for (const { adds, removes, passMs, workMax } of steps) {
          for (const delayMs of adds) {
            const entry = entryOf('key', { slot: 0, expireAtMs: nowMs + delayMs });
            wheel.add(entry, nowMs);
            waiting.set(entry, Math.max(nowMs, entry.expireAtMs));
          }
          const [first] = waiting.keys();
          if (removes && first !== undefined) {
            wheel.remove(first);
            wheel.remove(first);
            waiting.delete(first);
          }
          nowMs += passMs;
          settle(wheel, nowMs, workMax, (entry) => {
            expect(waiting.delete(entry)).toBe(true);
            expect(entry.expireAtMs).toBeLessThan(nowMs);
          });
          for (const dueMs of waiting.values()) expect(dueMs).toBeGreaterThan(nowMs - expiryTickMs);
          expect(wheel.size).toBe(waiting.size);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('does bounded work a turn, however many entries are due at one moment or move down at once', () => {
    const wheel = new ExpiryWheel();
    const entries = 50_000;
    for (let index = 0; index < entries; index++) {
      wheel.add(entryOf('key', { slot: 0, expireAtMs: startMs + 3_600_000 }), startMs);
    }
    let expired = 0;
    let inThisTurn = 0;
    const nowMs = startMs + 3_600_000 + expiryTickMs;
    for (let isDone = false; !isDone; inThisTurn = 0) {
      isDone = wheel.advance(nowMs, 1_000, () => {
        expired += 1;
        inThisTurn += 1;
      });
      expect(inThisTurn).toBeLessThanOrEqual(1_000);
    }
    expect(expired).toBe(entries);
  });

  it('passes years without entries in a few steps', () => {
    const wheel = new ExpiryWheel();
    wheel.add(entryOf('key', { slot: 0, expireAtMs: startMs + 30 * yearMs }), startMs);
    expect(settle(wheel, startMs + 29 * yearMs, 1_000, () => undefined)).toBe(1);
    expect(settle(wheel, startMs + 31 * yearMs, 1_000, () => undefined)).toBe(1);
    expect(wheel.size).toBe(0);
  });
});
