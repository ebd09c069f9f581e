/**
 * Keys and values between bytes and what people type and read.
 *
 *   UTF-8 without control characters   as it is
 *   anything else, for people          quoted with escapes: "\x00\xff\n"
 *   anything else, in JSON             { "base64": "AP8K" }
 *   with --hex                         hexadecimal digits, in and out
 */
import { KvcacheError } from '../errors.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text, or undefined where the bytes are no UTF-8. */
function utf8Of(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Tab and newline are text; other control characters (class Cc) would play with the terminal. */
const unprintable = /[^\P{Cc}\t\n]/u;

const escapes: Readonly<Record<number, string>> = { 0x22: '\\"', 0x5c: '\\\\', 0x0a: '\\n', 0x0d: '\\r', 0x09: '\\t' };

function escaped(bytes: Uint8Array): string {
  let text = '"';
  for (const byte of bytes) {
    const isPlain = byte >= 0x20 && byte < 0x7f;
    text += escapes[byte] ?? (isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`);
  }
  return `${text}"`;
}

/** One line for people: text, or a quoted form of the bytes. */
export function shown(bytes: Uint8Array): string {
  const text = utf8Of(bytes);
  return text === undefined || unprintable.test(text) ? escaped(bytes) : text;
}

export type JsonBytes = string | { readonly base64: string };

export function jsonOf(bytes: Uint8Array): JsonBytes {
  return utf8Of(bytes) ?? { base64: Buffer.from(bytes).toString('base64') };
}

/** The bytes of an argument: its UTF-8, or what its hexadecimal digits say. */
export function bytesOfArgument(text: string, isHex: boolean): Buffer {
  if (!isHex) return Buffer.from(text, 'utf8');
  if (text.length % 2 !== 0 || !/^[\da-f]*$/i.test(text)) {
    throw new KvcacheError(
      'CONFIG',
      `'${text}' is not hexadecimal; give two digits a byte, such as 00ff, or leave out --hex`,
    );
  }
  return Buffer.from(text, 'hex');
}

/** What to print of a key or a value. */
export function printed(bytes: Buffer, isHex: boolean): string {
  return isHex ? bytes.toString('hex') : shown(bytes);
}
