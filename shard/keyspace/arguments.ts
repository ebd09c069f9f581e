/**
 * Reading of command arguments: keys, values, decimal numbers and times, with the messages that Redis's users know
 * (the code ERR apart). A reader answers the value or a ReplyError.
 */
import { blockDigestBytes, blockKeyBytes } from '../../commands/block-key.ts';
import { ReplyError } from '../../commands/reply.ts';
import { keyBytesMax, valueBytesMax } from '../../limits.ts';

export const syntaxError = new ReplyError('ERR', 'syntax error');
export const notAnInteger = new ReplyError('ERR', 'value is not an integer or out of range');
export const wrongType = new ReplyError('WRONGTYPE', 'Operation against a key holding the wrong kind of value');
const emptyKey = new ReplyError('ERR', 'empty key');

export function keyFault(key: Buffer): ReplyError | undefined {
  if (key.byteLength === 0) return emptyKey;
  if (key.byteLength > keyBytesMax) {
    return new ReplyError('TOOLARGE', `key of ${key.byteLength} bytes; at most ${keyBytesMax} are allowed`);
  }
  return undefined;
}

export function valueFault(value: Buffer): ReplyError | undefined {
  if (value.byteLength <= valueBytesMax) return undefined;
  return new ReplyError('TOOLARGE', `value of ${value.byteLength} bytes; at most ${valueBytesMax} are allowed`);
}

export function blockKeyFault(key: Buffer): ReplyError | undefined {
  if (key.byteLength === blockKeyBytes) return undefined;
  return new ReplyError('ERR', `a block key has ${blockKeyBytes} bytes, not ${key.byteLength}`);
}

export function digestFault(digest: Buffer): ReplyError | undefined {
  if (digest.byteLength === blockDigestBytes) return undefined;
  return new ReplyError('ERR', `a block digest has ${blockDigestBytes} bytes, not ${digest.byteLength}`);
}

/** The longest text of a safe integer: a sign and 16 digits. */
const integerCharsMax = 17;

/**
 * A decimal integer, exactly as Redis reads one: an optional minus, no plus, no spaces, no leading zeros. Undefined
 * for any other text and beyond the safe integers.
 */
export function parseInteger(bytes: Buffer): number | undefined {
  const { byteLength } = bytes;
  const isNegative = bytes[0] === 0x2d;
  const first = isNegative ? 1 : 0;
  if (byteLength === first || byteLength > integerCharsMax) return undefined;
  if (bytes[first] === 0x30 && (byteLength > first + 1 || isNegative)) return undefined;
  let value = 0;
  for (let index = first; index < byteLength; index++) {
    const digit = bytes[index]! - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  if (!Number.isSafeInteger(value)) return undefined;
  return isNegative ? -value : value;
}

/** How a time argument counts: absolute or from now, in milliseconds or seconds. */
export interface TimeUnit {
  readonly isRelative: boolean;
  readonly factorMs: number;
}

/** An absolute time in milliseconds, or an error that names the command. The time may lie in the past. */
export function parseTime(bytes: Buffer, unit: TimeUnit, nowMs: number, command: string): number | ReplyError {
  const value = parseInteger(bytes);
  if (value === undefined) return notAnInteger;
  const timeMs = value * unit.factorMs + (unit.isRelative ? nowMs : 0);
  if (!Number.isSafeInteger(timeMs)) return invalidExpireTime(command);
  return timeMs;
}

export function invalidExpireTime(command: string): ReplyError {
  return new ReplyError('ERR', `invalid expire time in '${command}' command`);
}

/** A word of a command's grammar in upper case. */
export function wordOf(bytes: Buffer): string {
  return bytes.byteLength > 16 ? '' : bytes.toString('latin1').toUpperCase();
}
