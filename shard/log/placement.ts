/** What the log places: one record before it has a place, and the entry that it becomes there. */
import { chunkBytes, wholeRecordBytesMax } from '../../limits.ts';
import { storedTypes } from '../../commands/stored-type.ts';
import { Entry, type JournalWrite, type Space } from '../journal.ts';
import { chainWith } from './chain.ts';
import { encodeParts, type Part } from './parts.ts';
import {
  awayValue,
  deltaValue,
  flagGroupContinues,
  flagGroupFollows,
  recordBytes,
  type RecordFields,
  type RecordKind,
  recordKinds,
} from './record.ts';

const noBytes = Buffer.alloc(0);

export interface Placement extends RecordFields {
  /** Length of the whole value as users see it; of a delta, its share. */
  readonly bodyBytes: number;
  /** Where the chunks of the value lie, if it has any. */
  readonly parts: readonly Part[] | undefined;
}

/** How a record says that it belongs together with its neighbours. */
export function groupFlags(index: number, count: number): number {
  return (index < count - 1 ? flagGroupContinues : 0) | (index > 0 ? flagGroupFollows : 0);
}

/** A write as the record it becomes; one above the bound becomes the commit of its parts. */
export function placementOf(write: JournalWrite, sequence: number, parts: readonly Part[] | undefined): Placement {
  const { space, slot, key, expireAtMs, body, deltaOf, awayBytes } = write;
  const type = write.type ?? storedTypes.bytes;
  let kind: RecordKind = recordKinds.value;
  let { meta } = write;
  let value = body ?? noBytes;
  let bodyBytes = value.byteLength;
  if (awayBytes !== undefined) {
    kind = recordKinds.away;
    meta = undefined;
    value = awayValue(awayBytes);
    bodyBytes = awayBytes;
  } else if (body === undefined) {
    return markerOf(recordKinds.tombstone, space, slot, sequence, key);
  } else if (deltaOf !== undefined) {
    kind = recordKinds.delta;
    meta = undefined;
    value = deltaValue(deltaOf.sequence, body);
  } else if (parts !== undefined) {
    kind = recordKinds.commit;
    value = encodeParts(parts, bodyBytes);
  }
  return { kind, space, type, slot, sequence, expireAtMs, key, meta, value, bodyBytes, parts };
}

/** A record without a value: a tombstone, an eviction marker or a slot-drop. */
export function markerOf(kind: RecordKind, space: Space, slot: number, sequence: number, key: Buffer): Placement {
  const record = { kind, space, type: storedTypes.bytes, slot, sequence, expireAtMs: 0, key, meta: undefined };
  return { ...record, value: noBytes, bodyBytes: 0, parts: undefined };
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
    const record = { kind: recordKinds.chunk, space, type, slot, sequence, expireAtMs, key, meta: undefined };
    yield { ...record, value, bodyBytes: 0, parts: undefined };
  }
}

/** The entry that a write makes, once its record has its place; none of a tombstone. */
export function entryOf({ deltaOf, name }: JournalWrite, placement: Placement, at: Part): Entry | undefined {
  const { kind, key } = placement;
  if (kind === recordKinds.tombstone) return undefined;
  const named = name ?? key.toString('latin1');
  return deltaOf === undefined ? entryAt(placement, at, named) : entryOfDelta(placement, at, deltaOf, named);
}

function entryAt(placement: Placement, at: Part, name: string): Entry {
  const { space, type, slot, sequence, expireAtMs, bodyBytes } = placement;
  return new Entry(space, type, name, slot, sequence, expireAtMs, bodyBytes, at.segment, at.offset, at.recordBytes);
}

/** The state that a delta makes of another one: it lies where that lies, and the delta besides. */
function entryOfDelta(placement: Placement, at: Part, of: Entry, name: string): Entry {
  const { space, type, slot, sequence, expireAtMs, bodyBytes } = placement;
  const { segment, offset, recordBytes } = of;
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
