import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bloom } from './bloom.ts';
import { buildHint, HintBuilder, hintCursor, type HintEntry, isIntactHint, readHintHead } from './hint.ts';

const identity = { id: 7, incarnation: 3, salt: 99 };
const entries = fc.array(
  fc.record<HintEntry>({
    kind: fc.constantFrom(1, 3, 4, 5, 6),
    space: fc.constantFrom(0, 1),
    type: fc.constantFrom(0, 1, 4, 16),
    slot: fc.nat(16_383),
    epoch: fc.nat(),
    sequence: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    expireAtMs: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    offset: fc.nat(2 ** 32 - 1),
    recordBytes: fc.nat(2 ** 32 - 1),
    bodyBytes: fc.nat(2 ** 32 - 1),
    key: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    extra: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  }),
  { maxLength: 50 },
);

function entryOf(sequence: number, key: Buffer): HintEntry {
  const sizes = { offset: 0, recordBytes: 0, bodyBytes: 0 };
  const state = { kind: 1, space: 0, type: 0, slot: 0, epoch: 0, expireAtMs: 0 } as const;
  return { ...state, ...sizes, sequence, key, extra: Buffer.alloc(0) };
}

function built(list: readonly HintEntry[]): Buffer {
  const builder = new HintBuilder();
  for (const entry of list) builder.add(entry, 1000);
  return Buffer.concat(buildHint(identity, builder.chunks(), builder.totals));
}

function entriesOf(hint: Buffer): HintEntry[] {
  const found: HintEntry[] = [];
  for (const cursor = hintCursor(hint); cursor.next();) {
    expect(cursor.name).toBe(cursor.key.toString('latin1'));
    found.push(cursor.own());
  }
  return found;
}

test('a hint gives back its entries, and its filter knows every key', () => {
  fc.assert(
    fc.property(entries, (list) => {
      const hint = built(list);
      expect(isIntactHint(hint, identity)).toBe(true);
      expect(entriesOf(hint)).toEqual(list);
      const head = readHintHead(hint)!;
      expect(head.count).toBe(list.length);
      const bloom = new Bloom(hint.subarray(64, 64 + head.bloomBytes));
      for (const entry of list) expect(bloom.mayHold(entry.key, entry.space)).toBe(true);
    }),
  );
});

test('entries that take several chunks are all in the hint, in their order', () => {
  const list = Array.from({ length: 9 }, (_, index) => entryOf(index, Buffer.alloc(100_000, index)));
  const hint = built(list);
  expect(isIntactHint(hint, identity)).toBe(true);
  expect(entriesOf(hint).map(({ sequence, key }) => [sequence, key[0], key.byteLength])).toEqual(
    list.map(({ sequence, key }) => [sequence, key[0], key.byteLength]),
  );
});

test('a hint with any bit flipped, cut anywhere, or of another segment is not intact', () => {
  fc.assert(
    fc.property(entries, fc.nat(), fc.nat(7), (list, position, bit) => {
      const hint = built(list);
      const at = position % hint.byteLength;
      expect(isIntactHint(hint.subarray(0, at), identity)).toBe(false);
      hint[at]! ^= 1 << bit;
      expect(isIntactHint(hint, identity)).toBe(false);
    }),
  );
  expect(isIntactHint(built([]), { ...identity, salt: 98 })).toBe(false);
});

test('the Bloom filter is wrong about one absent key in a hundred, more or less', () => {
  const bloom = Bloom.for(10_000);
  for (let key = 0; key < 10_000; key++) {
    const bytes = Buffer.from(`key-${key}`);
    bloom.add(bytes, 0, bytes.byteLength, 0);
  }
  let wrong = 0;
  for (let key = 0; key < 10_000; key++) if (bloom.mayHold(Buffer.from(`other-${key}`), 0)) wrong++;
  expect(wrong).toBeLessThan(300);
});
