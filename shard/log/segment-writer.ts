/**
 * Appends to the one open segment file.
 *
 * Records are placed at once (their offset is known when `append` returns) and written in batches, small records through
 * staging buffers, large values straight from the caller's memory. A batch begins as soon as somebody waits for it or
 * enough has come for it, and else after a moment: what a batch costs is as much as some ten small commands, and a shard
 * has thousands of turns of its loop a second. Whatever comes during one write goes out with the next. A write that fails
 * is tried again from the same offset with the same bytes, so a full disk never leaves a hole or a half record in the
 * middle of the log; meanwhile new writers are told.
 *
 * Writing goes on while the disk is synced: a second's worth of large values takes it a fifth of a second, and writers
 * would wait for that. A sync covers what was written when it began; who came later waits for the next.
 *
 *   appended ──────────────── bytes        placed, in RAM
 *   in the file ───────────── writtenBytes survives the process
 *   on the disk ───────────── syncedBytes  survives the machine
 *
 * Everybody who waits for the same cycle shares one promise.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { KvcacheError, messageOf } from '../../errors.ts';
import { logBatchBytes, logBatchDelayMs, logPendingBytesMax, logRetryDelayMs, stagingBytes } from '../../limits.ts';
import { type FileOperations, isNoSpace } from './files.ts';
import { leaseOf } from '../value-memory.ts';
import { recordBytes, type RecordFields, type RecordStamp, writeRecordHead } from './record.ts';

/** Values up to this are copied beside their head; larger ones are gathered from where they are. */
const copiedValueBytesMax = 16 * 1024;

interface Cycle {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  wanted: boolean;
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function newCycle(): Cycle {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // A failed cycle has told everybody who waited; one that nobody waited for must not end the process.
  promise.catch(() => undefined);
  return { promise, resolve, reject, wanted: false };
}

export class SegmentWriter {
  bytes: number;
  writtenBytes: number;
  syncedBytes: number;
  readonly #fd: number;
  readonly #salt: number;
  readonly #files: FileOperations;
  readonly #syncEveryWrite: boolean;
  #queue: Buffer[] = [];
  #stage = Buffer.alloc(0);
  #stageView = viewOf(this.#stage);
  #stageFrom = 0;
  #stageTo = 0;
  /** The batch that is being written, up to `#batchEnd`, and the next one. */
  #batchWritten = newCycle();
  #batchEnd = 0;
  #written = newCycle();
  /** The sync that is under way, of everything up to `#syncEnd`, and the next one. */
  #syncing = newCycle();
  #syncEnd = 0;
  #synced = newCycle();
  /** Batches are being written, or the next one begins with the next turn of the loop. */
  #running = false;
  #isSyncing = false;
  /** Why the last attempt failed, until one succeeds. */
  #writeFault: KvcacheError | undefined;
  #syncFault: KvcacheError | undefined;
  /** Set while a batch waits for more to come. */
  #delay: NodeJS.Timeout | undefined;
  /** Set: nothing is written any more, for this reason. */
  #abandoned: KvcacheError | undefined;

  constructor(fd: number, startBytes: number, salt: number, files: FileOperations, syncEveryWrite: boolean) {
    this.#fd = fd;
    this.#salt = salt;
    this.#files = files;
    this.#syncEveryWrite = syncEveryWrite;
    this.bytes = startBytes;
    this.writtenBytes = startBytes;
    this.syncedBytes = startBytes;
  }

  /** Why nothing can be appended now. */
  get fault(): KvcacheError | undefined {
    return this.#abandoned ?? this.#writeFault ?? this.#syncFault;
  }

  get pendingBytes(): number {
    return this.bytes - this.writtenBytes;
  }

  /** Places a record and returns its offset. The value's memory is kept until it is written. */
  append(fields: RecordFields, stamp: RecordStamp): number {
    const offset = this.bytes;
    const value = fields.value;
    const isCopied = value.byteLength <= copiedValueBytesMax;
    const total = recordBytes(fields.key.byteLength, fields.meta?.byteLength, value.byteLength);
    const staged = isCopied ? total : total - value.byteLength;
    if (this.#stageTo + staged > this.#stage.byteLength) {
      this.#endStage();
      this.#stage = Buffer.allocUnsafeSlow(Math.max(stagingBytes, staged));
      this.#stageView = viewOf(this.#stage);
      this.#stageFrom = this.#stageTo = 0;
    }
    this.#stageTo = writeRecordHead(this.#stage, this.#stageView, this.#stageTo, fields, stamp, this.#salt);
    if (isCopied) {
      this.#stage.set(value, this.#stageTo);
      this.#stageTo += value.byteLength;
    } else {
      this.#endStage();
      this.#queue.push(value);
      leaseOf(value)?.hold();
    }
    this.bytes += total;
    this.#startWhenWorthIt();
    return offset;
  }

  /** Undefined if `bytes` more may be appended now; a promise when the writer must wait; rejects with DISKFULL. */
  admit(bytes: number): Promise<void> | undefined {
    const { fault } = this;
    if (fault !== undefined) return Promise.reject(fault);
    const pending = this.pendingBytes;
    if (pending === 0 || pending + bytes <= logPendingBytesMax) return undefined;
    return this.#nextWrite().promise.then(() => this.admit(bytes));
  }

