/**
 * The seam between the log (segment files) and Blob (one block blob a segment).
 *
 * A segment's bytes are the same in its file and in its blob, so a record lies at the same offset in both.
 */

/** Tells a segment from any other that ever bore the same number. */
export interface SegmentIdentity {
  /** Grows by one with every segment of a shard, never reused within a manifest. */
  readonly id: number;
  /** The incarnation of the process that created it. */
  readonly incarnation: number;
  /** Random, mixed into the checksums of the segment's record headers. */
  readonly salt: number;
}

/** A segment as the manifest lists it. Field for field what is stored in the manifest's JSON. */
export interface SegmentSummary extends SegmentIdentity {
  readonly sealed: boolean;
  /** Bytes of records (header included); for an open segment as far as known. */
  readonly bytes: number;
  /** Length of the hint, which a sealed segment's blob carries behind its records, at offset `bytes`. 0 while open. */
  readonly hintBytes: number;
  /** Smallest and largest sequence of any record in it; 0 while open. */
  readonly minSequence: number;
  readonly maxSequence: number;
  readonly records: number;
  readonly createdAtMs: number;
}

/** What write-behind needs of the log. */
export interface SegmentSource {
  /** Segments whose data file is on this disk, oldest first; `bytes` counts what the file already holds. */
  localSegments(): readonly SegmentSummary[];
  /** Bytes of the file; rejects if the file is gone. */
  read(id: number, offset: number, length: number): Promise<Buffer>;
  /** The hint of a sealed segment. */
  readHint(id: number): Promise<Buffer>;
}
