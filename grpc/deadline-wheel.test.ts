import { describe, expect, it } from 'vitest';
import { Deadline, DeadlineWheel } from './deadline-wheel.ts';

/** Adds a deadline and resolves with the time at which it struck. */
function struck(wheel: DeadlineWheel, dueMs: number): { deadline: Deadline; at: Promise<number> } {
  const { promise, resolve } = Promise.withResolvers<number>();
  const deadline = new Deadline(dueMs, () => resolve(Date.now()));
  wheel.add(deadline);
  return { deadline, at: promise };
}

describe('a deadline wheel', () => {
  it('strikes each deadline, never early', async () => {
    const wheel = new DeadlineWheel();
    const now = Date.now();
    const dues = [-50, 0, 1, 4, 5, 6, 20, 20, 33, 120].map((afterMs) => now + afterMs);
    const times = await Promise.all(dues.map((dueMs) => struck(wheel, dueMs).at));
    for (const [index, at] of times.entries()) expect(at).toBeGreaterThanOrEqual(dues[index]!);
  });

  it('does not strike what was removed, or one that a neighbour removes in striking', async () => {
    const wheel = new DeadlineWheel();
    const dueMs = Date.now() + 10;
    const wrong: string[] = [];
    const first = new Deadline(dueMs, () => wrong.push('first'));
    const second = new Deadline(dueMs, () => wrong.push('second'));
    const both = [first, second];
    for (const deadline of both) wheel.add(deadline);
    wheel.remove(first);
    wheel.remove(first);
    // The bucket is walked from its newest: this one goes before the second.
    const remover = Promise.withResolvers<void>();
    wheel.add(
      new Deadline(dueMs, () => {
        wheel.remove(second);
        remover.resolve();
      }),
    );
    await remover.promise;
    await struck(wheel, Date.now() + 20).at;
    expect(wrong).toEqual([]);
  });

  it('keeps those beyond one turn for their own turn', async () => {
    const wheel = new DeadlineWheel();
    const { deadline } = struck(wheel, Date.now() + 3_600_000);
    // In the same bucket one turn earlier: 1,024 buckets of 5 ms.
    await struck(wheel, Date.now() + 15).at;
    expect(deadline.waiting).toBe(true);
    wheel.remove(deadline);
    expect(deadline.waiting).toBe(false);
  });
});
