/**
 * A protobuf message as a gather list: what is small is written one after the other, what is large stays where it is.
 *
 * Only fields of bytes, strings, bools and integers, with field numbers below 16: what answers with values need.
 */
import type { MessageParts } from '../../grpc/method.ts';

/** From here on a value is a part of its own. */
export const partBytesMin = 16 * 1024;
const headBytes = 512;
const lengthBytesMax = 5;
const varintBytesMax = 10;
const lengthDelimited = 2;

export class Gather {
  readonly #parts: Uint8Array[] = [];
  #head: Buffer;
  /** Where the head's part begins that is not yet in the list, and where it ends. */
  #from = 0;
  #at = 0;

  constructor(expectedBytes = 0) {
    this.#head = Buffer.allocUnsafe(Math.max(headBytes, expectedBytes));
  }

  bool(field: number, value: boolean): this {
    if (!value) return this;
    this.#room(2);
    this.#head[this.#at++] = field << 3;
    this.#head[this.#at++] = 1;
    return this;
  }

  /** An integer of 0 to 2^64 − 1, written also where it is 0. */
  varint(field: number, value: number | bigint): this {
    this.#room(1 + varintBytesMax);
    this.#head[this.#at++] = field << 3;
    let rest = value;
    while (rest > 0xffff_ffff) {
      const wide = BigInt(rest);
      this.#head[this.#at++] = Number(wide & 0x7fn) | 0x80;
      rest = wide >> 7n;
    }
    this.#small(Number(rest));
    return this;
  }

  string(field: number, text: string): this {
    return text === '' ? this : this.bytes(field, Buffer.from(text, 'utf8'));
  }

  bytes(field: number, value: Uint8Array): this {
    this.length(field, value.byteLength);
    this.#append(value);
    return this;
  }

  /** The tag and length of a message or value whose parts follow. */
  length(field: number, bytes: number): this {
    this.#room(1 + lengthBytesMax);
    this.#head[this.#at++] = (field << 3) | lengthDelimited;
    this.#small(bytes);
    return this;
  }

  finish(): MessageParts {
    this.#cut();
    return this.#parts.length === 1 ? this.#parts[0]! : this.#parts;
  }

  /** A varint below 2^32. */
  #small(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.#head[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#head[this.#at++] = rest;
  }

  #append(value: Uint8Array): void {
    if (value.byteLength >= partBytesMin) {
      this.#cut();
      this.#parts.push(value);
      return;
    }
    this.#room(value.byteLength);
    this.#head.set(value, this.#at);
    this.#at += value.byteLength;
  }

  #cut(): void {
    if (this.#at > this.#from) this.#parts.push(this.#head.subarray(this.#from, this.#at));
    this.#from = this.#at;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#head.byteLength) return;
    this.#cut();
    this.#head = Buffer.allocUnsafe(Math.max(bytes, this.#head.byteLength * 2, headBytes));
    this.#from = 0;
    this.#at = 0;
  }
}

/** Bytes of a field with this value: one of tag, the length, the value. */
export function fieldBytes(valueBytes: number): number {
  let bytes = 2 + valueBytes;
  for (let rest = valueBytes >>> 7; rest > 0; rest >>>= 7) bytes++;
  return bytes;
}
