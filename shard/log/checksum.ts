/**
 * Two checksums of 32 bits: CRC-32 (zlib's), and one for what is large.
 *
 * A call of zlib's own costs 0.2 µs before it looks at a byte, and the view that it wants as much again: three times for
 * each record of a small value. Up to some hundred bytes the same sum by tables is faster, eight bytes at a step
 * ("slicing-by-8": Kounavis and Berry, "Novel Table Lookup-Based Algorithms for High-Performance CRC Generation", 2008).
 *
 * Of a MiB, zlib's takes 0.4 ms, since Node builds it without the processor's instruction for it, and was half of what a
 * shard's main thread did for a SET of that size. GMAC (AES-128-GCM over additional data alone, NIST SP 800-38D), under a key
 * that is no secret, is a polynomial over the same bytes that OpenSSL computes by carry-less multiplication: 0.03 ms in the
 * processor's cache, 0.15 from memory. It begins with 2 µs for its object. It misses one damage in 2^32, of whatever
 * kind; a CRC misses as many of those that it does not catch for certain, which are short ones.
 */
import { createCipheriv } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** From here on zlib is faster; measured. */
const tableBytesMax = 256;
const polynomial = 0xedb88320;
const slices = 8;

/** tables[256 × n + byte]: what `byte` does to the sum n bytes further on. */
const tables = new Int32Array(256 * slices);
for (let byte = 0; byte < 256; byte++) {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ polynomial : sum >>> 1;
  tables[byte] = sum;
}
for (let at = 256; at < tables.length; at++) {
  const before = tables[at - 256]!;
  tables[at] = tables[before & 255]! ^ (before >>> 8);
}

/** Of the bytes from `from` to `to`, going on from `sum`. */
export function checksumOf(bytes: Buffer, from: number, to: number, sum = 0): number {
  if (to - from > tableBytesMax) return crc32(bytes.subarray(from, to), sum);
  let state = ~sum;
  let at = from;
  for (const last = to - slices; at <= last; at += slices) {
    const head = state ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    state =
      tables[0x700 + (head & 255)]! ^
      tables[0x600 + ((head >>> 8) & 255)]! ^
      tables[0x500 + ((head >>> 16) & 255)]! ^
      tables[0x400 + (head >>> 24)]! ^
      tables[0x300 + bytes[at + 4]!]! ^
      tables[0x200 + bytes[at + 5]!]! ^
      tables[0x100 + bytes[at + 6]!]! ^
      tables[bytes[at + 7]!]!;
  }
  for (; at < to; at++) state = tables[(state ^ bytes[at]!) & 255]! ^ (state >>> 8);
  return ~state >>> 0;
}

const largeAlgorithm = 'aes-128-gcm';
const largeKey = Buffer.from('kvcache checksum');
const largeNonce = Buffer.alloc(12);
const largeOptions = { authTagLength: 4 };

/** Of some tens of KiB and more, which may lie in several parts. */
export function largeChecksumOf(...parts: readonly Buffer[]): number {
  const cipher = createCipheriv(largeAlgorithm, largeKey, largeNonce, largeOptions);
  for (const part of parts) cipher.setAAD(part);
  cipher.final();
  return cipher.getAuthTag().readUInt32LE();
}
