/**
 * Key slots, exactly as in Redis Cluster: CRC16 (XMODEM) of the key, or of its hash tag, modulo 16,384.
 * Source: the Redis Cluster specification, "Key distribution model" and its appendix A.
 */
import { slotCount } from '../limits.ts';

/** tables[256 × n + byte]: what `byte` does to the sum n bytes further on, so that four bytes are one step. */
const tables = new Uint16Array(256 * 4);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  tables[byte] = crc;
}
for (let at = 256; at < tables.length; at++) tables[at] = crcWith(tables[at - 256]!, 0);

/** CRC16/XMODEM of `bytes[from, to)`: 0x31C3 for "123456789". */
export function crc16(bytes: Uint8Array, from = 0, to = bytes.byteLength): number {
  let crc = 0;
  let at = from;
  for (; at + 4 <= to; at += 4) crc = crcWithFour(crc, bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!);
  for (; at < to; at++) crc = crcWith(crc, bytes[at]!);
  return crc;
}

function crcWith(crc: number, byte: number): number {
  return ((crc << 8) & 0xffff) ^ tables[(crc >> 8) ^ byte]!;
}

function crcWithFour(crc: number, first: number, second: number, third: number, fourth: number): number {
  return (
    tables[0x300 + ((crc >> 8) ^ first)]! ^
    tables[0x200 + ((crc & 0xff) ^ second)]! ^
    tables[0x100 + third]! ^
    tables[fourth]!
  );
}

const tagOpens = 0x7b;
const tagCloses = 0x7d;
/** As in commands/block-key.ts, which stands above this module. */
const blockDigestBytes = 20;

/**
 * The slot of a key, 0 to 16383. Where the key has `{…}` with something in it, only that part counts: the first `{`
 * and the first `}` after it.
 */
export function slotOf(key: Uint8Array): number {
  return slotOfFirst(key, key.byteLength);
}

/** The slot of a prompt block: that of its digest, with which its key begins. */
export function slotOfBlock(key: Uint8Array): number {
  return slotOfFirst(key, Math.min(key.byteLength, blockDigestBytes));
}

/** The sum runs along while a brace is looked for: `indexOf` of a Buffer takes longer than the whole of a short key. */
function slotOfFirst(key: Uint8Array, end: number): number {
  let crc = 0;
  let at = 0;
  for (; at + 4 <= end; at += 4) {
    const first = key[at]!;
    const second = key[at + 1]!;
    const third = key[at + 2]!;
    const fourth = key[at + 3]!;
    if (first === tagOpens || second === tagOpens || third === tagOpens || fourth === tagOpens) break;
    crc = crcWithFour(crc, first, second, third, fourth);
  }
  for (; at < end; at++) {
    const byte = key[at]!;
    if (byte === tagOpens) return slotOfTag(key, at + 1, end);
    crc = crcWith(crc, byte);
  }
  return crc % slotCount;
}

/** The slot of a key of which a tag may begin at `from`. */
function slotOfTag(key: Uint8Array, from: number, end: number): number {
  let to = from;
  while (to < end && key[to] !== tagCloses) to += 1;
  return (to < end && to > from ? crc16(key, from, to) : crc16(key, 0, end)) % slotCount;
}
