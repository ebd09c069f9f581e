import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { countVarints, TokenBytes } from './token-bytes.ts';

const tokens = fc.array(
  fc.oneof(
    fc.integer({ min: 0, max: 300_000 }).map(BigInt),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.constantFrom(0n, 127n, 128n, 2n ** 28n - 1n, 2n ** 28n, 2n ** 32n, -1n),
  ),
  { maxLength: 40 },
);

/** Packed varints, so many bytes away from where memory begins. */
function packed(values: readonly bigint[], offset: number): Buffer {
  const writer = new BinaryWriter();
  for (const value of values) writer.int64(value);
  return Buffer.concat([Buffer.alloc(offset, 0xff), writer.finish(), Buffer.alloc(5)]).subarray(offset, -5);
}

function words(values: readonly bigint[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  for (const [index, value] of values.entries()) bytes.writeBigInt64BE(value, index * 8);
  return bytes;
}

test('tokens are eight bytes each, big-endian, of whatever size and wherever they lie', () => {
  fc.assert(
    fc.property(tokens, tokens, fc.bigInt({ min: -5n, max: 5n }), fc.nat(4), (first, second, single, offset) => {
      const all = new TokenBytes();
      for (const values of [first, second]) {
        const bytes = packed(values, offset);
        expect(countVarints(bytes)).toBe(values.length);
        all.addPacked(bytes, values.length);
        all.addOne(single);
      }
      expect(all.count).toBe(first.length + second.length + 2);
      expect(all.bytes.equals(words([...first, single, ...second, single]))).toBe(true);
    }),
  );
});

test.each([[[0x80]], [[1, 2, 0xff, 0xff]], [Array.from({ length: 11 }, () => 0xff)]])('%j is no token', (bytes) => {
  const input = Uint8Array.from(bytes);
  expect(() => new TokenBytes().addPacked(input, countVarints(input) + 1)).toThrow(RangeError);
});
