/**
 * A hint: what recovery needs to know of a sealed segment without reading its values. It lies beside the segment file
 * (`<id>.hint`) and behind the records in the segment's blob.
 *
 *   head, 64 bytes
 *      0  8  "KVHINT02"        8  8  segment id       16  4  incarnation     20  4  salt
 *     24  4  entries          28  4  bytes of the Bloom filter               32  8  newest time of writing
 *     40  8  min sequence     48  8  max sequence     56  4  CRC-32 of everything behind the head   60  4  CRC-32 of 0–59
 *   Bloom filter of all keys, tombstones included
 *   entries, each
 *      0  8  sequence          8  8  expiry in ms     16  4  offset of the record   20  4  its length
 *     24  4  length of the value (all parts)          28  4  epoch                  32  2  slot    34  1  kind   35  1  space
 *     36  4  length of the key 40  4  length of the extra bytes (a commit's parts, the sequence before a delta)
 *     44  1  type of the value 45  3  0
 *     48  …  key, extra
 *
 * Every record that recovery must know is listed, tombstones and slot-drops too; chunks are not, their commit names
 * them. Numbers are little-endian, 8-byte ones float64.
 */
import { crc32 } from 'node:zlib';
import { bufferOver } from '../../buffer-over.ts';
import type { StoredType } from '../../commands/stored-type.ts';
import { slotCount } from '../../limits.ts';
import type { Space } from '../journal.ts';
import type { SegmentIdentity } from '../segment.ts';
import { Bloom } from './bloom.ts';
import { deltaHeadBytes, type RecordKind, recordKinds } from './record.ts';

const magic = Buffer.from('KVHINT02');
export const hintHeadBytes = 64;
const entryHeadBytes = 48;

export interface HintEntry {
  readonly kind: RecordKind;
  readonly space: Space;
  readonly type: StoredType;
  readonly slot: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly expireAtMs: number;
  readonly offset: number;
  readonly recordBytes: number;
  readonly bodyBytes: number;
  readonly key: Buffer;
  /** A commit's encoded parts, a delta's previous sequence, else empty. */
  readonly extra: Buffer;
}

export interface HintHead extends SegmentIdentity, HintTotals {
  readonly bloomBytes: number;
}

/** What a hint's head says of its entries. */
export interface HintTotals {
  readonly count: number;
  readonly newestMs: number;
  readonly minSequence: number;
  readonly maxSequence: number;
}

const noBytes = Buffer.alloc(0);

/** What a hint says of a record's value: all that recovery needs of it, as a view. */
export function extraOf(kind: RecordKind, value: Buffer): Buffer {
  if (kind === recordKinds.commit) return value;
  return kind === recordKinds.delta ? value.subarray(0, deltaHeadBytes) : noBytes;
}

/** The sequence of the state that a delta changes, from its extra bytes. */
export function previousOf(extra: Buffer): number {
  return extra.byteLength === deltaHeadBytes ? extra.readDoubleLE() : -1;
}

const chunkBytes = 256 * 1024;

/**
 * Collects a segment's entries while it is written. Entries go into a list of chunks, so that nothing large is ever
 * copied on the way; the Bloom filter and the checksums are made at the end, by `buildHint` in a worker. The chunks are
 * memory that threads share: to hand a copy of half a million entries over would stall the loop for 20 ms, and given away
 * they would not be there for another try when the disk is full.
 */
export class HintBuilder {
  readonly #full: Buffer[] = [];
  #chunk: Buffer = noBytes;
  #view = viewOf(noBytes);
  #length = 0;
  #count = 0;
  #newestMs = 0;
  #minSequence = Infinity;
  #maxSequence = 0;

  /** Entries so far. */
  get count(): number {
    return this.#count;
  }

  get totals(): HintTotals {
    return {
      count: this.#count,
      newestMs: this.#newestMs,
      minSequence: this.#count === 0 ? 0 : this.#minSequence,
      maxSequence: this.#maxSequence,
    };
  }

  /** Smallest sequence so far; Infinity before the first entry. */
  get minSequence(): number {
    return this.#minSequence;
  }

