import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareClocks,
  decodeClock,
  descends,
  emptyClock,
  encodeClock,
  mergeClocks,
  type VectorClock,
  withCounter,
} from './vector-clock.ts';

const clockOf = (counters: Record<string, number>): VectorClock =>
  new Map(Object.entries(counters).map(([node, counter]) => [node, BigInt(counter)]));
const clocks = fc
  .dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.integer({ min: 0, max: 4 }))
  .map((counters) => clockOf(counters));
const opposite = { equal: 'equal', before: 'after', after: 'before', concurrent: 'concurrent' } as const;

describe('vector clocks', () => {
  it('order what one saw of the other', () => {
    expect(compareClocks(clockOf({ n1: 2, n2: 1 }), clockOf({ n1: 1, n2: 1 }))).toBe('after');
    expect(compareClocks(clockOf({ n1: 1 }), clockOf({ n1: 1, n2: 1 }))).toBe('before');
    expect(compareClocks(clockOf({ n1: 1 }), clockOf({ n2: 1 }))).toBe('concurrent');
    expect(compareClocks(clockOf({ n1: 0 }), emptyClock)).toBe('equal');
  });

  it('stand to each other the other way round', () => {
    fc.assert(
      fc.property(clocks, clocks, (a, b) => {
        expect(compareClocks(b, a)).toBe(opposite[compareClocks(a, b)]);
      }),
    );
  });

  it('are a partial order', () => {
    fc.assert(
      fc.property(clocks, clocks, clocks, (a, b, c) => {
        expect(descends(a, a)).toBe(true);
        if (descends(a, b) && descends(b, c)) expect(descends(a, c)).toBe(true);
        if (descends(a, b) && descends(b, a)) expect(compareClocks(a, b)).toBe('equal');
      }),
    );
  });

  it('merge to the least clock that has seen all of them', () => {
    fc.assert(
      fc.property(clocks, clocks, clocks, (a, b, other) => {
        const merged = mergeClocks([a, b]);
        expect(descends(merged, a) && descends(merged, b)).toBe(true);
        if (descends(other, a) && descends(other, b)) expect(descends(other, merged)).toBe(true);
        expect(compareClocks(mergeClocks([b, a]), merged)).toBe('equal');
        expect(compareClocks(mergeClocks([a, mergeClocks([b, other])]), mergeClocks([merged, other]))).toBe('equal');
      }),
    );
  });

  it('are after what they were when a counter grows', () => {
    fc.assert(
      fc.property(clocks, fc.constantFrom('a', 'e'), (clock, node) => {
        const grown = withCounter(clock, node, (clock.get(node) ?? 0n) + 1n);
        expect(compareClocks(grown, clock)).toBe('after');
      }),
    );
  });

  it('come back from their bytes, wherever these lie', () => {
    const any = fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })));
    fc.assert(
      fc.property(any, fc.nat(9), (entries, offset) => {
        const clock = new Map(entries);
        const bytes = Buffer.concat([Buffer.alloc(offset), encodeClock(clock)]);
        expect(decodeClock(bytes, offset)).toEqual({ clock, end: bytes.byteLength });
      }),
    );
  });

  it('are not read out of bytes that are cut off', () => {
    const bytes = encodeClock(clockOf({ shard: 7, other: 1 }));
    for (let length = 0; length < bytes.byteLength; length++) {
      expect(() => decodeClock(Buffer.from(bytes.subarray(0, length)))).toThrow(RangeError);
    }
  });
});
