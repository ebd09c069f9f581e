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
  for (let index = from; index < to; index++) {
    crc = ((crc << 8) & 0xffff) ^ table[((crc >> 8) ^ bytes[index]!) & 0xff]!;
  }
  return crc;
}

/**
 * The slot of a key, 0 to 16383. Where the key has `{…}` with something in it, only that part counts: the first `{`
 * and the first `}` after it.
 */
export function slotOf(key: Uint8Array): number {
  const open = key.indexOf(0x7b);
  if (open >= 0) {
    const close = key.indexOf(0x7d, open + 1);
    if (close > open + 1) return crc16(key, open + 1, close) % slotCount;
  }
  return crc16(key) % slotCount;
}

/** The slot of a prompt block: that of its digest, the first 20 bytes of its key (commands/block-key.ts). */
export function slotOfBlock(key: Uint8Array): number {
  return slotOf(key.subarray(0, 20));
}
