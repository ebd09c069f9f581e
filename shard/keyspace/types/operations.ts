/**
 * How collections are written: as the operations that make them of nothing.
 *
 *   body, delta    operation…                  operation    code(1) operands
 *   text           length(varint) bytes        count        varint
 *   number         float64, little-endian
 *
 * A base is the operations that build the collection, a delta those of one command, and their concatenation is the
 * collection after the command. So storage joins and folds them without knowing what they mean, and there is one reader
 * for what comes from a command, from disk, from Blob and from another shard.
 *
 * Texts are latin1 strings in RAM, a byte a character: a Buffer takes over a hundred bytes besides its content, a string
 * about twenty.
 */
import { KvcacheError } from '../../../errors.ts';

const firstBytes = 64;

export class OperationWriter {
  #bytes = Buffer.allocUnsafe(firstBytes);
  #end = 0;

  /** Nothing was written. */
  get isEmpty(): boolean {
    return this.#end === 0;
  }

  code(code: number): this {
    this.#reserve(1);
    this.#bytes[this.#end++] = code;
    return this;
  }

  text(text: string): this {
    this.count(text.length);
    this.#reserve(text.length);
    this.#end += this.#bytes.write(text, this.#end, 'latin1');
    return this;
  }

  /** A whole number from 0 to 2^32 - 1, seven bits a byte. */
  count(count: number): this {
    this.#reserve(5);
    let rest = count;
    while (rest >= 0x80) {
      this.#bytes[this.#end++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#end++] = rest;
    return this;
  }

  number(value: number): this {
    this.#reserve(8);
    this.#end = this.#bytes.writeDoubleLE(value, this.#end);
    return this;
  }

  /** What was written, in memory of its own. */
  finish(): Buffer {
    const bytes = Buffer.allocUnsafeSlow(this.#end);
    this.#bytes.copy(bytes, 0, 0, this.#end);
    return bytes;
  }

  #reserve(count: number): void {
    if (this.#end + count <= this.#bytes.byteLength) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.byteLength, this.#end + count));
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }
}

export class OperationReader {
  offset = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.offset >= this.#bytes.byteLength;
  }

  code(): number {
    return this.#bytes[this.#advance(1)]!;
  }

  text(): string {
    const length = this.count();
    const from = this.#advance(length);
    return this.#bytes.toString('latin1', from, from + length);
  }

  count(): number {
    let count = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes[this.#advance(1)]!;
      count += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return count;
    }
    throw malformed();
  }

  number(): number {
    return this.#bytes.readDoubleLE(this.#advance(8));
  }

  #advance(count: number): number {
    const from = this.offset;
    if (from + count > this.#bytes.byteLength) throw malformed();
    this.offset = from + count;
    return from;
  }
}

/** Checksums hold, so what wrote this was another program. */
export function malformed(): KvcacheError {
  return new KvcacheError('CORRUPT', 'the stored operations of a collection are malformed');
}
