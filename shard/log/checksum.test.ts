import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checksumOf } from './checksum.ts';

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
