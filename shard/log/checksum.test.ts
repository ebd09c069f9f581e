import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checksumOf, largeChecksumOf } from './checksum.ts';

test('a checksum of any part of any bytes, begun with any sum, is zlib’s', () => {
  const bytes = fc.uint8Array({ maxLength: 600 });
  const sum = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  fc.assert(
    fc.property(bytes, fc.nat(600), sum, (array, start, begun) => {
      const buffer = Buffer.from(array);
      const from = Math.min(start, buffer.byteLength);
      expect(checksumOf(buffer, from, buffer.byteLength, begun)).toBe(crc32(buffer.subarray(from), begun));
    }),
    { numRuns: 2_000 },
  );
});

const large = Buffer.alloc(100_000, 'abc');

test('the checksum of what is large is the one that is on disks', () => {
  expect(largeChecksumOf(large)).toBe(1_394_275_808);
});

test('in how many parts it lies makes no difference', () => {
  const cuts = fc.array(fc.nat(large.byteLength), { maxLength: 4 });
  fc.assert(
    fc.property(cuts, (places) => {
      const sorted = [0, ...places.toSorted((a, b) => a - b), large.byteLength];
      const parts = sorted.slice(1).map((to, index) => large.subarray(sorted[index], to));
      expect(largeChecksumOf(...parts)).toBe(largeChecksumOf(large));
    }),
  );
});

test('every bit counts, and so does the length', () => {
  const whole = largeChecksumOf(large);
  const bit = fc.nat(large.byteLength * 8 - 1);
  fc.assert(
    fc.property(bit, (place) => {
      const damaged = Buffer.from(large);
      damaged[place >>> 3]! ^= 1 << (place & 7);
      expect(largeChecksumOf(damaged)).not.toBe(whole);
    }),
  );
  expect(largeChecksumOf(large.subarray(1))).not.toBe(whole);
  expect(largeChecksumOf(large, Buffer.alloc(1))).not.toBe(whole);
});
