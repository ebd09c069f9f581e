import fc from 'fast-check';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { workQueueKeysMax } from '../../limits.ts';
import { WorkQueue, type WorkQueueOptions } from './work-queue.ts';

const log = pino({ level: 'silent' });

function queueOf(work: WorkQueueOptions['work'], options: Partial<WorkQueueOptions> = {}): WorkQueue {
  return new WorkQueue({ name: 'test', workers: 2, log, work, ...options });
}

/** Resolves when `arrive` was called so many times. */
function gate(count: number): { arrive: () => void; reached: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = count;
  return {
    arrive: () => {
      left -= 1;
      if (left === 0) resolve();
    },
    reached: promise,
  };
}

test('a key that is added many times before its turn is worked on once', async () => {
  const worked: string[] = [];
  const { arrive, reached } = gate(2);
  const queue = queueOf(async (key) => {
    worked.push(key);
    arrive();
  });
  for (const key of ['a', 'a', 'b', 'a', 'b']) queue.add(key);
  expect(queue.statistics).toMatchObject({ waiting: 2, adds: 5 });
  queue.start();
  await reached;
  expect(worked).toEqual(['a', 'b']);
  expect(await queue.stop()).toBe(true);
});

test('a key that is added while it is worked on is worked on once more, and never by two at once', async () => {
  const first = Promise.withResolvers<void>();
  const { arrive, reached } = gate(2);
  let running = 0;
  let runningMax = 0;
  const queue = queueOf(async () => {
    running += 1;
    runningMax = Math.max(runningMax, running);
    arrive();
    await first.promise;
    running -= 1;
  });
  queue.start();
  queue.add('a');
  queue.add('a');
  queue.add('a');
  expect(queue.statistics).toMatchObject({ running: 1, waiting: 1 });
  first.resolve();
  await reached;
  expect(runningMax).toBe(1);
  expect(await queue.stop()).toBe(true);
  expect(queue.statistics.done).toBe(2);
});

test('whatever is added when, no key has two workers, no more workers than there are run, and nothing is forgotten', async () => {
  const step = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), afterMs: fc.constantFrom(0, 0, 1, 3) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 30 }),
      fc.infiniteStream(fc.integer({ min: 0, max: 3 })),
      async (steps, kinds) => {
        const running = new Set<string>();
        /** The step at which each key was last added, and last begun. */
        const added = new Map<string, number>();
        const begun = new Map<string, number>();
        let clock = 0;
        const queue = queueOf(
          async (key) => {
            expect(running.has(key)).toBe(false);
            running.add(key);
            expect(running.size).toBeLessThanOrEqual(2);
            begun.set(key, (clock += 1));
            const { value: kind } = kinds.next();
            if (kind > 0) await new Promise<void>((resolve) => void setImmediate(resolve));
            running.delete(key);
            if (kind === 3) throw new Error('a failure now and then');
          },
          { retryDelayMinMs: 1, retryDelayMaxMs: 2 },
        );
        queue.start();
        for (const { key, afterMs } of steps) {
          added.set(key, (clock += 1));
          queue.addAfter(key, afterMs);
          if (clock % 3 === 0) await new Promise<void>((resolve) => void setImmediate(resolve));
        }
        await expect
          .poll(() => queue.statistics.waiting + queue.statistics.running + queue.statistics.later, { interval: 1 })
          .toBe(0);
        for (const [key, at] of added) expect(begun.get(key)).toBeGreaterThan(at);
        await queue.stop();
      },
    ),
    { numRuns: 40 },
  );
});

test('one key that always fails, and one that hangs, keep nobody else waiting', async () => {
  const others = Array.from({ length: 200 }, (_, index) => `key-${index}`);
  const { arrive, reached } = gate(others.length);
  const queue = queueOf(async (key, signal) => {
    if (key === 'fails') throw new Error('always');
    if (key === 'hangs') await new Promise((resolve) => signal.addEventListener('abort', resolve));
    else arrive();
  });
  queue.start();
  for (const key of ['fails', 'hangs', ...others]) queue.add(key);
  await reached;
  expect(queue.failuresOf('fails')).toBeGreaterThan(0);
  expect(await queue.stop()).toBe(true);
  expect(queue.statistics.done).toBe(201);
});

