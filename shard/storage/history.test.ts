/**
 * Random histories of one shard's log against a model: writes, deletes, expiries, atomic groups and slot-drops, with
 * seals, compactions, clean restarts and crashes in between. Nothing resurrects, nothing that was on the disk is lost.
 *
 * After a crash the model falls back to what was synced last; what was written since may be there or not, but only as
 * it was written.
 */
import fc from 'fast-check';
import { test } from 'vitest';
import { setOf, temporaryFolder, TestStore } from '../../testing/store.ts';
import type { Clock } from '../clock.ts';

const keys = ['{a}1', '{a}2', '{b}1', 'c', 'd', 'e'];

type Step =
  | { kind: 'set'; key: string; size: number; ttlMs: number }
  | { kind: 'pair'; first: string; second: string }
  | { kind: 'delete'; key: string }
  | { kind: 'dropSlot'; key: string }
  | { kind: 'advance'; ms: number }
  | { kind: 'roll' | 'maintain' | 'sync' | 'restart' | 'crash' };

const key = fc.constantFrom(...keys);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('set' as const), key, size: fc.nat(900), ttlMs: fc.constant(0) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('set' as const),
      key,
      size: fc.nat(900),
      ttlMs: fc.integer({ min: 1, max: 5000 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pair' as const), first: key, second: key }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('dropSlot' as const), key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 4000 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('roll' as const, 'maintain' as const, 'sync' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('restart' as const, 'crash' as const) }) },
);

interface Versions {
  /** What must be there as long as nothing newer is: value, or undefined for absent. */
  safe: { value: string | undefined; expireAtMs: number };
  /** Written since the last sync, oldest first. */
  since: { value: string | undefined; expireAtMs: number }[];
}

class History {
  readonly #folder = temporaryFolder('history');
  readonly #model = new Map<string, Versions>(
    keys.map((name) => [name, { safe: { value: undefined, expireAtMs: 0 }, since: [] }]),
  );
  #nowMs = 1_000_000;
  #counter = 0;
  #store: TestStore | undefined;

  async run(steps: readonly Step[]): Promise<void> {
    this.#store = await this.#open();
    try {
      for (const item of steps) {
        await this.#perform(item);
        await this.#check(`after ${JSON.stringify(item)}`);
      }
      await this.#perform({ kind: 'restart' });
      await this.#check('at the end');
    } finally {
      await this.#store.close();
      this.#folder.remove();
    }
  }

  #open(): Promise<TestStore> {
    const clock: Clock = { now: () => this.#nowMs, after: () => () => undefined };
    return TestStore.open(this.#folder.path, {
      clock,
      segmentBytes: 8192,
      compaction: { liveRatio: 0.7, bytesPerSecond: 1e12, segmentBytes: 8192 },
    });
  }

  async #perform(item: Step): Promise<void> {
    const store = this.#store!;
    if (item.kind === 'set') {
      const value = `${item.key}:${this.#counter++}:`.padEnd(item.size, '.');
      const expireAtMs = item.ttlMs === 0 ? 0 : this.#nowMs + item.ttlMs;
      store.set(item.key, value, expireAtMs);
      this.#wrote(item.key, value, expireAtMs);
    } else if (item.kind === 'pair') {
      const value = `pair:${this.#counter++}`;
      store.write([setOf(item.first, value), setOf(item.second, value)]);
      this.#wrote(item.first, value, 0);
      this.#wrote(item.second, value, 0);
    } else if (item.kind === 'delete') {
      store.delete(item.key);
      this.#wrote(item.key, undefined, 0);
    } else if (item.kind === 'dropSlot') {
      const { slot } = setOf(item.key, '');
      await store.storage.dropSlot(slot);
      for (const name of keys) if (setOf(name, '').slot === slot) this.#wrote(name, undefined, 0);
      this.#synced();
    } else if (item.kind === 'advance') {
      this.#nowMs += item.ms;
    } else {
      await this.#operate(item.kind);
    }
  }

  async #operate(kind: 'roll' | 'maintain' | 'sync' | 'restart' | 'crash'): Promise<void> {
    const store = this.#store!;
    if (kind === 'roll') await store.storage.log.roll();
    if (kind === 'maintain') await store.storage.maintain();
    if (kind === 'sync') await store.storage.durable(store.storage.log.position(), 'disk');
    if (kind === 'sync' || kind === 'roll') this.#synced();
    if (kind === 'restart') {
      await store.close();
      this.#synced();
      this.#store = await this.#open();
    }
    if (kind === 'crash') {
      await store.crash();
      this.#store = await this.#open();
      await this.#settle();
    }
  }

  #wrote(name: string, value: string | undefined, expireAtMs: number): void {
    this.#model.get(name)!.since.push({ value, expireAtMs });
  }

  #synced(): void {
    for (const versions of this.#model.values()) {
      const last = versions.since.at(-1);
      if (last !== undefined) versions.safe = last;
      versions.since = [];
    }
  }

  /** After a crash any of the unsynced versions may be the last one; whichever it is, it is the truth from now on. */
  async #settle(): Promise<void> {
    for (const [name, versions] of this.#model) {
      const found = await this.#store!.text(name);
      const match = [versions.safe, ...versions.since].findLast((version) => this.#visible(version) === found);
      if (match === undefined) throw new Error(`after a crash ${name} is ${found}, which was never its value since`);
      versions.safe = match;
      versions.since = [];
    }
  }

  #visible(version: { value: string | undefined; expireAtMs: number }): string | undefined {
    const isExpired = version.expireAtMs !== 0 && version.expireAtMs <= this.#nowMs;
    return isExpired ? undefined : version.value;
  }

  async #check(when: string): Promise<void> {
    for (const [name, versions] of this.#model) {
      const expected = this.#visible(versions.since.at(-1) ?? versions.safe);
      const found = await this.#store!.text(name);
      if (found !== expected) throw new Error(`${when}: ${name} is ${found}, not ${expected}`);
    }
  }
}

test('no history of writes, compactions, restarts and crashes loses or resurrects anything', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => new History().run(steps)),
    { numRuns: 1000 },
  );
}, 240_000);
