/**
 * Key slots, exactly as in Redis Cluster: CRC16 (XMODEM) of the key, or of its hash tag, modulo 16,384.
 * Source: the Redis Cluster specification, "Key distribution model" and its appendix A.
 */
import { slotCount } from '../limits.ts';

const table = new Uint16Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  table[byte] = crc & 0xffff;
}

/** CRC16/XMODEM of `bytes[from, to)`: 0x31C3 for "123456789". */
export function crc16(bytes: Uint8Array, from = 0, to = bytes.byteLength): number {
  let crc = 0;
  for (let index = from; index < to; index++) crc = crcWith(crc, bytes[index]!);
  return crc;
}

function crcWith(crc: number, byte: number): number {
  return ((crc << 8) & 0xffff) ^ table[((crc >> 8) ^ byte) & 0xff]!;
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
  for (let index = 0; index < end; index++) {
    const byte = key[index]!;
    if (byte === tagOpens) {
      const from = index + 1;
      let to = from;
      while (to < end && key[to] !== tagCloses) to += 1;
      return (to < end && to > from ? crc16(key, from, to) : crc16(key, 0, end)) % slotCount;
    }
    crc = crcWith(crc, byte);
  }
  return crc % slotCount;
}
