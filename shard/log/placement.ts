/** What the log places: one record before it has a place, and the entry that it becomes there. */
import { chunkBytes, wholeRecordBytesMax } from '../../limits.ts';
import { type StoredType, storedTypes } from '../../commands/stored-type.ts';
import { Entry, type JournalWrite, type Space } from '../journal.ts';
import { chainWith } from './chain.ts';
import { encodeParts, type Part } from './parts.ts';
import {
  awayValue,
  deltaValue,
  flagGroupContinues,
  flagGroupFollows,
  recordBytes,
  type RecordKind,
  recordKinds,
} from './record.ts';

const noBytes = Buffer.alloc(0);

export interface Placement {
  readonly kind: RecordKind;
  readonly space: Space;
  readonly type: StoredType;
  readonly slot: number;
  readonly sequence: number;
  readonly expireAtMs: number;
  readonly key: Buffer;
  readonly meta: Buffer | undefined;
  readonly value: Buffer;
  /** Length of the whole value as users see it; of a delta, its share. */
  readonly bodyBytes: number;
}

/** How a record says that it belongs together with its neighbours. */
export function groupFlags(index: number, count: number): number {
  return (index < count - 1 ? flagGroupContinues : 0) | (index > 0 ? flagGroupFollows : 0);
}

/** A write as the record it becomes; one above the bound becomes the commit of its parts. */
export function placementOf(write: JournalWrite, sequence: number, parts: readonly Part[] | undefined): Placement {
  const { space, slot, key, expireAtMs } = write;
  const common = { space, type: write.type ?? storedTypes.bytes, slot, key, sequence };
  if (write.awayBytes !== undefined) {
    const value = awayValue(write.awayBytes);
    return { ...common, kind: recordKinds.away, expireAtMs, meta: undefined, value, bodyBytes: write.awayBytes };
  }
  if (write.body === undefined) {
    return {
      ...common,
      type: storedTypes.bytes,
      kind: recordKinds.tombstone,
      expireAtMs: 0,
      meta: undefined,
      value: noBytes,
      bodyBytes: 0,
    };
  }
  const bodyBytes = write.body.byteLength;
  if (write.deltaOf !== undefined) {
    const value = deltaValue(write.deltaOf.sequence, write.body);
    return { ...common, kind: recordKinds.delta, expireAtMs, meta: undefined, value, bodyBytes };
  }
  if (parts === undefined) {
    return { ...common, kind: recordKinds.value, expireAtMs, meta: write.meta, value: write.body, bodyBytes };
  }
  const value = encodeParts(parts, bodyBytes);
  return { ...common, kind: recordKinds.commit, expireAtMs, meta: write.meta, value, bodyBytes };
}

/** A record without a value: a tombstone, an eviction marker or a slot-drop. */
export function markerOf(kind: RecordKind, space: Space, slot: number, sequence: number, key: Buffer): Placement {
  const common = { kind, space, type: storedTypes.bytes, slot, sequence, key };
  return { ...common, expireAtMs: 0, meta: undefined, value: noBytes, bodyBytes: 0 };
}

/** Length of the records that these placements become. */
export function placementBytes(placements: readonly Placement[]): number {
  let bytes = 0;
  for (const { key, meta, value } of placements) {
    bytes += recordBytes(key.byteLength, meta?.byteLength, value.byteLength);
  }
  return bytes;
}

/** True for values that are stored as chunks and a commit. */
export function needsParts(write: JournalWrite): boolean {
  return write.body !== undefined && write.body.byteLength > wholeRecordBytesMax && write.deltaOf === undefined;
}

/** The chunks of a large value, in order. */
export function* chunkPlacements(write: JournalWrite, sequence: number): Generator<Placement> {
  const { space, slot, expireAtMs, key, body } = write;
  const type = write.type ?? storedTypes.bytes;
  for (let from = 0; from < body!.byteLength; from += chunkBytes) {
    const value = body!.subarray(from, from + chunkBytes);
    const common = { space, type, slot, sequence, expireAtMs, key };
    yield { kind: recordKinds.chunk, ...common, meta: undefined, value, bodyBytes: 0 };
  }
}

/** The entry of a record that has got its place. */
export function entryAt(placement: Placement, at: Part): Entry {
  const { space, type, key, slot, sequence, expireAtMs, bodyBytes } = placement;
  const name = key.toString('latin1');
  return new Entry(space, type, name, slot, sequence, expireAtMs, bodyBytes, at.segment, at.offset, at.recordBytes);
}

/** The state that a delta makes of another one: it lies where that lies, and the delta besides. */
export function entryOfDelta(placement: Placement, at: Part, of: Entry): Entry {
  const { space, type, slot, key, sequence, expireAtMs, bodyBytes } = placement;
  const { segment, offset, recordBytes } = of;
  const name = key.toString('latin1');
  const total = of.bodyBytes + bodyBytes;
  const entry = new Entry(space, type, name, slot, sequence, expireAtMs, total, segment, offset, recordBytes);
  entry.chain = chainWith(of, { sequence, bodyBytes, ...at });
  return entry;
}

/** The write that would store an entry's state again in one record, with its value or as away. */
export function writeOf(entry: Entry, meta: Buffer | undefined, body: Buffer, isAway: boolean): JournalWrite {
  const { space, type, slot, expireAtMs } = entry;
  const common = { space, type, key: Buffer.from(entry.key, 'latin1'), slot, expireAtMs };
  return isAway ? { ...common, awayBytes: entry.bodyBytes } : { ...common, meta, body };
}
