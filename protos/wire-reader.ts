/**
 * Protobuf's wire format read field by field, for the messages of which there are many: no array for a tag, no object for
 * a field, lengths checked against the message that they lie in.
 *
 * Tags are compared as the numbers that they are, (field << 3) | wire type, so that a field of another type than expected
 * is skipped as an unknown one: https://protobuf.dev/programming-guides/encoding/
 */
import { bufferOver } from '../buffer-over.ts';
import type { NameTable } from '../commands/name-table.ts';
import { KvcacheError } from '../errors.ts';
import { protobufGroupDepthMax } from '../limits.ts';

const wireType = { varint: 0, fixed64: 1, bytes: 2, startGroup: 3, endGroup: 4, fixed32: 5 } as const;

/** Of a field of bytes, text or a message; of an integer. */
export function bytesTag(field: number): number {
  return (field << 3) | wireType.bytes;
}

export function varintTag(field: number): number {
  return (field << 3) | wireType.varint;
}

const varintBytesMax = 10;

export class WireReader {
  readonly bytes: Buffer;
  at = 0;
  readonly #memory: ArrayBufferLike;
  readonly #memoryFrom: number;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#memory = bytes.buffer;
    this.#memoryFrom = bytes.byteOffset;
  }

  get isAtEnd(): boolean {
    return this.at >= this.bytes.byteLength;
  }

  /** A tag, a length or a number below 2^32; of a longer one its lower bits. Throws KvcacheError ERR at the end. */
  u32(): number {
    const { bytes } = this;
    const first = bytes[this.at];
    if (first !== undefined && first < 0x80) {
      this.at += 1;
      return first;
    }
    let value = 0;
    for (let index = 0; index < varintBytesMax; index++) {
      const byte = this.#byte();
      if (index < 5) value |= (byte & 0x7f) << (7 * index);
      if (byte < 0x80) return value >>> 0;
    }
    throw malformed('a number is longer than ten bytes');
  }

  /** A sint64, as a bigint outside the safe integers. */
  sint64(): number | bigint {
    let scale = 1;
    let value = 0;
    for (let index = 0; index < 4; index++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      scale *= 0x80;
    }
    return this.#longSint64(BigInt(value));
  }

  /** Where the message or text ends whose length comes next. Throws KvcacheError ERR beyond the bytes that there are. */
  end(): number {
    const length = this.u32();
    const end = this.at + length;
    if (end > this.bytes.byteLength) {
      throw malformed(`a field of ${length} bytes with ${this.bytes.byteLength - this.at} left`);
    }
    return end;
  }

  /** The next field of bytes, as it lies in the message. */
  view(): Buffer {
    const end = this.end();
    const view = bufferOver(this.#memory, this.#memoryFrom + this.at, end - this.at);
    this.at = end;
    return view;
  }

  text(): string {
    const end = this.end();
    const text = this.bytes.toString('utf8', this.at, end);
    this.at = end;
    return text;
  }

  /** The next text; of one that is a name of the table no string is made. */
  textIn<Item extends { readonly name: string }>(table: NameTable<Item>): string {
    const { at } = this;
    const end = this.end();
    const known = table.find(this.bytes, this.at, end)?.name;
    this.at = known === undefined ? at : end;
    return known ?? this.text();
  }

  /** Over what a tag announces that nobody knows. */
  skip(tag: number, depth = 0): void {
    const type = tag & 7;
    if (type === wireType.varint) this.u32();
    else if (type === wireType.bytes) this.at = this.end();
    else if (type === wireType.fixed64) this.#advance(8);
    else if (type === wireType.fixed32) this.#advance(4);
    else if (type === wireType.startGroup && depth < protobufGroupDepthMax) this.#skipGroup(tag, depth);
    else throw malformed(`a field of wire type ${type}`);
  }

  #skipGroup(start: number, depth: number): void {
    for (let tag = this.u32(); tag !== start + 1; tag = this.u32()) this.skip(tag, depth + 1);
  }

  #longSint64(low: bigint): number | bigint {
    let value = low;
    for (let index = 4; index < varintBytesMax; index++) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte >= 0x80) continue;
      const bits = BigInt.asUintN(64, value);
      const integer = (bits >> 1n) ^ -(bits & 1n);
      const number = Number(integer);
      return Number.isSafeInteger(number) ? number : integer;
    }
    throw malformed('a number is longer than ten bytes');
  }

  #advance(bytes: number): void {
    if (this.at + bytes > this.bytes.byteLength) throw malformed('a field ends before its announced length');
    this.at += bytes;
  }

  #byte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined) throw malformed('the message ends within a number');
    this.at += 1;
    return byte;
  }
}

function malformed(what: string): KvcacheError {
  return new KvcacheError('ERR', `malformed message: ${what}`);
}
