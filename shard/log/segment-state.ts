/** One segment as the running shard sees it: where its bytes are, and how many of them still matter. */
import type { SegmentIdentity, SegmentSummary } from '../segment.ts';
import { extraOf, HintBuilder, type HintTotals } from './hint.ts';
import type { Part } from './parts.ts';
import type { Placement } from './placement.ts';
import { recordKinds, type RecordStamp } from './record.ts';
import type { SegmentFile } from './segment-file.ts';
import { segmentHeaderBytes } from './segment-header.ts';
import type { SegmentWriter } from './segment-writer.ts';

export class SegmentState implements SegmentIdentity {
  readonly id: number;
  readonly incarnation: number;
  readonly salt: number;
  readonly createdAtMs: number;
  /** Bytes of records, header of the file included; for the open segment with what is still in RAM. */
  bytes: number;
  /** Bytes of records that are the newest of their key. The rest is garbage that compaction wins back. */
  liveBytes = 0;
  /** Bytes of tombstones that compaction carried into it because they are still needed. */
  retainedBytes = 0;
  hintBytes = 0;
  totals: HintTotals = { count: 0, newestMs: 0, minSequence: 0, maxSequence: 0 };
  isSealed = false;
  /** Undefined: the bytes are in Blob alone. */
  file: SegmentFile | undefined;
  /** Only while the segment is open for writing. */
  writer: SegmentWriter | undefined;
  /** Resolves when the file's name is on the disk. */
  named: Promise<void> = Promise.resolve();
  /** Collects entries until the segment is sealed. */
  hint: HintBuilder | undefined = new HintBuilder();
  /** Nothing in it is live any more and it waits for its removal. */
  isSuperseded = false;
  /** Compaction or eviction works on it; nobody else may begin to. */
  isBusy = false;

  constructor(identity: SegmentIdentity, createdAtMs: number, bytes: number) {
    this.id = identity.id;
    this.incarnation = identity.incarnation;
    this.salt = identity.salt;
    this.createdAtMs = createdAtMs;
    this.bytes = bytes;
  }

  /** Smallest sequence of any record in it; Infinity if it has none. */
  get minSequence(): number {
    if (this.hint !== undefined) return this.hint.minSequence;
    return this.totals.count === 0 ? Infinity : this.totals.minSequence;
  }

  /** Its bytes are on this disk and belong into Blob. */
  get needsUpload(): boolean {
    return this.file !== undefined && !this.isSuperseded;
  }

  /** Sealed, and nobody works on it. */
  get isIdle(): boolean {
    return this.isSealed && !this.isSuperseded && !this.isBusy;
  }

  /** Appends a record to the open segment and tells where it lies. */
  place(placement: Placement, stamp: RecordStamp): Part {
    const writer = this.writer!;
    const offset = writer.append(placement, stamp);
    const length = writer.bytes - offset;
    this.bytes = writer.bytes;
    const { kind } = placement;
    if (kind !== recordKinds.chunk) {
      const { space, type, slot, sequence, expireAtMs, bodyBytes, key, value } = placement;
      const { epoch } = stamp;
      const extra = extraOf(kind, value);
      this.hint!.add(
        { kind, space, type, slot, epoch, sequence, expireAtMs, offset, recordBytes: length, bodyBytes, key, extra },
        stamp.writtenAtMs,
      );
    }
    return { segment: this.id, offset, recordBytes: length };
  }

  /** Nothing was ever appended to it. */
  get isEmpty(): boolean {
    return this.bytes <= segmentHeaderBytes;
  }

  get records(): number {
    return this.hint?.count ?? this.totals.count;
  }

  /** As Blob and its manifest see it: only bytes that are in the file count. */
  summary(): SegmentSummary {
    return {
      id: this.id,
      incarnation: this.incarnation,
      salt: this.salt,
      sealed: this.isSealed,
      bytes: this.writer?.writtenBytes ?? this.bytes,
      hintBytes: this.hintBytes,
      minSequence: this.isSealed ? this.totals.minSequence : 0,
      maxSequence: this.isSealed ? this.totals.maxSequence : 0,
      records: this.isSealed ? this.totals.count : 0,
      createdAtMs: this.createdAtMs,
    };
  }
}
