import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { slotOf, slotOfBlock } from '../../topology/slot.ts';
import { spaceOfBlocks, spaceOfKeys } from '../journal.ts';
import { keyHash, nameOf, slotOfName, slotOfPrefix } from './key-hash.ts';

const key = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 40 }),
  fc.string({ unit: fc.constantFrom('{', '}', 'a', 'b'), minLength: 1 }).map((text) => Buffer.from(text)),
);

describe('the slot of a name', () => {
  it('is that of the key it stands for, in both spaces', () => {
    fc.assert(
      fc.property(key, (bytes) => {
        expect(slotOfName(spaceOfKeys, nameOf(Buffer.from(bytes)))).toBe(slotOf(bytes));
        expect(slotOfName(spaceOfBlocks, nameOf(Buffer.from(bytes)))).toBe(slotOfBlock(bytes));
      }),
    );
  });

  it('is known from a prefix that holds a whole tag, for every key with that prefix', () => {
    fc.assert(
      fc.property(key, key, (prefix, rest) => {
        const slot = slotOfPrefix(nameOf(Buffer.from(prefix)));
        if (slot !== undefined) expect(slotOf(Buffer.concat([prefix, rest]))).toBe(slot);
      }),
    );
    expect(slotOfPrefix('{user}:')).toBe(slotOf(Buffer.from('user')));
    expect(slotOfPrefix('{user')).toBeUndefined();
    expect(slotOfPrefix('{}user}')).toBeUndefined();
  });
});

describe('keyHash', () => {
  it('never changes, since cursors are made of it', () => {
    expect([keyHash('a'), keyHash('key:000000000001'), keyHash('\xff\x00')]).toEqual([
      444_641_715, 513_961_204, 3_594_443_983,
    ]);
  });

  it('spreads similar keys over its top bits', () => {
    const counts = Array.from({ length: 64 }, () => 0);
    for (let index = 0; index < 64_000; index++) counts[keyHash(`key:${index}`) >>> 26]! += 1;
    expect(Math.min(...counts)).toBeGreaterThan(800);
    expect(Math.max(...counts)).toBeLessThan(1_200);
  });
});
