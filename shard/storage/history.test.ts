/**
 * Random histories of one shard's storage against a model: writes, changes that are written as deltas, deletes,
 * expiries, atomic groups, slot-drops and keys whose value is at another shard, with seals, foldings, compactions, evictions, clean restarts, crashes and lost disks in between. Nothing resurrects, nothing
 * that was flushed is lost.
 *
 * After a crash the model falls back to what was synced last, after a lost disk to what Blob had last; what was
 * written since may be there or not, but only as it was written.
 *
 * KVCACHE_HISTORIES multiplies the number of histories for long runs.
 */
import fc from 'fast-check';
import { test } from 'vitest';
import { startTestAzurite } from '../../testing/azurite.ts';
import { openBlobTestStore } from '../../testing/blob-store.ts';
import { MemoryAccount, MemoryTier } from '../../testing/memory-tier.ts';
import { roomyEviction, setOf, temporaryFolder, TestStore } from '../../testing/store.ts';
import type { Clock } from '../clock.ts';
import type { StorageOptions } from './storage-options.ts';

const keys = ['{a}1', '{a}2', '{b}1', 'c', 'd', 'e'];

type Step =
  | { kind: 'set'; key: string; size: number; ttlMs: number }
  | { kind: 'away'; key: string; ttlMs: number }
  | { kind: 'extend'; key: string; size: number; ttlMs: number }
  | { kind: 'fold'; key: string }
  | { kind: 'pair'; first: string; second: string }
  | { kind: 'delete'; key: string }
  | { kind: 'dropSlot'; key: string }
  | { kind: 'advance'; ms: number }
  | { kind: Operation };
type Operation = 'roll' | 'maintain' | 'sync' | 'flush' | 'restart' | 'crash' | 'loseDisk';

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
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('away' as const), key, ttlMs: fc.constantFrom(0, 0, 3000) }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('extend' as const),
      key,
      size: fc.constantFrom(0, 1, 40, 400),
      ttlMs: fc.constantFrom(0, 0, 0, 2000, 6000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fold' as const), key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pair' as const), first: key, second: key }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('dropSlot' as const), key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 4000 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom<Operation>('roll', 'maintain', 'sync', 'flush') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom<Operation>('restart', 'crash', 'loseDisk') }) },
);

interface Version {
  /** Undefined: absent. */
  readonly value: string | undefined;
  readonly expireAtMs: number;
}

/** All versions of a key, oldest first, and how many of them are certainly on the disk and in Blob. */
interface Versions {
  all: Version[];
  onDisk: number;
  inBlob: number;
}

/** How a history opens its store, again and again, on one folder. */
type Opener = (folder: string, options: Partial<StorageOptions>) => Promise<TestStore>;

