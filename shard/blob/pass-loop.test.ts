import { beforeEach, describe, expect, test } from 'vitest';

import type { Clock } from '../clock.ts';
import { PassLoop } from './pass-loop.ts';

/** Time that moves when told to. */
class ManualClock implements Clock {
  #nowMs = 1_000;
  #timers: { atMs: number; callback: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** When the next timer is due, counted from now. */
  get nextInMs(): number | undefined {
    return this.#timers.length === 0 ? undefined : Math.min(...this.#timers.map(({ atMs }) => atMs)) - this.#nowMs;
  }

  advance(byMs: number): void {
    this.#nowMs += byMs;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#nowMs);
    for (const { callback } of due) callback();
  }
}

let clock: ManualClock;
let passes: PromiseWithResolvers<string | undefined>[];
let overslept: number;
let loop: PassLoop<string>;

beforeEach(() => {
  clock = new ManualClock();
  passes = [];
  overslept = 0;
  loop = new PassLoop({
    clock,
    intervalMs: 1_000,
    hastenedGapMs: 20,
    oversleptMs: 5_000,
    pass: async () => {
      const pass = Promise.withResolvers<string | undefined>();
      passes.push(pass);
      return await pass.promise;
    },
    pauseMs: (trouble) => (trouble === 'slow' ? 10_000 : 1_000),
    onOverslept: () => (overslept += 1),
  });
});

async function end(place: number, trouble?: string): Promise<void> {
  passes[place]?.resolve(trouble);
  await loop.idle();
}

describe('passes', () => {
  test('follow one another at the interval', async () => {
    loop.start();
    clock.advance(0);
    expect(passes).toHaveLength(1);
    clock.advance(5_000);
    expect(passes).toHaveLength(1);
    await end(0);
    expect(clock.nextInMs).toBe(1_000);
    clock.advance(1_000);
    expect(passes).toHaveLength(2);
  });

  test('come sooner when hastened, and keep their distance', async () => {
    loop.start();
    clock.advance(0);
    await end(0);
    clock.advance(5);
    loop.hasten();
    loop.hasten();
    expect(clock.nextInMs).toBe(15);
    clock.advance(15);
    expect(passes).toHaveLength(2);
    loop.hasten();
    await end(1);
    expect(clock.nextInMs).toBe(20);
  });

  test('come later when a person must mend something', async () => {
    loop.start();
    clock.advance(0);
    await end(0, 'slow');
    expect(clock.nextInMs).toBe(10_000);
  });

  test('that are asked for while one runs are one, and begin after it', async () => {
    loop.start();
    clock.advance(0);
    const first = loop.run();
    const second = loop.run();
    expect(passes).toHaveLength(1);
    await end(0);
    await expect.poll(() => passes.length).toBe(2);
    passes[1]?.resolve('trouble');
    expect(await first).toBe('trouble');
    expect(await second).toBe('trouble');
    expect(passes).toHaveLength(2);
  });

  test('tell when a turn came much too late', async () => {
    loop.start();
    clock.advance(0);
    await end(0);
    clock.advance(60_000);
    expect(overslept).toBe(1);
  });

  test('end with stop, and are never begun by a hint before start', async () => {
    loop.hasten();
    expect(clock.nextInMs).toBeUndefined();
    loop.start();
    clock.advance(0);
    loop.stop();
    await end(0);
    expect(clock.nextInMs).toBeUndefined();
  });
});
