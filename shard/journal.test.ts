import { getHeapStatistics } from 'node:v8';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { storedTypeMax, type StoredType } from '../commands/stored-type.ts';
import { slotCount } from '../limits.ts';
import { garbageCollector } from '../process/garbage-collector.ts';
import { emptyPlaces } from './empty-places.ts';
import { type Chain, Entry, type Space, spaceMax } from './journal.ts';

const chain: Chain = { baseSequence: 1, baseBodyBytes: 2, deltas: [] };

it('an entry gives back what it was made of, however large its numbers are', () => {
  const numbers = fc.record({
    space: fc.integer({ min: 0, max: spaceMax }),
    type: fc.integer({ min: 0, max: storedTypeMax }),
    slot: fc.integer({ min: 0, max: slotCount - 1 }),
    sequence: fc.oneof(
      fc.maxSafeNat(),
      fc.constantFrom(2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 42 - 2 ** 32 - 1, 2 ** 42 - 2 ** 32, 2 ** 53 - 1),
    ),
    expireAtMs: fc.oneof(fc.constant(0), fc.maxSafeNat()),
    bodyBytes: fc.nat(),
    chainIndex: fc.integer({ min: -1, max: 1_000 }),
    hasChain: fc.boolean(),
  });
  fc.assert(
    fc.property(numbers, ({ space, type, slot, sequence, expireAtMs, bodyBytes, chainIndex, hasChain }) => {
      const entry = new Entry(
        space as Space,
        type as StoredType,
        'key',
        slot,
        sequence,
        expireAtMs,
        bodyBytes,
        7,
        8,
        9,
      );
      const made = { space, type, slot, sequence, expireAtMs };
      const read = (): typeof made => {
        const { space, type, slot, sequence, expireAtMs } = entry;
        return { space, type, slot, sequence, expireAtMs };
      };
      expect(read()).toEqual(made);
      expect([entry.chain, entry.chainIndex, entry.expiry?.bucket]).toEqual([
        undefined,
        -1,
        expireAtMs === 0 ? undefined : 0,
      ]);
      const { expiry } = entry;
      if (chainIndex >= 0) entry.chainIndex = chainIndex;
      if (hasChain) entry.chain = chain;
      expect(read()).toEqual(made);
      expect([entry.chain, entry.chainIndex]).toEqual([hasChain ? chain : undefined, chainIndex]);
      expect(entry.expiry).toBe(expiry);
      entry.chain = undefined;
      expect([entry.chain, entry.chainIndex, entry.key, entry.bodyBytes]).toEqual([
        undefined,
        chainIndex,
        'key',
        bodyBytes,
      ]);
    }),
  );
});

it('an entry takes no more of the heap than its fields, however high the sequence is', () => {
  const collect = garbageCollector();
  // So many that what the test's runner makes and drops meanwhile is little beside them.
  const count = 1_000_000;
  const entries = emptyPlaces<Entry>(count);
  collect();
  const before = getHeapStatistics().used_heap_size;
  for (let index = 0; index < count; index++) {
    entries[index] = new Entry(0, 0, 'key', 7, 2 ** 33 + index, 0, 100, 1, index * 180, 180);
  }
  collect();
  const bytes = (getHeapStatistics().used_heap_size - before) / count;
  expect(bytes).toBeGreaterThan(103);
  expect(bytes).toBeLessThan(108);
  expect(entries.at(-1)?.sequence).toBe(2 ** 33 + count - 1);
});
