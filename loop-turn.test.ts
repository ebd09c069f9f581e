import { expect, test } from 'vitest';
import { loopTurnMaxMs } from './limits.ts';
import { LoopTurn, type NextTurn } from './loop-turn.ts';

/** A loop turn by a clock that moves a tenth of a turn with every piece of work. */
function harness(): { turn: LoopTurn; work(): boolean } {
  let nowMs = 0;
  const turn = new LoopTurn(() => nowMs);
  return {
    turn,
    work() {
      nowMs += loopTurnMaxMs / 10;
      return turn.take();
    },
  };
}

function workUntilOver(work: () => boolean): number {
  let pieces = 0;
  while (work()) pieces++;
  return pieces;
}

test('a turn ends when it has taken its time, and takes nothing more until the loop has come around', async () => {
  const { turn, work } = harness();
  const pieces = workUntilOver(work);
  expect(pieces).toBeGreaterThan(10);
  expect(pieces).toBeLessThan(100);
  expect(turn.take()).toBe(false);
  await new Promise<void>((resolve) => turn.next({ onNextTurn: resolve }));
  expect(turn.take()).toBe(true);
});

test('timers run before what had to wait goes on', async () => {
  const { turn, work } = harness();
  const order: string[] = [];
  // From an immediate, as sockets' data does not come: what is over here must not go on before timers had their time.
  await new Promise<void>((resolve) => {
    setImmediate(() => {
      workUntilOver(work);
      setTimeout(() => order.push('timer'), 0);
      const until = performance.now() + 2;
      while (performance.now() < until);
      turn.next({
        onNextTurn() {
          order.push('work');
          resolve();
        },
      });
    });
  });
  expect(order).toEqual(['timer', 'work']);
});

test('whoever waits gets a share, also beside one who never stops', async () => {
  const { turn, work } = harness();
  const shares = [0, 0, 0];
  await new Promise<void>((resolve) => {
    const waiters = shares.map((_, index): NextTurn => {
      const waiter = {
        onNextTurn() {
          shares[index]! += workUntilOver(work);
          if (shares.every((share) => share > 100)) resolve();
          else turn.next(waiter);
        },
      };
      return waiter;
    });
    workUntilOver(work);
    for (const waiter of waiters) turn.next(waiter);
  });
  expect(Math.max(...shares)).toBeLessThan(2 * Math.min(...shares));
});

test('a turn of little work asks no clock', () => {
  let looks = 0;
  const turn = new LoopTurn(() => ++looks);
  for (let piece = 0; piece < 60; piece++) expect(turn.take()).toBe(true);
  expect(looks).toBe(0);
});
