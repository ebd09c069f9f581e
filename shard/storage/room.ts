/**
 * Whether the disk, and Blob behind it, have room for another write; who finds none waits a while, then hears why.
 *
 * What is used is counted up with every write that is let in and measured again after some of them, so that admission costs
 * an addition: not even a look at the clock, which takes longer than all the rest of it. Above the thresholds of eviction a
 * look also begins a round of it. Storage has it look once a second besides.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { KvcacheError } from '../../errors.ts';
import { storageFullPollMs, storageRefreshBytes } from '../../limits.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log/log.ts';
import type { Evictor, EvictorOptions } from './evictor.ts';
import type { TierBelow } from './tier-below.ts';

export interface RoomParts {
  readonly log: Log;
  readonly evictor: Evictor;
  readonly below: TierBelow | undefined;
  readonly clock: Clock;
  readonly options: {
    readonly eviction: EvictorOptions;
    /** How long a write waits for room before it fails. */
    readonly fullWaitMs: number;
  };
  /** Why the shard takes no writes at all, if so. */
  readonly fault: () => KvcacheError | undefined;
  /** Something is above its threshold. */
  readonly onPressure: () => void;
}

export class Room {
  readonly #parts: RoomParts;
  readonly #eviction: EvictorOptions;
  #usedBytes = 0;
  #isUnflushedFull = false;
  /** At so much in use it is measured again. */
  #refreshAtBytes = 0;

  constructor(parts: RoomParts) {
    this.#parts = parts;
    this.#eviction = parts.options.eviction;
  }

  /** Undefined: there is room now. Rejects with KvcacheError DISKFULL or BLOBFULL when there is none for too long. */
  admit(bytes: number): Promise<void> | undefined {
    this.#usedBytes += bytes;
    if (this.#usedBytes >= this.#refreshAtBytes) this.refresh();
    if (this.#usedBytes > this.#eviction.diskBytes || this.#isBlobFull()) return this.#wait(bytes);
    return this.#parts.log.admit(bytes);
  }

  /** Measures anew. */
  refresh(): void {
    const { evictor, onPressure } = this.#parts;
    this.recount();
    this.#isUnflushedFull = evictor.isUnflushedFull();
    if (evictor.isDiskAboveThreshold() || this.#isUnflushedFull) onPressure();
  }

  /** Something was given up: what is used is less than was counted. */
  recount(): void {
    this.#usedBytes = this.#parts.log.localBytes();
    this.#refreshAtBytes = this.#usedBytes + storageRefreshBytes;
  }

  #isBlobFull(): boolean {
    return this.#isUnflushedFull && this.#eviction.onBlobFull === 'error';
  }

  async #wait(bytes: number): Promise<void> {
    const { log, below, clock, options, fault } = this.#parts;
    const giveUpAtMs = clock.now() + options.fullWaitMs;
    for (;;) {
      this.refresh();
      const reason = fault();
      if (reason !== undefined) throw reason;
      const { diskBytes } = this.#eviction;
      const isDiskFull = this.#usedBytes + bytes > diskBytes;
      if (!isDiskFull && !this.#isBlobFull()) {
        await log.admit(bytes);
        return;
      }
      if (clock.now() >= giveUpAtMs) {
        throw isDiskFull
          ? new KvcacheError('DISKFULL', `the shard's disk size of ${diskBytes} bytes is full; raise disk.size`)
          : new KvcacheError('BLOBFULL', `${below!.unflushedBytes()} bytes wait for Blob; it takes none now`);
      }
      await delay(storageFullPollMs);
    }
  }
}
