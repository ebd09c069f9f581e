/** What a shard's storage is given to work with. */
import type { Clock } from '../clock.ts';
import type { RecordIndex } from '../journal.ts';
import type { FileOperations } from '../log/files.ts';
import type { FsyncPolicy } from '../log/log.ts';
import type { CompactorOptions } from './compactor.ts';
import type { EvictorOptions } from './evictor.ts';
import type { TierBelow } from './tier-below.ts';

export interface StorageLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface StorageOptions {
  readonly folder: string;
  readonly fsync: FsyncPolicy;
  readonly segmentBytes: number;
  readonly segmentAgeMs: number;
  readonly eviction: EvictorOptions;
  /** How often eviction looks by itself, beside writes that cross the threshold. */
  readonly evictionIntervalMs: number;
  readonly compaction: CompactorOptions;
  /** How long a write waits for room on the disk or in Blob before it fails. */
  readonly fullWaitMs: number;
  readonly clock: Clock;
  readonly logger: StorageLogger;
  readonly index: RecordIndex;
  readonly below?: TierBelow | undefined;
  readonly epoch?: () => number;
  /** Epoch since which this shard owns a slot, for recovery; older records of it are not its own. */
  readonly sinceOf?: (slot: number) => number;
  /** The epoch of the topology that `sinceOf` goes by. */
  readonly recoveryEpoch?: number;
  readonly files?: FileOperations;
}
