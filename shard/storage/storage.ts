/**
 * Storage of one shard: the log on its disk, Blob below, and what keeps both in shape.
 *
 * `openStorage` recovers the index; the returned `Storage` is the engine's `Journal`. Three things go on behind it:
 * write-behind to Blob (the tier below), eviction, and compaction, the latter two in one maintenance loop each, woken
 * once a second and by writes that cross a threshold.
 *
 * Fencing: when the tier below learns that another process has taken this shard over, the log is closed with the
 * reason; from then on every write is refused with FENCED.
 */
import { mkdir } from 'node:fs/promises';
import { setImmediate as nextStep, setTimeout as delay } from 'node:timers/promises';
import { KvcacheError, messageOf } from '../../errors.ts';
import { slotDropEntriesPerStep, takeoverRetryDelayMs } from '../../limits.ts';
import type { Condense, Entry, Journal, JournalPosition, JournalWrite, LentEntry, StoredValue } from '../journal.ts';
import { systemFiles } from '../log/files.ts';
import { Log } from '../log/log.ts';
import { Compactor } from './compactor.ts';
import { untilDurable } from './durability.ts';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { Evictor } from './evictor.ts';
import { Folder } from './folder.ts';
import { type Inventory, takeInventory } from './inventory.ts';
import { logStatistics } from './log-statistics.ts';
import { Mark } from './mark.ts';
import { Reader } from './reader.ts';
import { recover, type RecoveryReport, wroteSince } from './recovery.ts';
import { Room } from './room.ts';
import type { StorageOptions } from './storage-options.ts';
import type { Takeover, TierBelow } from './tier-below.ts';

/** Locks the directory, recovers what it and Blob hold into the index, and opens the log for writing. */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const { folder } = options;
  await mkdir(folder, { recursive: true }).catch(rejectReadably(folder));
  // Nothing is looked at before the lock: another process may be in the middle of writing these files.
  const lock = await lockDirectory(folder).catch(rejectReadably(folder));
  try {
    const inventory = await takeInventory(folder).catch(rejectReadably(folder));
    const storage = new Storage(options, lock);
    await storage.recover(inventory);
    return storage;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

function rejectReadably(folder: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof KvcacheError) throw error;
    throw new KvcacheError('CONFIG', `the data directory ${folder} cannot be used: ${messageOf(error)}`, {
      cause: error,
    });
  };
}

export class Storage implements Journal {
  readonly log: Log;
  readonly reader: Reader;
  readonly compactor: Compactor;
  readonly evictor: Evictor;
  report: RecoveryReport | undefined;
  incarnation = 0;
  /** Blob is configured, but the manifest could not be taken over yet. */
  isDetached = false;
  /** Fetches a value from the shard that still has it. Set by hand-over. */
  fetchAway: (entry: Entry) => Promise<StoredValue> = async ({ slot }) => {
    throw new KvcacheError('UNAVAILABLE', `the value is still at the shard that had slot ${slot} before`);
  };
  readonly #options: StorageOptions;
  readonly #lock: DirectoryLock;
  readonly #below: TierBelow | undefined;
  readonly #room: Room;
  readonly #folder: Folder;
  #fault: KvcacheError | undefined;
  #lastEvictionAtMs = 0;
  #evicting: Promise<void> | undefined;
  #compacting: Promise<void> | undefined;
  #stopTicking: (() => void) | undefined;
  readonly #background = new Set<Promise<void>>();
  readonly #mark: Mark;

