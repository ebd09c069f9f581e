/**
 * Writing into a list of parts and reading out of one buffer, both with big-endian numbers and neither with a copy that
 * can be avoided.
 *
 * The writer fills chunks; what does not fit goes on in a new chunk, and a large value becomes a part by itself. Nothing
 * that was written is ever moved. The reader checks every length against the bytes that are left before it believes it.
 */
import { bufferOver } from '../buffer-over.ts';
import type { NameTable } from '../commands/name-table.ts';
import { KvcacheError } from '../errors.ts';
import { linkJoinedBytesMax } from '../limits.ts';

const chunkBytesMin = 512;
const chunkBytesMax = 256 * 1024;
const pooledBytesMax = 4 * 1024;
/** Copying fewer bytes one by one is faster than a call. */
const byteWiseMax = 24;

export class PartWriter {
  readonly #first: Buffer;
  readonly #parts: Buffer[] = [];
  #chunk: Buffer;
  /** Where the part that is not yet in the list begins. */
  #start = 0;
  #at = 0;
  #written = 0;

  constructor(bytesExpected: number) {
    this.#chunk = newChunk(bytesExpected, 0);
    this.#first = this.#chunk;
  }

  get bytes(): number {
    return this.#written;
  }

  u8(value: number): void {
    this.#room(1);
    this.#chunk[this.#at] = value;
    this.#advance(1);
  }

  u32(value: number): void {
    this.#room(4);
    const chunk = this.#chunk;
    const at = this.#at;
    chunk[at] = value >>> 24;
    chunk[at + 1] = value >>> 16;
    chunk[at + 2] = value >>> 8;
    chunk[at + 3] = value;
    this.#advance(4);
  }

  f64(value: number): void {
    this.#room(8);
    this.#chunk.writeDoubleBE(value, this.#at);
    this.#advance(8);
  }

  /** Text of one byte a character, without a length. */
  latin1(text: string): void {
    const { length } = text;
    this.#room(length);
    const chunk = this.#chunk;
    const at = this.#at;
    if (length > byteWiseMax) chunk.write(text, at, 'latin1');
    else for (let index = 0; index < length; index++) chunk[at + index] = text.charCodeAt(index);
    this.#advance(length);
  }

  /** The length in bytes, u32, and the text. */
  utf8(text: string): void {
    if (isShortAscii(text)) {
      this.u32(text.length);
      this.latin1(text);
      return;
    }
    const length = Buffer.byteLength(text);
    this.u32(length);
    this.#room(length);
    this.#chunk.write(text, this.#at, 'utf8');
    this.#advance(length);
  }

  /** Small bytes are copied; large ones become a part and must not change until the parts are sent. */
  bytesOf(bytes: Buffer): void {
    const length = bytes.byteLength;
    if (length <= linkJoinedBytesMax) {
      this.#room(length);
      const chunk = this.#chunk;
      const at = this.#at;
      if (length > byteWiseMax) chunk.set(bytes, at);
      else for (let index = 0; index < length; index++) chunk[at + index] = bytes[index]!;
      this.#advance(length);
      return;
    }
    this.#closePart();
    this.#parts.push(bytes);
    this.#written += length;
  }

  /** Overwrites a number in the first chunk. */
  patchU32(offset: number, value: number): void {
    this.#first.writeUInt32BE(value, offset);
  }

  /** The parts in order. The writer is used up. */
  finish(): Buffer[] {
    this.#closePart();
    return this.#parts;
  }

  #advance(bytes: number): void {
    this.#at += bytes;
    this.#written += bytes;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#chunk.byteLength) return;
    this.#closePart();
    this.#chunk = newChunk(this.#chunk.byteLength * 2, bytes);
    this.#start = 0;
    this.#at = 0;
  }

  #closePart(): void {
    if (this.#at > this.#start) this.#parts.push(this.#chunk.subarray(this.#start, this.#at));
    this.#start = this.#at;
  }
}

function isShortAscii(text: string): boolean {
  if (text.length > byteWiseMax) return false;
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false;
  return true;
}

/**
 * Memory of its own: a part may wait long for its socket, and a slab of Node's pool would wait with it. Small chunks do
 * come from the pool, for with few commands to a batch memory of their own takes as long as a command: of those that
 * wait there are only as many as a stream has taken beyond its room.
 */
function newChunk(bytesWanted: number, bytesNeeded: number): Buffer {
  const usual = Math.min(chunkBytesMax, Math.max(chunkBytesMin, bytesWanted));
  const bytes = Math.max(usual, bytesNeeded);
  return bytes <= pooledBytesMax ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes);
}

export class PartReader {
  readonly #bytes: Buffer;
  readonly #memory: ArrayBufferLike;
  readonly #memoryFrom: number;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#memory = bytes.buffer;
    this.#memoryFrom = bytes.byteOffset;
  }

  u8(): number {
    this.#need(1);
    return this.#bytes[this.#at++]!;
  }

  u32(): number {
    this.#need(4);
    const bytes = this.#bytes;
    const at = this.#at;
    this.#at = at + 4;
    return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  }

  f64(): number {
    this.#need(8);
    const value = this.#bytes.readDoubleBE(this.#at);
    this.#at += 8;
    return value;
  }

  /** A u32 that counts items of at least `itemBytesMin` bytes each, all of which are still to come. */
  count(itemBytesMin: number, countMax: number): number {
    const count = this.u32();
    const left = this.#bytes.byteLength - this.#at;
    if (count * itemBytesMin > left) throw malformed(`${count} items are claimed and only ${left} bytes are left`);
    if (count > countMax) throw malformed(`${count} items, at most ${countMax} are taken`);
    return count;
  }

  latin1(length: number): string {
    this.#need(length);
    const text = this.#bytes.toString('latin1', this.#at, this.#at + length);
    this.#at += length;
    return text;
  }

  /** The name that stands next, if it is one of the table; otherwise nothing is read. */
  nameIn<Item extends { readonly name: string }>(table: NameTable<Item>, length: number): string | undefined {
    this.#need(length);
    const name = table.find(this.#bytes, this.#at, this.#at + length)?.name;
    if (name !== undefined) this.#at += length;
    return name;
  }

  utf8(length: number): string {
    this.#need(length);
    const text = this.#bytes.toString('utf8', this.#at, this.#at + length);
    this.#at += length;
    return text;
  }

  /** The next bytes as they lie in the frame. */
  view(length: number): Buffer {
    this.#need(length);
    const view = bufferOver(this.#memory, this.#memoryFrom + this.#at, length);
    this.#at += length;
    return view;
  }

  /** Throws if anything is left. */
  end(): void {
    const left = this.#bytes.byteLength - this.#at;
    if (left > 0) throw malformed(`${left} bytes are left over`);
  }

  #need(length: number): void {
    const left = this.#bytes.byteLength - this.#at;
    if (length > left) throw malformed(`${length} bytes are claimed and only ${left} are left`);
  }
}

/** What is thrown for bytes that are no frame of ours. */
export function malformed(what: string): KvcacheError {
  return new KvcacheError('ERR', `malformed link frame: ${what}`);
}