test('failures double the wait up to its bound, a success forgets them', async () => {
  const waits: number[] = [];
  const { arrive, reached } = gate(7);
  let isFailing = true;
  const watched = { ...log, warn: (fields: object) => void waits.push((fields as { afterMs: number }).afterMs) };
  const queue = queueOf(
    async () => {
      arrive();
      if (waits.length === 6) isFailing = false;
      if (isFailing) throw new Error('not yet');
    },
    { log: watched as unknown as typeof log, retryDelayMinMs: 1, retryDelayMaxMs: 20 },
  );
  queue.start();
  queue.add('a');
  await reached;
  expect(waits).toEqual([1, 2, 4, 8, 16, 20]);
  await expect.poll(() => queue.failuresOf('a')).toBe(0);
  expect(queue.statistics).toMatchObject({ failed: 6, retries: 6, done: 1 });
  await queue.stop();
});

test('a key that asks to be looked at again is, and an earlier wish wins over a later one', async () => {
  const { arrive, reached } = gate(3);
  const queue = queueOf(async () => {
    arrive();
    return { again: { afterMs: 1 } };
  });
  queue.start();
  queue.addAfter('a', 3_600_000);
  expect(queue.statistics).toMatchObject({ later: 1, waiting: 0 });
  queue.addAfter('a', 1);
  queue.addAfter('a', 3_600_000);
  expect(queue.statistics.later).toBe(1);
  await reached;
  expect(await queue.stop()).toBe(true);
});

test('an add makes a planned look happen now', async () => {
  const { arrive, reached } = gate(1);
  const queue = queueOf(async () => arrive());
  queue.start();
  queue.addAfter('a', 3_600_000);
  queue.add('a');
  await reached;
  expect(queue.statistics.later).toBe(0);
  await queue.stop();
});

test('a resync brings every key again', async () => {
  const seen = new Set<string>();
  const { arrive, reached } = gate(3);
  const queue = queueOf(
    async (key) => {
      if (!seen.has(key)) arrive();
      seen.add(key);
    },
    { resync: { intervalMs: 5, keys: () => ['a', 'b', 'c'] } },
  );
  queue.start();
  await reached;
  await queue.stop();
});

test('stopping begins nothing more, tells what runs, waits for it, and says whether it ended in time', async () => {
  const begun: string[] = [];
  const release = Promise.withResolvers<void>();
  let wasTold = false;
  const queue = queueOf(
    async (key, signal) => {
      begun.push(key);
      signal.addEventListener('abort', () => (wasTold = true));
      await release.promise;
    },
    { workers: 1 },
  );
  queue.start();
  for (const key of ['a', 'b', 'c']) queue.add(key);
  queue.addAfter('d', 1);
  expect(await queue.stop(1)).toBe(false);
  expect(wasTold).toBe(true);
  const stopped = queue.stop();
  release.resolve();
  expect(await stopped).toBe(true);
  queue.add('e');
  expect(begun).toEqual(['a']);
  expect(queue.statistics).toMatchObject({ waiting: 0, later: 0, running: 0 });
});

test('the queue has a bound, and counts what it refuses', () => {
  const queue = queueOf(async () => undefined);
  for (let i = 0; i < workQueueKeysMax + 5; i += 1) queue.add(`key-${i}`);
  expect(queue.statistics).toMatchObject({ waiting: workQueueKeysMax, refused: 5 });
  queue.add('key-0');
  expect(queue.statistics.refused).toBe(5);
});

test('a number of workers that makes no sense is refused', () => {
  expect(() => queueOf(async () => undefined, { workers: 0 })).toThrow('between 1 and 64');
});
