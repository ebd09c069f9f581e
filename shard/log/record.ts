/**
 * A record: what every write becomes, in a segment file and at the same offset in the segment's blob.
 *
 *   offset  size
 *        0     4  header checksum: CRC-32 of bytes 4 to 55, begun with the segment's salt
 *        4     4  body checksum of key, tags and value: CRC-32, from 32 KiB on that for what is large (checksum.ts)
 *        8     1  kind
 *        9     1  flags
 *       10     1  space (plain keys, blocks, marks)
 *       11     1  type of the value (commands/stored-type.ts)
 *       12     2  slot
 *       14     2  0
 *       16     4  length of the key
 *       20     4  length of the tags
 *       24     4  length of the value
 *       28     4  topology epoch of the writer
 *       32     8  sequence       \
 *       40     8  expiry in ms    } float64, exact below 2^53
 *       48     8  time of writing/
 *       56        key, tags, value
 *
 * All numbers are little-endian. Tags are optional fields, each `tag(2) length(4) bytes`; a reader skips tags that it
 * does not know. The header has a checksum of its own, so that a damaged body costs only itself: its length is still
 * known. The salt keeps a value that holds a copy of some segment from being taken for records when a reader looks
 * for the next valid header behind damage (the idea of LevelDB's recycled log files).
 *
 * Rejected: one checksum for all (a flipped bit in a length would lose the rest of the file); varints (headers could
 * not be found again behind damage, and are not what fills a disk of 1 MiB blocks).
 */
import { type StoredType, storedTypeMax } from '../../commands/stored-type.ts';
import { recordKeyBytesMax, recordTagsBytesMax, wholeRecordBytesMax } from '../../limits.ts';
import type { Space } from '../journal.ts';
import { checksumOf, largeChecksumOf } from './checksum.ts';

export const recordHeaderBytes = 56;
/** From this length on a body has the checksum for what is large; there it is twice as fast. */
const largeBodyBytes = 32 * 1024;

export const recordKinds = {
  /** A whole value. */
  value: 1,
  /** A part of a value above `wholeRecordBytesMax`; means nothing without the commit. */
  chunk: 2,
  /** The parts of a large value (see parts.ts); makes it visible. */
  commit: 3,
  /** The key was deleted. */
  tombstone: 4,
  /** The key was evicted: a tombstone that says why. */
  evicted: 5,
  /** Every older record of the slot is void. */
  slotDrop: 6,
  /** Bytes that belong behind a value; its own value is the sequence of the state before it, and these bytes. */
  delta: 8,
  /** The key is this shard's, its value still at the shard that hands the slot over; see live.ts. */
  away: 9,
} as const;
export type RecordKind = (typeof recordKinds)[keyof typeof recordKinds];

/** The record and the one behind it belong to one atomic group; recovery takes all of a group or nothing. */
export const flagGroupContinues = 1;
/** The record and the one before it belong to one atomic group. */
export const flagGroupFollows = 2;

/** Tag of what a prompt block keeps beside its body. */
const tagMeta = 1;
const tagHeadBytes = 6;

export interface RecordHeader {
  readonly headerChecksum: number;
  readonly bodyChecksum: number;
  readonly kind: RecordKind;
  readonly flags: number;
  readonly space: Space;
  readonly type: StoredType;
  readonly slot: number;
  readonly keyBytes: number;
  readonly tagBytes: number;
  readonly valueBytes: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly expireAtMs: number;
  readonly writtenAtMs: number;
}

/** What a record says of its key. */
export interface RecordFields {
  readonly kind: RecordKind;
  readonly space: Space;
  readonly type: StoredType;
  readonly slot: number;
  readonly sequence: number;
  readonly expireAtMs: number;
  readonly key: Buffer;
  readonly meta: Buffer | undefined;
  readonly value: Buffer;
}

/** What a record says of its being written. */
export interface RecordStamp {
  readonly flags: number;
  readonly epoch: number;
  readonly writtenAtMs: number;
}

const noBytes = Buffer.alloc(0);

/** Length of a record with these parts, header included. */
export function recordBytes(keyLength: number, metaLength: number | undefined, valueLength: number): number {
  return recordHeaderBytes + keyLength + (metaLength === undefined ? 0 : tagHeadBytes + metaLength) + valueLength;
}

/**
 * Writes everything of a record but its value into `target`, of which `view` is a view, at `offset`, and returns where it
 * ends: the value follows there, copied or gathered by the caller.
 */
export function writeRecordHead(
  target: Buffer,
  view: DataView,
  offset: number,
  fields: RecordFields,
  stamp: RecordStamp,
  salt: number,
): number {
  const { key, meta, value } = fields;
  const tagBytes = meta === undefined ? 0 : tagHeadBytes + meta.byteLength;
  const keyStart = offset + recordHeaderBytes;
  let end = keyStart + key.byteLength;
  // A copy by `set` takes half the time of one by Buffer's `copy` (Node 26).
  target.set(key, keyStart);
  if (meta !== undefined) {
    view.setUint16(end, tagMeta, true);
    view.setUint32(end + 2, meta.byteLength, true);
    end += tagHeadBytes;
    target.set(meta, end);
    end += meta.byteLength;
  }
  view.setUint32(offset + 4, bodyChecksum(target, keyStart, end, value), true);
  target[offset + 8] = fields.kind;
  target[offset + 9] = stamp.flags;
  target[offset + 10] = fields.space;
  target[offset + 11] = fields.type;
  view.setUint16(offset + 12, fields.slot, true);
  view.setUint16(offset + 14, 0, true);
  view.setUint32(offset + 16, key.byteLength, true);
  view.setUint32(offset + 20, tagBytes, true);
  view.setUint32(offset + 24, value.byteLength, true);
  view.setUint32(offset + 28, stamp.epoch, true);
  view.setFloat64(offset + 32, fields.sequence, true);
  view.setFloat64(offset + 40, fields.expireAtMs, true);
  view.setFloat64(offset + 48, stamp.writtenAtMs, true);
  view.setUint32(offset, headerChecksum(target, offset, salt), true);
  return end;
}

