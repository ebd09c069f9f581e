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
import type { StoredType } from '../../commands/stored-type.ts';
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
 * copied on the way; the Bloom filter and the checksums are made at the end, by `buildHint` in a worker.
 */
export class HintBuilder {
  readonly #full: Buffer[] = [];
  #chunk = Buffer.alloc(0);
  #length = 0;
  #count = 0;
  #newestMs = 0;
  #minSequence = Infinity;
  #maxSequence = 0;

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
      this.#chunk = Buffer.allocUnsafeSlow(Math.max(bytesOfEntry, chunkBytes));
    }
    writeEntry(this.#chunk, this.#length, entry);
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
    this.#chunk = Buffer.alloc(0);
    this.#length = 0;
  }
}

function writeEntry(bytes: Buffer, at: number, entry: HintEntry): void {
  bytes.writeDoubleLE(entry.sequence, at);
  bytes.writeDoubleLE(entry.expireAtMs, at + 8);
  bytes.writeUInt32LE(entry.offset, at + 16);
  bytes.writeUInt32LE(entry.recordBytes, at + 20);
  bytes.writeUInt32LE(entry.bodyBytes, at + 24);
  bytes.writeUInt32LE(entry.epoch, at + 28);
  bytes.writeUInt16LE(entry.slot, at + 32);
  bytes[at + 34] = entry.kind;
  bytes[at + 35] = entry.space;
  bytes.writeUInt32LE(entry.key.byteLength, at + 36);
  bytes.writeUInt32LE(entry.extra.byteLength, at + 40);
  bytes.writeUInt32LE(entry.type, at + 44);
  entry.key.copy(bytes, at + entryHeadBytes);
  entry.extra.copy(bytes, at + entryHeadBytes + entry.key.byteLength);
}

/** The whole hint of a segment from the chunks of a builder. Takes a moment for many entries: call it in a worker. */
export function buildHint(identity: SegmentIdentity, chunks: readonly Uint8Array[], totals: HintTotals): Buffer {
  const entries = Buffer.concat(chunks);
  const bloom = Bloom.for(totals.count);
  for (const entry of iterateEntries(entries, 0)) bloom.add(entry.key, entry.space);
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
  head.writeUInt32LE(crc32(entries, crc32(bloom.bytes)), 56);
  head.writeUInt32LE(crc32(head.subarray(0, 60)), 60);
  return Buffer.concat([head, bloom.bytes, entries]);
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

/** The entries of an intact hint, in the order of the records. Keys are views. */
export function hintEntries(hint: Buffer): Generator<HintEntry> {
  return iterateEntries(hint, hintHeadBytes + hint.readUInt32LE(28));
}

function* iterateEntries(bytes: Buffer, from: number): Generator<HintEntry> {
  let at = from;
  while (at + entryHeadBytes <= bytes.byteLength) {
    const keyStart = at + entryHeadBytes;
    const keyEnd = keyStart + bytes.readUInt32LE(at + 36);
    const extraEnd = keyEnd + bytes.readUInt32LE(at + 40);
    yield {
      kind: bytes[at + 34] as RecordKind,
      space: bytes[at + 35] as Space,
      type: bytes[at + 44] as StoredType,
      slot: bytes.readUInt16LE(at + 32),
      epoch: bytes.readUInt32LE(at + 28),
      sequence: bytes.readDoubleLE(at),
      expireAtMs: bytes.readDoubleLE(at + 8),
      offset: bytes.readUInt32LE(at + 16),
      recordBytes: bytes.readUInt32LE(at + 20),
      bodyBytes: bytes.readUInt32LE(at + 24),
      key: bytes.subarray(keyStart, keyEnd),
      extra: bytes.subarray(keyEnd, extraEnd),
    };
    at = extraEnd;
  }
}