  constructor(options: StorageOptions, lock: DirectoryLock) {
    this.#options = options;
    this.#lock = lock;
    this.#below = options.below;
    this.log = new Log({
      folder: options.folder,
      fsync: options.fsync,
      segmentBytes: options.segmentBytes,
      segmentAgeMs: options.segmentAgeMs,
      clock: options.clock,
      files: options.files ?? systemFiles,
      epoch: options.epoch ?? (() => 0),
    });
    const { log } = this;
    this.#mark = new Mark(options.folder, () => log.nextSegment);
    const { index } = options;
    const below = options.below;
    this.reader = new Reader(log, below, (segment, offset, where) =>
      options.logger.error({ segment, offset, where }, 'a record failed its checksum'),
    );
    this.compactor = new Compactor(log, index, this.reader, below, options.compaction);
    const parts = { log, index, reader: this.reader, compactor: this.compactor, below };
    this.evictor = new Evictor(parts, options.eviction);
    this.#folder = new Folder({ log, index, reader: this.reader }, (error) =>
      options.logger.warn({ error: messageOf(error) }, 'a value and its deltas could not be made one record'),
    );
    this.#room = new Room({
      log,
      evictor: this.evictor,
      below,
      clock: options.clock,
      options,
      fault: () => this.#fault,
      onPressure: () => this.#inBackground(this.#evict()),
    });
  }

  // ── Start and end ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Called once by `openStorage`. */
  async recover(inventory: Inventory): Promise<void> {
    const { logger, index, sinceOf } = this.#options;
    const takeover = await this.#takeOver(inventory);
    this.report = await recover({
      log: this.log,
      index,
      inventory,
      below: this.#below,
      takeover,
      sinceOf: sinceOf ?? (() => 0),
    });
    this.#assertTopologyIsNewEnough(this.report.newestEpoch);
    const { damages, lostRecords, staleSegments, damagedFiles } = this.report;
    const isClean = damages.length + lostRecords + staleSegments.length + damagedFiles.length === 0;
    logger[isClean ? 'info' : 'warn']({ ...this.report, keys: index.size }, 'recovered');
    this.incarnation = takeover?.incarnation ?? (inventory.incarnation ?? 0) + 1;
    // Detached, the number stays as it was: the takeover must still see under which one this disk was written.
    this.#mark.incarnation = inventory.incarnation;
    if (!this.isDetached) await this.#mark.write(this.incarnation);
    this.log.start(this.incarnation);
    // Also before the takeover: what waits for Blob must be known.
    this.#below?.start(this.log);
    if (this.isDetached) this.#inBackground(this.#attachLater(inventory));
    this.#tickLater();
  }

  /** Ends with everything on the disk and, if asked for, in Blob; rejects with BLOBDOWN, closed, if Blob took not all. */
  async close(options: { flush: boolean }): Promise<void> {
    this.#stopTicking?.();
    this.#fault ??= new KvcacheError('SHUTDOWN', 'the shard is ending');
    await this.#rememberNumbers();
    await this.log.close(this.#fault.code === 'FENCED' ? this.#fault : undefined);
    const isOurs = this.#fault.code !== 'FENCED';
    await this.#below?.stop({ flush: options.flush && !this.isDetached && isOurs });
    const leftBytes = options.flush && isOurs ? (this.#below?.unflushedBytes() ?? 0) : 0;
    await Promise.allSettled([...this.#background, this.#folder.close()]);
    await this.log.closeFiles();
    await this.#lock.release();
    if (leftBytes > 0) {
      throw new KvcacheError('BLOBDOWN', `${leftBytes} bytes of the log are on this disk alone; Blob took none`);
    }
  }

  /** Another process owns this shard now. Nothing is written any more. */
  fence(reason: string): void {
    if (this.#fault !== undefined) return;
    this.#fault = new KvcacheError('FENCED', reason);
    this.#stopTicking?.();
    this.#options.logger.error({ reason }, 'fenced: another process has taken over this shard');
    this.#inBackground(this.log.close(this.#fault));
  }

  // ── Journal ─────────────────────────────────────────────────────────────────────────────────────────────────────

  admit(bytes: number): Promise<void> | undefined {
    if (this.#fault !== undefined) return Promise.reject(this.#fault);
    return this.#room.admit(bytes);
  }

  append(writes: readonly JournalWrite[]): { entries: (Entry | undefined)[]; position: JournalPosition } {
    if (this.#fault !== undefined) throw this.#fault;
    return this.log.append(writes);
  }

  overwrite(write: JournalWrite, entry: LentEntry): JournalPosition {
    if (this.#fault !== undefined) throw this.#fault;
    return this.log.overwrite(write, entry);
  }

  release(entry: Entry): void {
    this.log.live.release(entry);
  }

  fold(entry: Entry, condense?: Condense): void {
    this.#folder.fold(entry, condense);
  }

  durable(position: JournalPosition, level: 'disk' | 'blob'): Promise<void> {
    return untilDurable(this.log, this.#below, position, level);
  }

  isAway(entry: Entry): boolean {
    return this.log.live.isAway(entry);
  }

  read(entry: Entry): Promise<StoredValue> {
    return this.isAway(entry) ? this.fetchAway(entry) : this.reader.read(entry);
  }

  // ── For the process ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Why this shard takes no writes until it is started again, if so. */
  get fault(): KvcacheError | undefined {
    return this.#fault ?? this.log.fault;
  }

  /** Everything written so far is on the disk, or in Blob. */
  async flush(level: 'disk' | 'blob'): Promise<void> {
    const position = this.log.position();
    await this.log.synced(position);
    if (level === 'blob') await this.durable(position, 'blob');
  }

  /**
   * Makes every record of these slots void. Resolves when that is on the disk. Takes its time with many keys: nobody
   * may ask for these slots meanwhile.
   */
  async dropSlots(slots: readonly number[]): Promise<void> {
    const { index } = this.#options;
    let inStep = 0;
    for (const slot of slots) {
      this.log.appendSlotDrop(slot);
      for (const entry of index.entriesOfSlot(slot)) {
        this.release(entry);
        index.remove(entry);
        if (++inStep < slotDropEntriesPerStep) continue;
        inStep = 0;
        await nextStep();
      }
    }
    await this.log.synced(this.log.position());
  }

  /** Numbers for metrics and status. */
  stats(): Record<string, unknown> {
    return {
      incarnation: this.incarnation,
      ...logStatistics(this.log),
      unflushedBytes: this.#below?.unflushedBytes() ?? 0,
      isDetached: this.isDetached,
      reads: this.reader.statistics,
      compaction: this.compactor.statistics,
      eviction: this.evictor.statistics,
      recovery: this.report,
      fault: this.#fault?.message,
    };
  }

  /** One round of eviction and compaction now, for tests and tools. */
  async maintain(): Promise<void> {
    await this.#evict();
    await this.#compact();
  }

  // ── Inside ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes the manifest over. Undefined: no Blob, or it is away and the disk alone must do for now. */
  async #takeOver(inventory: Inventory): Promise<Takeover | undefined> {
    if (this.#below === undefined) return undefined;
    const hasData = inventory.incarnation !== undefined;
    for (;;) {
      try {
        return await this.#below.takeover(inventory.incarnation);
      } catch (error) {
        if (!(error instanceof KvcacheError) || error.code !== 'BLOBDOWN') throw error;
        this.#options.logger.warn({ reason: error.message, hasData }, 'Blob cannot be reached at start');
        if (hasData) {
          this.isDetached = true;
          return undefined;
        }
        await delay(takeoverRetryDelayMs);
      }
    }
  }

  /** By an older topology than the data's, slots that are this shard's would seem another's, and be dropped. */
  #assertTopologyIsNewEnough(newestEpoch: number): void {
    const epoch = this.#options.recoveryEpoch ?? newestEpoch;
    if (epoch >= newestEpoch) return;
    throw new KvcacheError(
      'CONFIG',
      `the data was written under topology epoch ${newestEpoch}, but the topology given is of epoch ${epoch}; give the newest one (each process keeps a copy as topology.json)`,
    );
  }

  async #attachLater(inventory: Inventory): Promise<void> {
    while (this.#fault === undefined) {
      await delay(takeoverRetryDelayMs, undefined, { ref: false });
      try {
        const takeover = await this.#below!.takeover(inventory.incarnation, (claimed) =>
          this.#adopt(claimed, inventory),
        );
        this.#options.logger.info({ incarnation: takeover.incarnation }, 'Blob is reachable again');
        return;
      } catch (error) {
        if (!(error instanceof KvcacheError) || error.code !== 'BLOBDOWN') {
          this.fence(messageOf(error));
          return;
        }
      }
    }
  }

  /** Before the first byte goes up: this disk must still be the newest there is. */
  async #adopt(takeover: Takeover, inventory: Inventory): Promise<void> {
    if (wroteSince(takeover, inventory)) {
      throw new KvcacheError('FENCED', 'another process wrote this shard while this one could not reach Blob');
    }
    await this.#mark.write(takeover.incarnation);
    this.incarnation = takeover.incarnation;
    this.log.incarnation = takeover.incarnation;
    this.isDetached = false;
  }

  /**
   * An open segment without records is thrown away, and while Blob is away the manifest goes on listing it: its number
   * must not be given to another one, which would never be uploaded.
   */
  async #rememberNumbers(): Promise<void> {
    if (this.log.active?.isEmpty !== true || this.#fault?.code === 'FENCED') return;
    await this.#mark
      .write()
      .catch((error: unknown) =>
        this.#options.logger.warn({ error: messageOf(error) }, 'the numbers of segments cannot be remembered'),
      );
  }

  #tickLater(): void {
    this.#stopTicking = this.#options.clock.after(1_000, () => {
      this.#tick();
      if (this.#fault === undefined) this.#tickLater();
    });
  }

  #tick(): void {
    // A disk without room for the next segment is no reason to end: the next tick tries again.
    this.#inBackground(Promise.try(() => this.log.rollIfOld()));
    this.#room.refresh();
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#lastEvictionAtMs >= this.#options.evictionIntervalMs) {
      this.#lastEvictionAtMs = nowMs;
      this.#inBackground(this.#evict());
    }
    this.#inBackground(this.#compact());
  }

  /** Rounds of eviction until nothing is above its bound; whoever asks meanwhile waits for the same ones. */
  #evict(): Promise<void> {
    this.#evicting ??= this.#untilDone(() => this.evictor.run()).finally(() => (this.#evicting = undefined));
    return this.#evicting;
  }

  #compact(): Promise<void> {
    this.#compacting ??= this.#untilDone(() => this.compactor.run()).finally(() => (this.#compacting = undefined));
    return this.#compacting;
  }

  async #untilDone(round: () => Promise<boolean>): Promise<void> {
    while (this.#fault === undefined && (await round())) this.#room.recount();
  }

  /** Background work that fails is reported and tried again with the next tick. */
  #inBackground(work: Promise<void>): void {
    const guarded = work
      .catch((error: unknown) => {
        const isEnding = error instanceof KvcacheError && (error.code === 'SHUTDOWN' || error.code === 'FENCED');
        if (!isEnding) this.#options.logger.warn({ error: messageOf(error) }, 'maintenance of the log failed');
      })
      .finally(() => this.#background.delete(guarded));
    this.#background.add(guarded);
  }
}
