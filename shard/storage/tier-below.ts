/**
 * What storage needs of the Blob tier; `WriteBehind` (shard/blob/) is one, and without Blob there is none.
 * Errors are KvcacheError: BLOBDOWN when it cannot be reached, FENCED after another process took over.
 */
import type { SegmentIdentity, SegmentSource, SegmentSummary } from '../segment.ts';

export interface Takeover {
  /** Of the manifest before this process replaced it; 0 if there was none. */
  readonly previousIncarnation: number;
  readonly incarnation: number;
  /** The manifest's segments; open ones with their committed length. */
  readonly segments: readonly SegmentSummary[];
}

export interface TierBelow {
  /** `adopt` sees the result before anything is uploaded; if it rejects, so does the takeover. */
  takeover(localIncarnation: number | undefined, adopt?: (takeover: Takeover) => Promise<void>): Promise<Takeover>;
  start(source: SegmentSource): void;
  committedBytes(id: number): number;
  waitCommitted(id: number, bytes: number, signal?: AbortSignal): Promise<void>;
  unflushedBytes(): number;
  /** Sealed, committed and listed: the local file may go. */
  isSafe(id: number): boolean;
  flush(): Promise<void>;
  readRange(identity: SegmentIdentity, offset: number, length: number): Promise<Buffer>;
  readHint(summary: SegmentSummary): Promise<Buffer>;
  /** Takes segments off the manifest, then deletes their blobs. */
  drop(ids: readonly number[]): Promise<void>;
  summaries(): readonly SegmentSummary[];
  stop(options: { flush: boolean }): Promise<void>;
}
