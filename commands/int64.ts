/** Integers of 64 bits as Redis reads and answers them: exact, and plain numbers wherever these are. */
import { ReplyError } from './reply.ts';

export const int64Max = 2n ** 63n - 1n;
export const int64Min = -(2n ** 63n);

/** A sign and 19 digits. */
const charsMax = 20;
/** Texts up to this length are safe integers. */
const safeCharsMax = 15;
const integerPattern = /^(?:0|-?[1-9][0-9]*)$/;

/** A decimal integer of 64 bits in its only form: no plus, no spaces, no leading zeros. Undefined for any other text. */
export function parseInt64(bytes: Buffer): bigint | undefined {
  if (bytes.byteLength === 0 || bytes.byteLength > charsMax) return undefined;
  const text = bytes.toString('latin1');
  if (!integerPattern.test(text)) return undefined;
  if (text.length <= safeCharsMax) return BigInt(Number(text));
  const value = BigInt(text);
  return isInt64(value) ? value : undefined;
}

export function isInt64(value: bigint): boolean {
  return value >= int64Min && value <= int64Max;
}

/** The integer as a value of that type is stored: 8 bytes, big-endian. */
export function int64Body(value: bigint): Buffer {
  const body = Buffer.allocUnsafe(8);
  body.writeBigInt64BE(value);
  return body;
}

/** The integer as a reply holds it: a bigint only where a number would not be exact. */
export function int64Reply(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/**
 * An integer argument as a number for offsets, counts and the like: beyond the safe integers it is cut to the nearest
 * infinity, which means the same to them.
 */
export function parseCount(bytes: Buffer): number | undefined {
  const value = parseInt64(bytes);
  if (value === undefined) return undefined;
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  return number > 0 ? Infinity : -Infinity;
}

export const overflow = new ReplyError('ERR', 'increment or decrement would overflow');
