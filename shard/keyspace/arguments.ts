/**
 * Reading of command arguments: keys, values and decimal numbers, with the messages that Redis's users know
 * (the code ERR apart). A reader answers the value or a ReplyError.
 */
import { blockDigestBytes, blockKeyBytes } from '../../commands/block-key.ts';
import { ReplyError } from '../../commands/reply.ts';
import { keyBytesMax, valueBytesMax } from '../../limits.ts';

export const syntaxError = new ReplyError('ERR', 'syntax error');
export const notAnInteger = new ReplyError('ERR', 'value is not an integer or out of range');
export const wrongType = new ReplyError('WRONGTYPE', 'Operation against a key holding the wrong kind of value');

/** Any bytes are a key, none too; doors whose protocol forbids empty keys refuse them. */
export function keyFault(key: Buffer): ReplyError | undefined {
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

/** A word of a command's grammar in upper case. */
export function wordOf(bytes: Buffer): string {
  return bytes.byteLength > 16 ? '' : bytes.toString('latin1').toUpperCase();
}
