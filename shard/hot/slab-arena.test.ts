import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hotSlabBytesMax, hotSmallValueBytesMax } from '../../limits.ts';
import { entryOf } from '../../testing/engine-entries.ts';
import type { Entry } from '../journal.ts';
import { SlabArena } from './slab-arena.ts';
import { nodeBytes, placeOf, UseOrder } from './use-order.ts';

interface Kept {
  /** Its `hot` is the node of the cell. */
  readonly entry: Entry;
  readonly length: number;
  readonly fill: number;
}

class TestArena {
  readonly order = new UseOrder<Entry>();
  readonly list = this.order.list();
  readonly arena = new SlabArena(this.order);

  keep(length: number, fill: number, metaBytes?: number): Kept {
    const entry = entryOf('key', { slot: 0 });
    entry.hot = this.arena.take(length);
    this.order.add(this.list, entry.hot, entry);
    this.cellOf({ entry, length, fill }).fill(fill);
    this.arena.slabOf(entry.hot).setMetaBytes(placeOf(entry.hot), metaBytes);
    return { entry, length, fill };
  }

  give({ entry }: Kept): void {
    this.order.remove(entry.hot);
    this.arena.give(entry.hot);
  }

  cellOf({ entry, length }: Kept): Buffer {
    const slab = this.arena.slabOf(entry.hot);
    const from = slab.offsetOf(placeOf(entry.hot));
    expect(slab.cellBytes).toBeGreaterThanOrEqual(length);
    return slab.memory.subarray(from, from + length);
  }

  isIntact(kept: Kept): boolean {
    return this.cellOf(kept).every((byte) => byte === kept.fill);
  }

  metaBytesOf({ entry }: Kept): number | undefined {
    return this.arena.slabOf(entry.hot).metaBytesOf(placeOf(entry.hot));
  }
}

describe('SlabArena', () => {
  it('wastes at most a fifth of a cell, but for the smallest', () => {
    for (let length = 1; length <= hotSmallValueBytesMax; length++) {
      const arena = new SlabArena(new UseOrder());
      const { cellBytes } = arena.slabOf(arena.take(length));
      expect(cellBytes - length).toBeLessThanOrEqual(Math.max(length <= 16 ? 15 : 7, length / 4));
    }
  });

  it('never lets two values share a byte, whatever is taken, given back and moved', () => {
    const steps = fc.array(
      fc.record({
        take: fc.boolean(),
        length: fc.constantFrom(0, 1, 16, 17, 100, 112, 4096),
        metaBytes: fc.constantFrom(undefined, 0, 7),
        pick: fc.nat(),
      }),
      { maxLength: 400 },
    );
    fc.assert(
      fc.property(steps, (list) => {
        const test = new TestArena();
        const live: (Kept & { metaBytes: number | undefined })[] = [];
        list.forEach(({ take, length, metaBytes, pick }, step) => {
          if (take || live.length === 0) live.push({ ...test.keep(length, step % 251, metaBytes), metaBytes });
          else test.give(live.splice(pick % live.length, 1)[0]!);
        });
        for (const kept of live) {
          expect(test.isIntact(kept)).toBe(true);
          expect(test.metaBytesOf(kept)).toBe(kept.metaBytes);
        }
        for (const kept of live) test.give(kept);
        expect(test.arena.bytes).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('gives memory back when scattered values go, and keeps the others and their order', () => {
    const test = new TestArena();
    const metaBytesOf = (index: number): number | undefined => (index % 3 === 0 ? undefined : index % 100);
    const live = Array.from({ length: 60_000 }, (_, index) => test.keep(100, index % 251, metaBytesOf(index)));
    const full = test.arena.bytes;
    const grossBytes = 104 + nodeBytes;
    expect(full).toBeLessThan(live.length * grossBytes * 1.05 + hotSlabBytesMax);
    const rest = live.filter((kept, index) => {
      if (index % 10 === 0) return true;
      test.give(kept);
      return false;
    });
    expect(test.arena.bytes).toBeLessThan(rest.length * grossBytes * 1.125 + 2.5 * hotSlabBytesMax);
    let node = test.order.oldest(test.list);
    for (const [index, kept] of rest.entries()) {
      if (!test.isIntact(kept)) expect.fail('a value has changed');
      expect(test.metaBytesOf(kept)).toBe(metaBytesOf(index * 10));
      expect(test.order.ownerOf(node)).toBe(kept.entry);
      node = test.order.newerThan(test.list, node);
    }
  });

  it('frees the memory of a slab that it gives back, without waiting for a collection of garbage', () => {
    const test = new TestArena();
    const kept = test.keep(100, 1);
    const { memory } = test.arena.slabOf(kept.entry.hot);
    expect(memory.buffer.byteLength).toBeGreaterThan(100);
    test.give(kept);
    expect(memory.buffer.byteLength).toBe(0);
    expect(test.isIntact(test.keep(0, 1))).toBe(true);
  });

  it('moves at most a few cells with every one given back', () => {
    const test = new TestArena();
    const live = Array.from({ length: 30_000 }, (_, index) => test.keep(100, index % 251));
    for (let round = 0; round < 500; round++) {
      const kept = live.splice((round * 7_919) % live.length, 1)[0]!;
      const sample = live.slice(0, 200).map(({ entry }) => entry.hot);
      test.give(kept);
      const moved = live.slice(0, 200).filter(({ entry }, index) => entry.hot !== sample[index]).length;
      expect(moved).toBeLessThanOrEqual(8);
    }
  });
});