/** Of a body whose value lies apart, behind what lies from `from` to `to`. */
function bodyChecksum(source: Buffer, from: number, to: number, value: Buffer): number {
  if (to - from + value.byteLength >= largeBodyBytes) return largeChecksumOf(source.subarray(from, to), value);
  return checksumOf(value, 0, value.byteLength, checksumOf(source, from, to));
}

function headerChecksum(source: Buffer, offset: number, salt: number): number {
  return checksumOf(source, offset + 4, offset + recordHeaderBytes, salt);
}

/** Gives the header at `offset` another segment's salt; the body stays as it is. Used by compaction. */
export function resaltRecord(source: Buffer, offset: number, salt: number): void {
  source.writeUInt32LE(headerChecksum(source, offset, salt), offset);
}

/** The header at `offset`, or undefined if none valid lies there (damage, or the end). */
export function readRecordHeader(source: Buffer, offset: number, salt: number): RecordHeader | undefined {
  if (offset + recordHeaderBytes > source.byteLength) return undefined;
  const checksum = source.readUInt32LE(offset);
  if (checksum !== headerChecksum(source, offset, salt)) return undefined;
  const header: RecordHeader = {
    headerChecksum: checksum,
    bodyChecksum: source.readUInt32LE(offset + 4),
    kind: source[offset + 8] as RecordKind,
    flags: source[offset + 9]!,
    space: source[offset + 10] as Space,
    type: source[offset + 11] as StoredType,
    slot: source.readUInt16LE(offset + 12),
    keyBytes: source.readUInt32LE(offset + 16),
    tagBytes: source.readUInt32LE(offset + 20),
    valueBytes: source.readUInt32LE(offset + 24),
    epoch: source.readUInt32LE(offset + 28),
    sequence: source.readDoubleLE(offset + 32),
    expireAtMs: source.readDoubleLE(offset + 40),
    writtenAtMs: source.readDoubleLE(offset + 48),
  };
  const plausible =
    header.type <= storedTypeMax &&
    header.keyBytes <= recordKeyBytesMax &&
    header.tagBytes <= recordTagsBytesMax &&
    header.valueBytes <= wholeRecordBytesMax &&
    Number.isSafeInteger(header.sequence);
  return plausible ? header : undefined;
}

/** Length of the whole record that the header begins. */
export function recordBytesOf(header: RecordHeader): number {
  return recordHeaderBytes + header.keyBytes + header.tagBytes + header.valueBytes;
}

export interface RecordBody {
  readonly key: Buffer;
  readonly meta: Buffer | undefined;
  readonly value: Buffer;
}

/** Key, meta and value as views of `source`, or undefined if the body does not match its checksum. */
export function readRecordBody(source: Buffer, offset: number, header: RecordHeader): RecordBody | undefined {
  const keyStart = offset + recordHeaderBytes;
  const tagStart = keyStart + header.keyBytes;
  const valueStart = tagStart + header.tagBytes;
  const end = valueStart + header.valueBytes;
  if (end > source.byteLength) return undefined;
  const value = header.valueBytes === 0 ? noBytes : source.subarray(valueStart, end);
  if (bodyChecksum(source, keyStart, valueStart, value) !== header.bodyChecksum) return undefined;
  return {
    key: source.subarray(keyStart, tagStart),
    meta: header.tagBytes === 0 ? undefined : findTag(source.subarray(tagStart, valueStart), tagMeta),
    value,
  };
}

function findTag(tags: Buffer, wanted: number): Buffer | undefined {
  let offset = 0;
  while (offset + tagHeadBytes <= tags.byteLength) {
    const length = tags.readUInt32LE(offset + 2);
    const start = offset + tagHeadBytes;
    if (tags.readUInt16LE(offset) === wanted) return tags.subarray(start, start + length);
    offset = start + length;
  }
  return undefined;
}

/** The value of an away record: the length of the real one, u32. */
export function awayValue(bodyBytes: number): Buffer {
  const value = Buffer.allocUnsafe(4);
  value.writeUInt32LE(bodyBytes);
  return value;
}

/** What stands before a delta's bytes: the sequence of the state before it, float64. */
export const deltaHeadBytes = 8;

/** The value of a delta record. */
export function deltaValue(previous: number, bytes: Buffer): Buffer {
  const value = Buffer.allocUnsafe(deltaHeadBytes + bytes.byteLength);
  value.writeDoubleLE(previous);
  bytes.copy(value, deltaHeadBytes);
  return value;
}

/**
 * Length of the value as users see it, from a record other than a commit; of a delta, its share. Only an away record's
 * value is looked at.
 */
export function bodyBytesOf(header: RecordHeader, value: Buffer): number {
  if (header.kind === recordKinds.delta) return header.valueBytes - deltaHeadBytes;
  return header.kind === recordKinds.away && value.byteLength >= 4 ? value.readUInt32LE() : header.valueBytes;
}

/** True for kinds that a live entry may stand for and that lie in one piece. */
export function isWhole(kind: RecordKind): boolean {
  return kind === recordKinds.value || kind === recordKinds.away;
}

/** True for kinds that make older records of their key void without holding a value. */
export function isTombstone(kind: RecordKind): boolean {
  return kind === recordKinds.tombstone || kind === recordKinds.evicted;
}
