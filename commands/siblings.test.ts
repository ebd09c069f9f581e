import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeSiblings, encodeSiblings, isDeletion, newestValue, type Sibling, supersede } from './siblings.ts';
import { storedTypes } from './stored-type.ts';
import { compareClocks, descends, emptyClock, mergeClocks, type VectorClock } from './vector-clock.ts';

const clockOf = (counters: Record<string, number>): VectorClock =>
  new Map(Object.entries(counters).map(([node, counter]) => [node, BigInt(counter)]));
const value = (text: string, clock: VectorClock): Sibling => ({
  type: storedTypes.bytes,
  clock,
  body: Buffer.from(text),
});

const clocks = fc
  .dictionary(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 5 }))
  .map((counters) => clockOf(counters));
const siblings = fc.array(
  fc.record({
    type: fc.constantFrom(storedTypes.bytes, storedTypes.int, storedTypes.tombstone),
    clock: clocks,
    body: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  }),
);

describe('siblings', () => {
  it('come back from their bytes', () => {
    fc.assert(
      fc.property(siblings, (all) => {
        expect(decodeSiblings(encodeSiblings(all))).toEqual(all);
      }),
    );
  });

  it('have as their newest value the first that is no deletion', () => {
    const deleted = { ...value('', emptyClock), type: storedTypes.tombstone };
    const kept = value('v', emptyClock);
    expect(newestValue([deleted, kept, value('older', emptyClock)])).toBe(kept);
    expect(newestValue([deleted])).toBeUndefined();
    expect(isDeletion(deleted)).toBe(true);
  });
});

describe('a write over siblings', () => {
  it('is the first of its node', () => {
    expect(supersede([], undefined, 'node1')).toEqual({ kept: [], clock: clockOf({ node1: 1 }) });
  });

  it('takes the place of what its writer has seen, and stands beside the rest', () => {
    const second = value('2', clockOf({ node1: 2 }));
    const stale = supersede([second], clockOf({ node1: 1 }), 'node1');
    expect(stale).toEqual({ kept: [second], clock: clockOf({ node1: 3 }) });
    const both = [value('3', stale.clock), second];
    expect(supersede(both, mergeClocks(both.map(({ clock }) => clock)), 'node1')).toEqual({
      kept: [],
      clock: clockOf({ node1: 4 }),
    });
  });

  it('takes the place of all where its writer does not say what it has seen', () => {
    const both = [value('a', clockOf({ a: 1 })), value('b', clockOf({ b: 1 }))];
    expect(supersede(both, undefined, 'c')).toEqual({ kept: [], clock: clockOf({ a: 1, b: 1, c: 1 }) });
  });

  it('takes the place of a value that nobody has counted', () => {
    expect(supersede([value('plain', emptyClock)], emptyClock, 'a')).toEqual({ kept: [], clock: clockOf({ a: 1 }) });
  });

  it('has a clock of its own that has seen what the writer has, and keeps nothing that this has', () => {
    fc.assert(
      fc.property(siblings, fc.option(clocks, { nil: undefined }), fc.constantFrom('a', 'd'), (all, seen, node) => {
        const { kept, clock } = supersede(all, seen, node);
        const known = seen ?? mergeClocks(all.map((sibling) => sibling.clock));
        expect(compareClocks(clock, known)).toBe('after');
        for (const sibling of all) {
          expect(clock.get(node)! > (sibling.clock.get(node) ?? 0n)).toBe(true);
          expect(kept.includes(sibling)).toBe(!descends(known, sibling.clock));
        }
      }),
    );
  });
});