  add(entry: HintEntry, writtenAtMs: number): void {
    const bytesOfEntry = entryHeadBytes + entry.key.byteLength + entry.extra.byteLength;
    if (this.#length + bytesOfEntry > this.#chunk.byteLength) {
      this.#endChunk();
      this.#chunk = Buffer.from(new SharedArrayBuffer(Math.max(bytesOfEntry, chunkBytes)));
      this.#view = viewOf(this.#chunk);
    }
    writeEntry(this.#chunk, this.#view, this.#length, entry);
    this.#length += bytesOfEntry;
    this.#count++;
    if (writtenAtMs > this.#newestMs) this.#newestMs = writtenAtMs;
    if (entry.sequence < this.#minSequence) this.#minSequence = entry.sequence;
    if (entry.sequence > this.#maxSequence) this.#maxSequence = entry.sequence;
  }

  /** The encoded entries so far, in order. */
  chunks(): Buffer[] {
    this.#endChunk();
    return this.#full;
  }

  #endChunk(): void {
    if (this.#length > 0) this.#full.push(this.#chunk.subarray(0, this.#length));
    this.#chunk = noBytes;
    this.#length = 0;
  }
}

/** `view` is one of `bytes`. */
function writeEntry(bytes: Buffer, view: DataView, at: number, entry: HintEntry): void {
  const { key, extra } = entry;
  view.setFloat64(at, entry.sequence, true);
  view.setFloat64(at + 8, entry.expireAtMs, true);
  view.setUint32(at + 16, entry.offset, true);
  view.setUint32(at + 20, entry.recordBytes, true);
  view.setUint32(at + 24, entry.bodyBytes, true);
  view.setUint32(at + 28, entry.epoch, true);
  view.setUint16(at + 32, entry.slot, true);
  bytes[at + 34] = entry.kind;
  bytes[at + 35] = entry.space;
  view.setUint32(at + 36, key.byteLength, true);
  view.setUint32(at + 40, extra.byteLength, true);
  view.setUint32(at + 44, entry.type, true);
  bytes.set(key, at + entryHeadBytes);
  if (extra.byteLength > 0) bytes.set(extra, at + entryHeadBytes + key.byteLength);
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The hint of a segment, in parts to be written one after the other: what the builder's chunks hold is not copied. Takes a
 * moment for many entries: call it in a worker.
 */
export function buildHint(identity: SegmentIdentity, chunks: readonly Uint8Array[], totals: HintTotals): Buffer[] {
  const entries = chunks.map(({ buffer, byteOffset, byteLength }) => bufferOver(buffer, byteOffset, byteLength));
  const bloom = Bloom.for(totals.count);
  for (const chunk of entries) {
    for (const entry = new HintCursor(chunk); entry.next();) entry.addKeyTo(bloom);
  }
  const head = Buffer.alloc(hintHeadBytes);
  magic.copy(head);
  head.writeDoubleLE(identity.id, 8);
  head.writeUInt32LE(identity.incarnation, 16);
  head.writeUInt32LE(identity.salt, 20);
  head.writeUInt32LE(totals.count, 24);
  head.writeUInt32LE(bloom.bytes.byteLength, 28);
  head.writeDoubleLE(totals.newestMs, 32);
  head.writeDoubleLE(totals.minSequence, 40);
  head.writeDoubleLE(totals.maxSequence, 48);
  const body = [bloom.bytes, ...entries];
  let checksum = 0;
  for (const part of body) checksum = crc32(part, checksum);
  head.writeUInt32LE(checksum, 56);
  head.writeUInt32LE(crc32(head.subarray(0, 60)), 60);
  return [head, ...body];
}

/** The head of a hint, or undefined if it is damaged. Needs only the first 64 bytes. */
export function readHintHead(hint: Buffer): HintHead | undefined {
  if (hint.byteLength < hintHeadBytes || !hint.subarray(0, 8).equals(magic)) return undefined;
  if (hint.readUInt32LE(60) !== crc32(hint.subarray(0, 60))) return undefined;
  return {
    id: hint.readDoubleLE(8),
    incarnation: hint.readUInt32LE(16),
    salt: hint.readUInt32LE(20),
    count: hint.readUInt32LE(24),
    bloomBytes: hint.readUInt32LE(28),
    newestMs: hint.readDoubleLE(32),
    minSequence: hint.readDoubleLE(40),
    maxSequence: hint.readDoubleLE(48),
  };
}

/** True if the whole hint is as it was written, and that of this segment. */
export function isIntactHint(hint: Buffer, identity: SegmentIdentity): boolean {
  const head = readHintHead(hint);
  if (head === undefined) return false;
  if (head.id !== identity.id || head.incarnation !== identity.incarnation || head.salt !== identity.salt) return false;
  return crc32(hint.subarray(hintHeadBytes)) === hint.readUInt32LE(56);
}

/** The entries of an intact hint, in the order of the records. */
export function hintCursor(hint: Buffer): HintCursor {
  return new HintCursor(hint, hintHeadBytes + hint.readUInt32LE(28));
}

/**
 * Stands on one entry of an encoded list after the other; what it tells holds until `next`. An object for each of a
 * million entries, with views of its key and its extra bytes, would take recovery longer than the index does.
 */
export class HintCursor implements HintEntry {
  kind: RecordKind = recordKinds.value;
  space: Space = 0;
  type: StoredType = 0;
  slot = 0;
  epoch = 0;
  sequence = 0;
  expireAtMs = 0;
  offset = 0;
  recordBytes = 0;
  bodyBytes = 0;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #keyStart = 0;
  #keyEnd = 0;
  /** Where the entry ends and the next one begins. */
  #end: number;

  constructor(bytes: Buffer, from = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = from;
  }

  /** Where the entry begins, for `seek`. */
  get place(): number {
    return this.#keyStart - entryHeadBytes;
  }

  /** Goes on to the next entry; false if there is none. */
  next(): boolean {
    if (this.#end + entryHeadBytes > this.#bytes.byteLength) return false;
    this.seek(this.#end);
    return true;
  }

  /** Goes to the entry that begins at this place of the bytes. */
  seek(at: number): void {
    const view = this.#view;
    this.sequence = view.getFloat64(at, true);
    this.expireAtMs = view.getFloat64(at + 8, true);
    this.offset = view.getUint32(at + 16, true);
    this.recordBytes = view.getUint32(at + 20, true);
    this.bodyBytes = view.getUint32(at + 24, true);
    this.epoch = view.getUint32(at + 28, true);
    this.slot = view.getUint16(at + 32, true);
    this.kind = view.getUint8(at + 34) as RecordKind;
    this.space = view.getUint8(at + 35) as Space;
    this.type = view.getUint8(at + 44) as StoredType;
    this.#keyStart = at + entryHeadBytes;
    this.#keyEnd = this.#keyStart + view.getUint32(at + 36, true);
    this.#end = this.#keyEnd + view.getUint32(at + 40, true);
  }

  /**
   * Where the entries to come begin, by slot, and those of a slot in their order. In that order an index is filled map
   * by map, each while it lies in the processor's cache, which takes half the time of the order of writing.
   */
  placesBySlot(): Uint32Array {
    const from = this.#end;
    const starts = new Uint32Array(slotCount + 1);
    while (this.next()) starts[this.slot + 1]! += 1;
    for (let slot = 0; slot < slotCount; slot++) starts[slot + 1]! += starts[slot]!;
    const places = new Uint32Array(starts[slotCount]!);
    for (this.#end = from; this.next();) places[starts[this.slot]!++] = this.place;
    return places;
  }

  /** The key as an index has it: its bytes as a latin1 string. */
  get name(): string {
    return this.#bytes.toString('latin1', this.#keyStart, this.#keyEnd);
  }

  /** A view. */
  get key(): Buffer {
    return this.#bytes.subarray(this.#keyStart, this.#keyEnd);
  }

  addKeyTo(bloom: Bloom): void {
    bloom.add(this.#bytes, this.#keyStart, this.#keyEnd, this.space);
  }

  /** A view. */
  get extra(): Buffer {
    return this.#bytes.subarray(this.#keyEnd, this.#end);
  }

  /** The entry to keep, with memory of its own. */
  own(): HintEntry {
    const { kind, space, type, slot, epoch, sequence, expireAtMs, offset, recordBytes, bodyBytes } = this;
    const record = { kind, space, type, slot, epoch, sequence, expireAtMs, offset, recordBytes, bodyBytes };
    return { ...record, key: Buffer.from(this.key), extra: Buffer.from(this.extra) };
  }
}
