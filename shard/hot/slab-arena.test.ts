import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hotSlabBytesMax, hotSmallValueBytesMax } from '../../limits.ts';
import { entryOf } from '../../testing/engine-entries.ts';
import { HotCopy } from './hot-copy.ts';
import { SlabArena } from './slab-arena.ts';

interface Kept {
  readonly copy: HotCopy;
  readonly length: number;
  readonly fill: number;
}

function keep(arena: SlabArena, length: number, fill: number): Kept {
  const copy = new HotCopy(entryOf('key', { slot: 0 }), -1);
  arena.take(copy, length);
  cellOf({ copy, length, fill }).fill(fill);
  return { copy, length, fill };
}

function cellOf({ copy, length }: Kept): Buffer {
  const { memory, sizeClass } = copy.slab!;
  const from = copy.cell * sizeClass.cellBytes;
  expect(sizeClass.cellBytes).toBeGreaterThanOrEqual(length);
  return memory.subarray(from, from + length);
}

describe('SlabArena', () => {
  it('wastes at most a fifth of a cell, but for the smallest', () => {
    for (let length = 1; length <= hotSmallValueBytesMax; length++) {
      const { copy } = keep(new SlabArena(), length, 0);
      expect(copy.slab!.sizeClass.cellBytes - length).toBeLessThanOrEqual(Math.max(15, length / 4));
    }
  });

  it('never lets two values share a byte, whatever is taken, given back and moved', () => {
    const steps = fc.array(
      fc.record({ take: fc.boolean(), length: fc.constantFrom(1, 16, 17, 100, 112, 4096), pick: fc.nat() }),
      { maxLength: 400 },
    );
    fc.assert(
      fc.property(steps, (list) => {
        const arena = new SlabArena();
        const live: Kept[] = [];
        list.forEach(({ take, length, pick }, step) => {
          if (take || live.length === 0) live.push(keep(arena, length, step % 251));
          else arena.give(live.splice(pick % live.length, 1)[0]!.copy);
        });
        for (const kept of live) expect(cellOf(kept).every((byte) => byte === kept.fill)).toBe(true);
        for (const { copy } of live) arena.give(copy);
        expect(arena.bytes).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('gives memory back when scattered values go, and keeps the others intact', () => {
    const arena = new SlabArena();
    const live = Array.from({ length: 60_000 }, (_, index) => keep(arena, 100, index % 251));
    const full = arena.bytes;
    expect(full).toBeLessThan(live.length * 112 * 1.05 + hotSlabBytesMax);
    const rest = live.filter((kept, index) => {
      if (index % 10 === 0) return true;
      arena.give(kept.copy);
      return false;
    });
    expect(arena.bytes).toBeLessThan(rest.length * 112 * 1.125 + 2.5 * hotSlabBytesMax);
    for (const kept of rest) expect(cellOf(kept).every((byte) => byte === kept.fill)).toBe(true);
  });

  it('moves at most a few cells with every one given back', () => {
    const arena = new SlabArena();
    const live = Array.from({ length: 30_000 }, (_, index) => keep(arena, 100, index % 251));
    for (let round = 0; round < 500; round++) {
      const { copy } = live.splice((round * 7_919) % live.length, 1)[0]!;
      const sample = live.slice(0, 200).map((kept) => kept.copy.slab);
      arena.give(copy);
      const moved = live.slice(0, 200).filter((kept, index) => kept.copy.slab !== sample[index]).length;
      expect(moved).toBeLessThanOrEqual(8);
    }
  });
});
