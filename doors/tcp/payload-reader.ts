/** The fields of a payload, one after the other, as views of it. What is wrong is thrown in the protocol's words. */
import { isUtf8 } from 'node:buffer';
import { itemBudget, readTyped, TypedFault, type TypedValue } from '../../commands/typed-value.ts';
import { tcpKeyBytesMax } from '../../limits.ts';

export class PayloadReader {
  readonly #bytes: Buffer;
  readonly #items = itemBudget();
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** A key that is the whole payload. */
  wholeKey(): Buffer {
    return checkedKey(this.#take(this.#bytes.byteLength));
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
    return this.#take(2).readUInt16BE();
  }

  /** Eight bytes, unsigned. */
  unsigned(): bigint {
    return this.#take(8).readBigUInt64BE();
  }

  /** Eight bytes, signed. */
  signed(): bigint {
    return this.#take(8).readBigInt64BE();
  }

  value(): TypedValue {
    const { value, end } = readTyped(this.#bytes, this.#at, this.#items);
    this.#at = end;
    return value;
  }

  end(): void {
    if (this.#at !== this.#bytes.byteLength) throw new TypedFault('Unexpected data behind the payload');
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.byteLength) throw new TypedFault('Unexpected end of data');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

function checkedText(text: Buffer): Buffer {
  if (!isUtf8(text)) throw new TypedFault('Invalid UTF-8 string');
  return text;
}

function checkedKey(key: Buffer): Buffer {
  if (key.byteLength === 0) throw new TypedFault('Empty key not allowed');
  if (key.byteLength > tcpKeyBytesMax) {
    throw new TypedFault(`Key too long: ${key.byteLength} characters (max ${tcpKeyBytesMax})`);
  }
  return checkedText(key);
}
