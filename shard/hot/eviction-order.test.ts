import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  hotAgainShareMax,
  hotDemotionsPerEvictionMax,
  hotPassedOverPerEvictionMax,
  hotSmallValueBytesMax,
} from '../../limits.ts';
import { entryOf } from '../../testing/engine-entries.ts';
import { type Entry, spaceOfBlocks } from '../journal.ts';
import { nodeOf } from './copy-number.ts';
import { EvictionOrder } from './eviction-order.ts';
import { noNode } from './use-order.ts';

const largeBytes = hotSmallValueBytesMax + 1;

/** Copies of any size, without their bytes. */
class TestOrder {
  readonly #bytes = new Map<number, number>();
  readonly order = new EvictionOrder((node) => this.#bytes.get(node)!);
  readonly evicted: string[] = [];
  readonly limitBytes: number;
  #heldBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  put(entry: Entry, bytes: number): Entry {
    entry.hot = this.order.nodes.reserve(1).first;
    this.#bytes.set(entry.hot, bytes);
    this.#heldBytes += bytes;
    this.order.add(entry);
    while (this.#heldBytes > this.limitBytes) {
      const oldest = this.order.evict(this.limitBytes)!.keep();
      this.evicted.push(oldest.key);
      this.drop(oldest);
    }
    return entry;
  }

  /** A plain key. */
  putKey(key: string, bytes = 1): Entry {
    return this.put(entryOf(key, { slot: 0, bodyBytes: bytes }), bytes);
  }

  /** A block of a prompt. */
  putBlock(prompt: string, chainIndex: number, bytes = 1): Entry {
    const entry = entryOf(`${prompt}${chainIndex}`, { space: spaceOfBlocks, slot: 0 });
    entry.chainIndex = chainIndex;
    return this.put(entry, bytes);
  }

  grow(entry: Entry, bytes: number): void {
    this.#bytes.set(nodeOf(entry), this.#bytes.get(nodeOf(entry))! + bytes);
    this.#heldBytes += bytes;
    this.order.grow(entry, bytes);
  }

  drop(entry: Entry): void {
    this.order.remove(entry);
    this.#heldBytes -= this.#bytes.get(nodeOf(entry))!;
    entry.hot = noNode;
  }

  keys(): string[] {
    return [...this.order.entries()].map(({ key }) => key);
  }
}

