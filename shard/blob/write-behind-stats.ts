/** What write-behind tells metrics and status pages. */
import type { BlobHealth, BlobOperation, OperationCounts } from './blob-store.ts';

export interface WriteBehindStats {
  readonly health: BlobHealth;
  readonly fenced: boolean;
  /** 0 before the takeover. */
  readonly incarnation: number;
  readonly segments: number;
  readonly unflushedBytes: number;
  readonly waiters: number;
  readonly commits: number;
  /** Unix milliseconds, 0 for never. */
  readonly lastCommitAtMs: number;
  readonly verifications: number;
  /** Segments that Blob was found to have lost and that are uploaded again, or were. */
  readonly lostSegments: number;
  readonly orphansDeleted: number;
  readonly operations: Readonly<Record<BlobOperation, Readonly<OperationCounts>>>;
}
