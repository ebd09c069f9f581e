import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hotAgainShareMax, hotDemotionsPerEvictionMax, hotSmallValueBytesMax } from '../../limits.ts';
import { entryOf } from '../../testing/engine-entries.ts';
import { type Entry, spaceOfBlocks } from '../journal.ts';
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
      const oldest = this.order.evict(this.limitBytes)!;
      this.evicted.push(oldest.key);
      this.drop(oldest);
    }
    return entry;
  }

  /** A plain key. */
  putKey(key: string, bytes = 1): Entry {
    return this.put(entryOf(key, { slot: 0 }), bytes);
  }

  /** A block of a prompt. */
  putBlock(prompt: string, chainIndex: number, bytes = 1): Entry {
    const entry = entryOf(`${prompt}${chainIndex}`, { space: spaceOfBlocks, slot: 0 });
    entry.chainIndex = chainIndex;
    return this.put(entry, bytes);
  }

  grow(entry: Entry, bytes: number): void {
    this.#bytes.set(entry.hot, this.#bytes.get(entry.hot)! + bytes);
    this.#heldBytes += bytes;
    this.order.grow(entry, bytes);
  }

  drop(entry: Entry): void {
    this.order.remove(entry);
    this.#heldBytes -= this.#bytes.get(entry.hot)!;
    entry.hot = noNode;
  }

  keys(): string[] {
    return [...this.order.entries()].map(({ key }) => key);
  }
}

describe('EvictionOrder', () => {
  it('drops what was used once first, the oldest first, and then what was used again', () => {
    const test = new TestOrder(10);
    const [a, b] = ['a', 'b', 'c', 'd'].map((key) => test.putKey(key));
    test.order.use(b!);
    test.order.use(a!);
    expect(test.keys()).toEqual(['c', 'd', 'b', 'a']);
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
    const test = new TestOrder(100);
    for (let number = 0; number < 100; number++) test.order.use(test.putKey(`used ${number}`));
    for (let number = 0; number < 1_000; number++) test.putKey(`new ${number}`);
    const kept = test.keys();
    expect(kept.filter((key) => key.startsWith('new')).length).toBe(50);
    expect(kept.slice(50)).toEqual(Array.from({ length: 50 }, (_, number) => `used ${50 + number}`));
  });

  it('moves no more than a few copies from list to list with an eviction', () => {
    const test = new TestOrder(10_000);
    const used = Array.from({ length: 10_000 }, (_, number) => test.putKey(`used ${number}`));
    for (const entry of used) test.order.use(entry);
    expect(test.order.againBytes).toBe(10_000);
    test.putKey('new');
    expect(test.order.againBytes).toBe(10_000 - hotDemotionsPerEvictionMax);
    expect(test.keys().length).toBe(10_000);
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
    });
    const limitBytes = 200;
    const sum = (list: { bytes: number }[]): number => list.reduce((bytes, copy) => bytes + copy.bytes, 0);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const test = new TestOrder(limitBytes);
        const once: { entry: Entry; bytes: number }[] = [];
        const again: { entry: Entry; bytes: number }[] = [];
        for (const [number, { kind, pick, bytes }] of steps.entries()) {
          const copies = [...once, ...again];
          if (kind === 'put') {
            const entry = entryOf(`${number}`, { slot: 0 });
            once.push({ entry, bytes });
            while (sum(once) + sum(again) > limitBytes) {
              for (let move = 0; move < hotDemotionsPerEvictionMax; move++) {
                if (sum(again) > limitBytes * hotAgainShareMax) once.push(again.shift()!);
              }
              (once.length > 0 ? once : again).shift();
            }
            test.put(entry, bytes);
          } else if (copies.length > 0) {
            const copy = copies[pick % copies.length]!;
            const list = once.includes(copy) ? once : again;
            if (kind === 'grow') {
              copy.bytes += 1;
              test.grow(copy.entry, 1);
            } else {
              list.splice(list.indexOf(copy), 1);
              if (kind === 'use') {
                again.push(copy);
                test.order.use(copy.entry);
              } else {
                test.drop(copy.entry);
              }
            }
          }
          expect(test.keys()).toEqual([...once, ...again].map(({ entry }) => entry.key));
          expect(test.order.againBytes).toBe(sum(again));
          expect(test.heldBytes).toBe(sum(once) + sum(again));
        }
      }),
    );
  });
});