class History {
  #folder = temporaryFolder('history');
  readonly #model = new Map<string, Versions>(
    keys.map((name) => [name, { all: [{ value: undefined, expireAtMs: 0 }], onDisk: 1, inBlob: 1 }]),
  );
  readonly #opener: Opener;
  readonly #hasBlob: boolean;
  #nowMs = 1_000_000;
  #counter = 0;
  #store: TestStore | undefined;

  constructor(opener: Opener, hasBlob: boolean) {
    this.#opener = opener;
    this.#hasBlob = hasBlob;
  }

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

  async #open(): Promise<TestStore> {
    const clock: Clock = { now: () => this.#nowMs, after: () => () => undefined };
    const store = await this.#opener(this.#folder.path, {
      clock,
      segmentBytes: 8192,
      compaction: { liveRatio: 0.7, bytesPerSecond: 1e12, segmentBytes: 8192 },
      // With Blob a full disk costs no key: files above the threshold are dropped and read from there.
      ...(this.#hasBlob && { eviction: { ...roomyEviction, diskBytes: 20_000 }, fullWaitMs: 5_000 }),
    });
    store.storage.fetchAway = async ({ bodyBytes }) => ({ meta: undefined, body: Buffer.from(`away:${bodyBytes}`) });
    return store;
  }

  async #perform(item: Step): Promise<void> {
    const store = this.#store!;
    if (item.kind === 'set') {
      const value = `${item.key}:${this.#counter++}:`.padEnd(item.size, '.');
      const expireAtMs = item.ttlMs === 0 ? 0 : this.#nowMs + item.ttlMs;
      store.set(item.key, value, expireAtMs);
      this.#wrote(item.key, value, expireAtMs);
    } else if (item.kind === 'away') {
      const awayBytes = this.#counter++;
      const expireAtMs = item.ttlMs === 0 ? 0 : this.#nowMs + item.ttlMs;
      const { body: _, ...write } = setOf(item.key, '', expireAtMs);
      store.write([{ ...write, awayBytes }]);
      this.#wrote(item.key, `away:${awayBytes}`, expireAtMs);
    } else if (item.kind === 'extend') {
      const value = this.#visible(this.#model.get(item.key)!.all.at(-1)!);
      // What is at another shard must come first.
      if (value === undefined || store.storage.isAway(store.index.find(0, item.key)!)) return;
      const bytes = item.size === 0 ? '' : `+${this.#counter++}`.padEnd(item.size, ',');
      const expireAtMs = item.ttlMs === 0 ? 0 : this.#nowMs + item.ttlMs;
      store.extend(item.key, bytes, expireAtMs);
      this.#wrote(item.key, value + bytes, expireAtMs);
    } else if (item.kind === 'fold') {
      const entry = store.index.find(0, item.key);
      if (entry !== undefined) store.storage.fold(entry);
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
      await store.storage.dropSlots([slot]);
      for (const name of keys) if (setOf(name, '').slot === slot) this.#wrote(name, undefined, 0);
      this.#synced('onDisk');
    } else if (item.kind === 'advance') {
      this.#nowMs += item.ms;
    } else {
      await this.#operate(item.kind);
    }
  }

  async #operate(kind: Operation): Promise<void> {
    const store = this.#store!;
    if (kind === 'roll') await store.storage.log.roll();
    if (kind === 'maintain') await store.storage.maintain();
    if (kind === 'sync') await store.storage.flush('disk');
    if (kind === 'sync' || kind === 'roll') this.#synced('onDisk');
    if (kind === 'flush' && this.#hasBlob) {
      await store.storage.flush('blob');
      this.#synced('inBlob');
    }
    if (kind === 'restart') {
      await store.close();
      this.#synced(this.#hasBlob ? 'inBlob' : 'onDisk');
      this.#store = await this.#open();
    }
    if (kind === 'crash' || (kind === 'loseDisk' && this.#hasBlob)) {
      await store.crash();
      if (kind === 'loseDisk') {
        this.#folder.remove();
        this.#folder = temporaryFolder('history');
      }
      this.#store = await this.#open();
      await this.#settle(kind === 'crash' ? 'onDisk' : 'inBlob');
    }
  }

  #wrote(name: string, value: string | undefined, expireAtMs: number): void {
    this.#model.get(name)!.all.push({ value, expireAtMs });
  }

  /** What is in Blob came from the disk. */
  #synced(level: 'onDisk' | 'inBlob'): void {
    for (const versions of this.#model.values()) {
      versions.onDisk = versions.all.length;
      if (level === 'inBlob') versions.inBlob = versions.all.length;
    }
  }

  /** After a loss any of the unsafe versions may be the last one; whichever it is, it is the truth from now on. */
  async #settle(level: 'onDisk' | 'inBlob'): Promise<void> {
    for (const [name, versions] of this.#model) {
      const found = await this.#store!.text(name);
      const possible = versions.all.slice(versions[level] - 1);
      const match = possible.findLastIndex((version) => this.#visible(version) === found);
      if (match < 0) throw new Error(`${name} is ${found}, not one of ${JSON.stringify(possible)}`);
      versions.all = versions.all.slice(0, versions[level] + match);
      // Recovery makes what it found safe on this disk; Blob gets it with the next flush.
      versions.onDisk = versions.all.length;
      versions.inBlob = Math.min(versions.inBlob, versions.all.length);
    }
  }

  #visible(version: Version): string | undefined {
    const isExpired = version.expireAtMs !== 0 && version.expireAtMs <= this.#nowMs;
    return isExpired ? undefined : version.value;
  }

  async #check(when: string): Promise<void> {
    for (const [name, versions] of this.#model) {
      const expected = this.#visible(versions.all.at(-1)!);
      const found = await this.#store!.text(name);
      if (found !== expected) throw new Error(`${when}: ${name} is ${found}, not ${expected}`);
    }
  }
}

const factor = Number(process.env['KVCACHE_HISTORIES'] ?? 1);
function holds(runs: number, start: () => History): Promise<void> {
  const steps = fc.array(step, { minLength: 5, maxLength: 40 });
  return fc.assert(
    fc.asyncProperty(steps, (list) => start().run(list)),
    { numRuns: runs * factor },
  );
}

test(
  'on a disk alone nothing is lost or resurrected',
  async () => {
    await holds(700, () => new History((folder, options) => TestStore.open(folder, options), false));
  },
  300_000 * factor,
);

test(
  'over a Blob tier nothing that was flushed is lost, and nothing is resurrected, whatever happens to the disk',
  async () => {
    await holds(1000, () => {
      const account = new MemoryAccount();
      return new History((path, options) => TestStore.open(path, { below: new MemoryTier(account), ...options }), true);
    });
  },
  300_000 * factor,
);

test(
  'the same on a real Azurite',
  async () => {
    const { azurite, remove } = await startTestAzurite();
    let count = 0;
    await holds(60, () => {
      const prefix = `history-${count++}`;
      return new History(
        async (path, options) => (await openBlobTestStore(path, azurite.connectionString, prefix, options)).store,
        true,
      );
    });
    await remove();
  },
  300_000 * factor,
);
