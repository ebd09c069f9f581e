/** The fields of a payload, one after the other, as views of it. What is wrong is thrown in the protocol's words. */
import { isUtf8 } from 'node:buffer';
import { type ItemBudget, itemBudget, readTyped, TypedFault, type TypedValue } from '../../commands/typed-value.ts';
import { tcpKeyBytesMax } from '../../limits.ts';

const lookedAtMax = 32;

export class PayloadReader {
  readonly #bytes: Buffer;
  #items: ItemBudget | undefined;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** A key that is the whole payload. */
  wholeKey(): Buffer {
    return checkedKey(this.#bytes);
  }

  key(): Buffer {
    return checkedKey(this.#take(this.count()));
  }

  /** Text behind its length of two bytes. */
  text(): Buffer {
    return checkedText(this.#take(this.count()));
  }

  /** Two bytes. */
  count(): number {
    return this.#bytes.readUInt16BE(this.#pass(2));
  }

  /** Eight bytes, unsigned. */
  unsigned(): bigint {
    return this.#bytes.readBigUInt64BE(this.#pass(8));
  }

  /** Passes over an eight-byte number if that is 0, without making one of it. */
  passZero(): boolean {
    const from = this.#pass(8);
    const isZero = this.#bytes.readUInt32BE(from) === 0 && this.#bytes.readUInt32BE(from + 4) === 0;
    if (!isZero) this.#at = from;
    return isZero;
  }

  /** Eight bytes, signed. */
  signed(): bigint {
    return this.#bytes.readBigInt64BE(this.#pass(8));
  }

  value(): TypedValue {
    this.#items ??= itemBudget();
    const { value, end } = readTyped(this.#bytes, this.#at, this.#items);
    this.#at = end;
    return value;
  }

  end(): void {
    if (this.#at !== this.#bytes.byteLength) throw new TypedFault('Unexpected data behind the payload');
  }

  #take(length: number): Buffer {
    const from = this.#pass(length);
    return this.#bytes.subarray(from, from + length);
  }

  /** Where so many bytes begin. */
  #pass(length: number): number {
    const from = this.#at;
    if (from + length > this.#bytes.byteLength) throw new TypedFault('Unexpected end of data');
    this.#at = from + length;
    return from;
  }
}

function checkedText(text: Buffer): Buffer {
  if (!isShortAscii(text) && !isUtf8(text)) throw new TypedFault('Invalid UTF-8 string');
  return text;
}

/** Looking at a few bytes is faster than a call. */
function isShortAscii(text: Buffer): boolean {
  if (text.byteLength > lookedAtMax) return false;
  let all = 0;
  for (let at = 0; at < text.byteLength; at++) all |= text[at]!;
  return all < 0x80;
}

function checkedKey(key: Buffer): Buffer {
  if (key.byteLength === 0) throw new TypedFault('Empty key not allowed');
  if (key.byteLength > tcpKeyBytesMax) {
    throw new TypedFault(`Key too long: ${key.byteLength} characters (max ${tcpKeyBytesMax})`);
  }
  return checkedText(key);
}