  /** Resolves when everything up to `end` is in the file. */
  written(end: number): Promise<void> {
    if (end <= this.writtenBytes) return Promise.resolve();
    if (this.#abandoned !== undefined) return Promise.reject(this.#abandoned);
    return this.#nextWrite().promise.then(() => this.written(end));
  }

  /** Resolves when everything up to `end` is on the disk. */
  synced(end: number): Promise<void> {
    if (end <= this.syncedBytes) return Promise.resolve();
    if (this.#abandoned !== undefined) return Promise.reject(this.#abandoned);
    return this.#nextSync(end).promise.then(() => this.synced(end));
  }

  /** Gives up on bytes that are not written: the process ends or the shard is fenced. */
  abandon(reason: KvcacheError): void {
    this.#abandoned = reason;
    clearTimeout(this.#delay);
    for (const cycle of [this.#batchWritten, this.#written, this.#syncing, this.#synced]) cycle.reject(reason);
  }

  /** The write that ends next: the batch under way, else the one that the next tick begins. */
  #nextWrite(): Cycle {
    if (this.#batchEnd > this.writtenBytes) return this.#batchWritten;
    this.#written.wanted = true;
    this.#start();
    return this.#written;
  }

  /** The sync that may cover these bytes: the one under way, else the next, which is asked for. */
  #nextSync(end: number): Cycle {
    if (this.#isSyncing && end <= this.#syncEnd) return this.#syncing;
    const cycle = this.#synced;
    cycle.wanted = true;
    if (end > this.writtenBytes) this.#start();
    else this.#startSync();
    return cycle;
  }

  #endStage(): void {
    if (this.#stageTo > this.#stageFrom) this.#queue.push(this.#stage.subarray(this.#stageFrom, this.#stageTo));
    this.#stageFrom = this.#stageTo;
  }

  /** Begins a batch now if it is large enough, or in a moment. */
  #startWhenWorthIt(): void {
    if (this.#running || this.#abandoned !== undefined) return;
    if (this.#syncEveryWrite || this.pendingBytes >= logBatchBytes) this.#start();
    else this.#delay ??= setTimeout(() => this.#start(), logBatchDelayMs);
  }

  #start(): void {
    if (this.#running || this.#abandoned !== undefined) return;
    clearTimeout(this.#delay);
    this.#delay = undefined;
    this.#running = true;
    // Waiting for the end of the tick lets all its records share one write.
    setImmediate(() => void this.#run());
  }

  get #isWanted(): boolean {
    if (this.pendingBytes === 0) return false;
    const isWaitedFor = this.#written.wanted || this.#synced.wanted || this.#syncEveryWrite;
    return isWaitedFor || this.pendingBytes >= logBatchBytes;
  }

  async #run(): Promise<void> {
    // Given up since it was asked for: who waits has been told.
    if (this.#abandoned !== undefined) return;
    do {
      this.#endStage();
      const batch = this.#queue;
      this.#queue = [];
      this.#batchWritten = this.#written;
      this.#written = newCycle();
      this.#batchEnd = this.bytes;
      await this.#writeAll(batch);
      if (this.#abandoned !== undefined) return;
      for (const piece of batch) leaseOf(piece)?.release(piece);
      this.#batchWritten.resolve();
      this.#startSync();
    } while (this.#isWanted);
    this.#running = false;
    if (this.pendingBytes > 0) this.#startWhenWorthIt();
  }

  async #writeAll(batch: Buffer[]): Promise<void> {
    let rest = batch;
    while (rest.length > 0 && this.#abandoned === undefined) {
      try {
        const count = await this.#files.writev(this.#fd, rest, this.writtenBytes);
        this.writtenBytes += count;
        rest = afterBytes(rest, count);
        this.#writeFault = undefined;
      } catch (error) {
        this.#writeFault = faultOf(error);
        for (const cycle of [this.#batchWritten, this.#written, this.#synced]) cycle.reject(this.#writeFault);
        this.#batchWritten = newCycle();
        this.#written = newCycle();
        this.#synced = newCycle();
        await untilRetry();
      }
    }
  }

  /** Syncs what is written, if that is wanted and not under way. */
  #startSync(): void {
    if (this.#isSyncing || this.#abandoned !== undefined) return;
    this.#isSyncing = true;
    void this.#syncAll();
  }

  async #syncAll(): Promise<void> {
    while (this.#isSyncWanted) {
      this.#syncing = this.#synced;
      this.#synced = newCycle();
      const end = this.writtenBytes;
      this.#syncEnd = end;
      try {
        await this.#files.fdatasync(this.#fd);
        this.syncedBytes = end;
        this.#syncFault = undefined;
        this.#syncing.resolve();
      } catch (error) {
        this.#syncFault = faultOf(error);
        for (const cycle of [this.#syncing, this.#synced]) cycle.reject(this.#syncFault);
        this.#synced = newCycle();
        this.#syncEnd = this.syncedBytes;
        await untilRetry();
        // Nobody may be left to ask again, and the fault must not outlive its cause.
        this.#synced.wanted = true;
      }
    }
    this.#isSyncing = false;
  }

  get #isSyncWanted(): boolean {
    if (this.#abandoned !== undefined || this.writtenBytes === this.syncedBytes) return false;
    return this.#synced.wanted || this.#syncEveryWrite;
  }
}

/** A moment before the next attempt; everybody who waited for this one has been told. */
function untilRetry(): Promise<void> {
  return delay(logRetryDelayMs, undefined, { ref: false });
}

function faultOf(error: unknown): KvcacheError {
  const reason = messageOf(error);
  return isNoSpace(error)
    ? new KvcacheError('DISKFULL', `the disk is full, the log waits for room: ${reason}`, { cause: error })
    : new KvcacheError('DISKFULL', `the log cannot be written: ${reason}`, { cause: error });
}

/** What is left of a gather list after its first `count` bytes. */
function afterBytes(buffers: Buffer[], count: number): Buffer[] {
  let index = 0;
  let left = count;
  while (index < buffers.length && left >= buffers[index]!.byteLength) left -= buffers[index++]!.byteLength;
  const rest = buffers.slice(index);
  if (left > 0) rest[0] = rest[0]!.subarray(left);
  return rest;
}