describe('EvictionOrder', () => {
  it('drops what was used once first, the oldest first, and then what was used again, if large in the order of uses', () => {
    for (const [bytes, used] of [[largeBytes, ['b', 'a']] as const, [1, ['a', 'b']] as const]) {
      const test = new TestOrder(10 * bytes);
      const [a, b] = ['a', 'b', 'c', 'd'].map((key) => test.putKey(key, bytes));
      test.order.use(b!);
      test.order.use(a!);
      expect(test.keys()).toEqual(['c', 'd', ...used]);
    }
  });

  it('keeps what is used again through a scan of any length', () => {
    const test = new TestOrder(100);
    for (let number = 0; number < 50; number++) test.order.use(test.putKey(`used ${number}`));
    for (let number = 0; number < 5_000; number++) test.putKey(`scanned ${number}`);
    const kept = test.keys();
    expect(kept.slice(0, 50)).toEqual(Array.from({ length: 50 }, (_, number) => `scanned ${4_950 + number}`));
    expect(kept.slice(50)).toEqual(Array.from({ length: 50 }, (_, number) => `used ${number}`));
  });

  it('gives what is new half of the room, however much was used again before', () => {
    for (const bytes of [largeBytes, 1]) {
      const test = new TestOrder(100 * bytes);
      for (let number = 0; number < 100; number++) test.order.use(test.putKey(`used ${number}`, bytes));
      for (let number = 0; number < 1_000; number++) test.putKey(`new ${number}`, bytes);
      const kept = test.keys();
      expect(kept.filter((key) => key.startsWith('new')).length).toBe(50);
      expect(kept.slice(50)).toEqual(Array.from({ length: 50 }, (_, number) => `used ${50 + number}`));
    }
  });

  it('moves no more than a few copies from list to list with an eviction', () => {
    for (const [bytes, before, after] of [
      [largeBytes, 10_000, 10_000 - hotDemotionsPerEvictionMax],
      [1, 0, hotPassedOverPerEvictionMax],
    ] as const) {
      const test = new TestOrder(10_000 * bytes);
      const used = Array.from({ length: 10_000 }, (_, number) => test.putKey(`used ${number}`, bytes));
      for (const entry of used) test.order.use(entry);
      expect(test.order.againBytes).toBe(before * bytes);
      const { steps } = test.order;
      test.putKey('new', bytes);
      expect(test.order.againBytes).toBe(after * bytes);
      expect(test.order.steps - steps).toBe(Math.abs(after - before) + 1);
      expect(test.keys().length).toBe(10_000);
    }
  });

  it('counts a use of a small copy once, however often it was used', () => {
    const test = new TestOrder(4);
    const [a] = ['a', 'b', 'c', 'd'].map((key) => test.putKey(key));
    for (let times = 0; times < 3; times++) test.order.use(a!);
    for (const key of ['e', 'f', 'g']) test.putKey(key);
    expect(test.keys()).toEqual(['e', 'f', 'g', 'a']);
    for (const key of ['h', 'i', 'j']) test.putKey(key);
    expect(test.evicted).toEqual(['b', 'c', 'd', 'e', 'f', 'g']);
  });

  it('has what comes back after an eviction among what was used again, if it is large', () => {
    const test = new TestOrder(10 * largeBytes);
    for (const [kind, bytes] of [['large', largeBytes] as const, ['small', largeBytes - 1] as const]) {
      test.putKey(kind, bytes);
      for (let number = 0; number < 10; number++) test.putKey(`${kind} other ${number}`, bytes);
      expect(test.evicted).toContain(kind);
      const before = test.order.againBytes;
      test.putKey(kind, bytes);
      expect(test.order.againBytes - before).toBe(kind === 'large' ? bytes : 0);
    }
  });

  it('drops the end of a prompt before its beginning, of those that were read and of those that were written', () => {
    const test = new TestOrder(1_000);
    const read = Array.from({ length: 5 }, (_, place) => test.putBlock('read', place));
    Array.from({ length: 5 }, (_, place) => test.putBlock('written', place));
    test.putKey('other');
    for (const entry of read) test.order.use(entry);
    expect(test.keys()).toEqual([
      ...[4, 3, 2, 1, 0].map((place) => `written${place}`),
      'other',
      ...[4, 3, 2, 1, 0].map((place) => `read${place}`),
    ]);
  });

  it('does so for prompts that are read at the same time, of which it has some blocks alone', () => {
    const test = new TestOrder(10_000);
    const prompts = ['a', 'b', 'c'].map((prompt, offset) =>
      Array.from({ length: 20 }, (_, block) => test.putBlock(prompt, block * 3 + offset)),
    );
    for (let block = 0; block < 20; block++) for (const prompt of prompts) test.order.use(prompt[block]!);
    const kept = test.keys();
    for (const prompt of prompts) {
      const places = prompt.map(({ key }) => kept.indexOf(key));
      expect(places).toEqual(places.toSorted((left, right) => right - left));
    }
  });

  it('does not let a block of unknown place, or a plain key, go before what is older', () => {
    const test = new TestOrder(10);
    test.putBlock('a', 0);
    test.putKey('key');
    test.putBlock('b', -1);
    expect(test.keys()).toEqual(['a0', 'key', 'b-1']);
  });

  it('holds the order of two lists and their bytes, whatever is put, used, grown and dropped', () => {
    const step = fc.record({
      kind: fc.constantFrom('put', 'put', 'put', 'use', 'use', 'grow', 'drop'),
      pick: fc.nat(),
      bytes: fc.integer({ min: 1, max: 60 }),
      isSmall: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const test = new TestOrder(200);
        const model = new ModelOrder(200);
        for (const [number, { kind, pick, bytes, isSmall }] of steps.entries()) {
          const copies = [...model.once, ...model.again];
          if (kind === 'put') {
            const entry = entryOf(`${number}`, { slot: 0, bodyBytes: isSmall ? bytes : largeBytes });
            model.put({ entry, bytes, isSmall, isUsed: false });
            test.put(entry, bytes);
          } else if (copies.length > 0) {
            const copy = copies[pick % copies.length]!;
            if (kind === 'grow') {
              copy.bytes += 1;
              test.grow(copy.entry, 1);
            } else if (kind === 'use') {
              model.use(copy);
              test.order.use(copy.entry);
            } else {
              model.take(copy);
              test.drop(copy.entry);
            }
          }
          expect(test.keys()).toEqual(model.keys());
          expect(test.order.againBytes).toBe(sum(model.again));
          expect(test.heldBytes).toBe(sum(model.once) + sum(model.again));
        }
      }),
    );
  });
});

interface ModelCopy {
  readonly entry: Entry;
  readonly isSmall: boolean;
  bytes: number;
  isUsed: boolean;
}

function sum(list: readonly ModelCopy[]): number {
  return list.reduce((bytes, copy) => bytes + copy.bytes, 0);
}

/** The same in arrays, the oldest copy first. */
class ModelOrder {
  readonly once: ModelCopy[] = [];
  readonly again: ModelCopy[] = [];
  readonly #limitBytes: number;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  put(copy: ModelCopy): void {
    this.once.push(copy);
    while (sum(this.once) + sum(this.again) > this.#limitBytes) this.#evict();
  }

  use(copy: ModelCopy): void {
    if (copy.isSmall) copy.isUsed = true;
    else this.#renew(copy);
  }

  take(copy: ModelCopy): void {
    const list = this.once.includes(copy) ? this.once : this.again;
    list.splice(list.indexOf(copy), 1);
  }

  keys(): string[] {
    const keys: string[] = [];
    for (const list of [this.once, this.again]) {
      for (const copy of list.slice(0, hotPassedOverPerEvictionMax)) if (copy.isUsed) this.#renew(copy);
      keys.push(...list.map(({ entry }) => entry.key));
    }
    return keys;
  }

  #renew(copy: ModelCopy): void {
    copy.isUsed = false;
    this.take(copy);
    this.again.push(copy);
  }

  #evict(): void {
    for (let move = 0; move < hotDemotionsPerEvictionMax; move++) {
      if (sum(this.again) <= this.#limitBytes * hotAgainShareMax) break;
      if (this.again[0]!.isUsed) this.#renew(this.again[0]!);
      else this.once.push(this.again.shift()!);
    }
    for (const list of [this.once, this.again]) {
      for (let move = 0; move < hotPassedOverPerEvictionMax && list[0]?.isUsed === true; move++) this.#renew(list[0]);
      if (list.length === 0) continue;
      list.shift();
      return;
    }
  }
}
