/**
 * Write-behind: brings what the log has on disk into Blob, a segment at a time, and knows what has arrived.
 *
 * A pass runs every flush interval, and sooner when somebody waits for it. It uploads what each local segment has grown
 * by, oldest first; then writes the manifest if a segment is new, sealed or dropped; only then do the new bytes count as
 * committed. A busy shard costs one staged block and one commit a pass (one more block for every blockBytes); a pass
 * that finds nothing to do sends nothing. RAM holds the blocks in flight (two) and nothing else.
 *
 *   file ──read──▶ block ──stage──▶ blob (commit, If-Match) ──▶ manifest (If-Match) ──▶ acknowledged
 *
 * The disk is the truth while it has the segment: whatever Blob turns out to have lost is uploaded again (verification).
 * The manifest is the truth about ownership: once it bears a newer owner this object is fenced, stops for good, and
 * rejects everything with FENCED.
 */
import { randomBytes } from 'node:crypto';

import { KvcacheError, messageOf } from '../../errors.ts';
import {
  blobBlockBytes,
  blobFinalFlushTimeoutMs,
  blobFlushIntervalMs,
  blobHastenedFlushGapMs,
  blobSlowRetryDelayMs,
  blobVerifyDelayMs,
  blobVerifyIntervalMs,
} from '../../limits.ts';
import type { Clock } from '../clock.ts';
import type { SegmentIdentity, SegmentSource, SegmentSummary } from '../segment.ts';
import { done } from './blob-outcome.ts';
import type { BlobFailure, BlobOutcome } from './blob-outcome.ts';
import type { BlobStore } from './blob-store.ts';
import { CommitWaiters } from './commit-waiters.ts';
import { logHealthChanges } from './health-log.ts';
import { segmentBlobName } from './manifest.ts';
import { PassLoop } from './pass-loop.ts';
import { ShardBlobs } from './shard-blobs.ts';
import type { BlobLog } from './shard-blobs.ts';
import { blobDown, claimManifest, claimSegment } from './takeover.ts';
import type { WriteBehindStats } from './write-behind-stats.ts';

export interface WriteBehindOptions {
  /** The shard's name, which the manifest must bear. */
  readonly shard: string;
  readonly flushIntervalMs?: number;
  readonly blockBytes?: number;
  readonly verifyDelayMs?: number;
  readonly verifyIntervalMs?: number;
  readonly slowRetryDelayMs?: number;
  /** Another process owns the shard from now on. Called once. */
  readonly onFenced: (reason: string) => void;
  readonly log: BlobLog;
  readonly clock: Clock;
}

export interface Takeover {
  /** 0 if the shard was never in Blob. */
  readonly previousIncarnation: number;
  readonly incarnation: number;
  /** By id. Unsealed ones have the length that is committed, 0 if nothing is. */
  readonly segments: SegmentSummary[];
}

export interface StopOptions {
  readonly flush: boolean;
  readonly timeoutMs?: number;
}

export class WriteBehind {
  readonly #store: BlobStore;
  readonly #options: WriteBehindOptions;
  readonly #owner = randomBytes(8).toString('hex');
  readonly #waiters = new CommitWaiters();
  readonly #loop: PassLoop<BlobFailure>;
  readonly #abort = new AbortController();
  readonly #forgetHealth: () => void;
  #source: SegmentSource | undefined;
  #blobs: ShardBlobs | undefined;
  #incarnation = 0;
  #fenced: KvcacheError | undefined;
  #stopped = false;
  /** The container is missing and could not be made. */
  #isContainerRefused = false;
  #verifyNow = true;
  #verifyAtMs = 0;
  #commits = 0;
  #lastCommitAtMs = 0;
  #verifications = 0;

  constructor(store: BlobStore, options: WriteBehindOptions) {
    this.#store = store;
    this.#options = options;
    const intervalMs = options.flushIntervalMs ?? blobFlushIntervalMs;
    const slowMs = options.slowRetryDelayMs ?? blobSlowRetryDelayMs;
    this.#loop = new PassLoop({
      clock: options.clock,
      intervalMs,
      hastenedGapMs: blobHastenedFlushGapMs,
      oversleptMs: blobVerifyDelayMs,
      pass: async () => await this.#guardedPass(),
      pauseMs: ({ kind }) => (kind === 'forbidden' || this.#isContainerRefused ? slowMs : intervalMs),
      // A process that slept through its turn may have been taken for dead meanwhile.
      onOverslept: () => (this.#verifyNow = true),
    });
    this.#forgetHealth = logHealthChanges(store, options.log, () => this.#blobs !== undefined);
  }

  /**
   * Makes this process the only one that can write the shard to Blob. May be repeated after BLOBDOWN; then, and only
   * then, passes that `start` began do something. `localIncarnation` is the highest that the disk knows of.
   *
   * `adopt` sees the result before anything is uploaded. If it rejects, so does the takeover, and nothing ever is: a
   * process that served from its disk while another one wrote the shard must not mix the two.
   *
   * Rejects with BLOBDOWN (no connection, no permission, no container), FORMAT (a manifest that is not readable: it is
   * left alone), CONFIG (the prefix is another shard's) or FENCED.
   */
  async takeover(
    localIncarnation: number | undefined,
    adopt?: (takeover: Takeover) => Promise<void>,
  ): Promise<Takeover> {
    const claim = await claimManifest(this.#store, {
      shard: this.#options.shard,
      owner: this.#owner,
      localIncarnation: localIncarnation ?? 0,
      claimedIncarnation: this.#incarnation,
    });
    this.#incarnation = claim.writer.incarnation;
    const segments: SegmentSummary[] = [];
    for (const segment of claim.manifest.current.segments) {
      segments.push(segment.sealed ? segment : await claimSegment(this.#store, claim, segment));
    }
    const { previousIncarnation, writer } = claim;
    const { incarnation } = writer;
    const takeover: Takeover = { previousIncarnation, incarnation, segments };
    await adopt?.(takeover);
    this.#blobs = new ShardBlobs(
      {
        store: this.#store,
        claim,
        blockBytes: this.#options.blockBytes ?? blobBlockBytes,
        log: this.#options.log,
        signal: this.#abort.signal,
        onCommit: () => this.#noteCommit(),
        onAcknowledged: (id, bytes) => this.#waiters.settle(id, bytes),
        onSurprise: () => (this.#verifyNow = true),
      },
      segments,
    );
    // Somebody may have asked before the takeover for what was in Blob all along.
    for (const segment of segments) this.#waiters.settle(segment.id, this.committedBytes(segment.id));
    this.#options.log.info(
      { incarnation, previousIncarnation, segments: segments.length },
      'took over the shard in Blob',
    );
    if (this.#source !== undefined) this.#loop.start();
    return takeover;
  }

  /** Begins the flush loop. Before the takeover it only knows how much is unflushed. */
  start(source: SegmentSource): void {
    this.#source = source;
    this.#loop.start();
  }

  /** Bytes of the segment's records that are committed, its segment listed in the manifest. */
  committedBytes(id: number): number {
    return this.#blobs?.acknowledgedBytes(id) ?? 0;
  }

  /**
   * Resolves when the first `bytes` bytes of the segment are committed, and hastens that. To be called when the file
   * holds them. Waits through outages; rejects with FENCED, SHUTDOWN, CANCELLED (the signal) or BLOBDOWN (the segment
   * was dropped first).
   */
  async waitCommitted(id: number, bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.committedBytes(id) >= bytes) return;
    if (this.#fenced !== undefined) throw this.#fenced;
    if (this.#stopped) throw new KvcacheError('SHUTDOWN', 'write-behind has stopped');
    const wait = this.#waiters.wait(id, bytes, signal);
    // In an outage the loop's own pace is soon enough.
    if (this.#store.health === 'available') this.#loop.hasten();
    await wait;
  }

  /** Bytes on disk that Blob does not have. Goes through the local segments: not for every command. */
  unflushedBytes(): number {
    let bytes = 0;
    for (const local of this.#source?.localSegments() ?? []) {
      bytes += this.#blobs?.missingBytes(local) ?? local.bytes;
    }
    return bytes;
  }

  /** True if Blob can serve the segment without the disk: sealed, committed, seen there, and sealed in the manifest. */
  isSafe(id: number): boolean {
    return this.#blobs?.isSafe(id) ?? false;
  }

  /** Resolves when everything that was on disk at the call is committed. Rejects with BLOBDOWN, FENCED or SHUTDOWN. */
  async flush(): Promise<void> {
    const trouble = await this.#loop.run();
    if (this.#fenced !== undefined) throw this.#fenced;
    if (trouble !== undefined) throw blobDown(this.#store, trouble);
    if (this.#blobs === undefined) throw new KvcacheError('BLOBDOWN', 'the shard is not taken over in Blob yet');
  }

  /** Rejects with BLOBDOWN, also if the range is not there. */
  async readRange(segment: SegmentIdentity, offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    const outcome = await this.#store.readRange(segmentBlobName(segment), offset, length, signal);
    if (outcome.kind === 'done') return outcome.value;
    if (outcome.kind === 'aborted') throw new KvcacheError('CANCELLED', outcome.message);
    throw blobDown(this.#store, outcome);
  }

  /** The hint of a sealed segment of the manifest. */
  async readHint(sealed: SegmentSummary): Promise<Buffer> {
    return await this.readRange(sealed, sealed.bytes, sealed.hintBytes);
  }

  /** Seals a segment that lies in Blob alone, after a restore; `sealed.bytes` may be less than is committed. */
  async sealAdopted(sealed: SegmentSummary, hint: Buffer): Promise<void> {
    await this.#change(async (blobs) => await blobs.sealAdopted(sealed, hint));
  }

  /**
   * Takes the segments off the manifest, then deletes their blobs; they are never uploaded again. Rejects with BLOBDOWN
   * if that could not be done now; it is then done later.
   */
  async drop(ids: readonly number[]): Promise<void> {
    await this.#change(async (blobs) => await blobs.drop(ids));
    for (const id of ids) this.#waiters.reject(id, droppedError());
  }

  /** What the manifest lists, by id; of an open segment as much as is committed. */
  summaries(): SegmentSummary[] {
    return this.#blobs?.summaries() ?? [];
  }

  stats(): WriteBehindStats {
    return {
      health: this.#store.health,
      fenced: this.#fenced !== undefined,
      incarnation: this.#incarnation,
      segments: this.summaries().length,
      unflushedBytes: this.unflushedBytes(),
      waiters: this.#waiters.size,
      commits: this.#commits,
      lastCommitAtMs: this.#lastCommitAtMs,
      verifications: this.#verifications,
      lostSegments: this.#blobs?.lostSegments ?? 0,
      orphansDeleted: this.#blobs?.orphansDeleted ?? 0,
      operations: this.#store.counts,
    };
  }

  /**
   * Ends the loop; with `flush`, after one more pass, which is given up after `timeoutMs`. What could not be flushed is
   * logged and still on disk.
   */
  async stop({ flush, timeoutMs = blobFinalFlushTimeoutMs }: StopOptions): Promise<void> {
    if (this.#stopped) return;
    if (flush && this.#blobs !== undefined) {
      const cancel = this.#options.clock.after(timeoutMs, () => this.#abort.abort());
      const trouble = await this.#loop.run();
      cancel();
      if (trouble !== undefined && this.#fenced === undefined) {
        const fields = { problem: trouble.message, unflushedBytes: this.unflushedBytes() };
        this.#options.log.warn(fields, 'stopped before everything was in Blob; it stays on disk');
      }
    }
    this.#end(new KvcacheError('SHUTDOWN', 'write-behind has stopped'));
    await this.#loop.idle();
  }

  async #change(change: (blobs: ShardBlobs) => Promise<BlobOutcome<undefined>>): Promise<void> {
    if (this.#fenced !== undefined) throw this.#fenced;
    if (this.#blobs === undefined) throw new KvcacheError('BLOBDOWN', 'the shard is not taken over in Blob yet');
    let outcome: BlobOutcome<undefined>;
    try {
      outcome = await change(this.#blobs);
    } catch (error) {
      this.#fenceIf(error);
      throw error;
    }
    if (outcome.kind !== 'done') throw blobDown(this.#store, outcome);
  }

  async #guardedPass(): Promise<BlobFailure | undefined> {
    try {
      const outcome = await this.#pass();
      if (outcome.kind === 'done') return undefined;
      this.#verifyNow = true;
      return outcome;
    } catch (error) {
      this.#fenceIf(error);
      if (this.#fenced === undefined)
        this.#options.log.error({ problem: messageOf(error) }, 'a pass of write-behind failed');
      return { kind: 'refused', message: messageOf(error) };
    }
  }

  async #pass(): Promise<BlobOutcome<undefined>> {
    const blobs = this.#blobs;
    const source = this.#source;
    if (blobs === undefined || source === undefined || this.#stopped) return done(undefined);
    if (this.#store.health === 'containerMissing' || this.#isContainerRefused) {
      const made = await this.#store.createContainer(this.#abort.signal);
      this.#isContainerRefused = made.kind !== 'done';
      if (made.kind !== 'done') return made;
    }
    if (this.#isVerificationDue()) {
      const verified = await this.#verify(blobs, source);
      if (verified.kind !== 'done') return verified;
    }
    const local = source.localSegments();
    blobs.forgetDropped(local);
    for (const segment of local) {
      if (!blobs.needsUpload(segment)) continue;
      const uploaded = await blobs.upload(segment, source);
      if (uploaded.kind !== 'done') return uploaded;
      // A backlog becomes safe segment by segment; otherwise a sealed segment and its successor share one write.
      if (segment.sealed && segment.id !== local.at(-2)?.id) {
        const settled = await blobs.settle();
        if (settled.kind !== 'done') return settled;
      }
    }
    const settled = blobs.hasLooseEnds ? await blobs.settle() : done(undefined);
    if (settled.kind === 'done') this.#dismissWaiters(source);
    return settled;
  }

  /** Nobody need wait for a segment that has left the disk: after this pass nothing more of it will come. */
  #dismissWaiters(source: SegmentSource): void {
    const waitedFor = this.#waiters.ids();
    if (waitedFor.length === 0) return;
    const present = new Set(source.localSegments().map(({ id }) => id));
    for (const id of waitedFor) {
      if (!present.has(id)) this.#waiters.reject(id, droppedError());
    }
  }

  #isVerificationDue(): boolean {
    return this.#verifyNow || this.#options.clock.now() >= this.#verifyAtMs;
  }

  async #verify(blobs: ShardBlobs, source: SegmentSource): Promise<BlobOutcome<undefined>> {
    this.#verifyNow = false;
    const outcome = await blobs.verify(source.localSegments());
    this.#verifications += 1;
    const intervalMs = this.#options.verifyIntervalMs ?? blobVerifyIntervalMs;
    this.#verifyAtMs = this.#options.clock.now() + intervalMs;
    return outcome;
  }

  #noteCommit(): void {
    this.#commits += 1;
    this.#lastCommitAtMs = this.#options.clock.now();
    this.#verifyAtMs = this.#lastCommitAtMs + (this.#options.verifyDelayMs ?? blobVerifyDelayMs);
  }

  #fenceIf(error: unknown): void {
    if (!(error instanceof KvcacheError) || error.code !== 'FENCED' || this.#fenced !== undefined) return;
    this.#fenced = error;
    this.#options.log.error(
      { incarnation: this.#incarnation, problem: error.message },
      'fenced: writing to Blob has ended',
    );
    this.#end(error);
    this.#options.onFenced(error.message);
  }

  #end(reason: KvcacheError): void {
    this.#stopped = true;
    this.#loop.stop();
    this.#forgetHealth();
    this.#abort.abort();
    this.#waiters.rejectAll(reason);
  }
}

function droppedError(): KvcacheError {
  return new KvcacheError('BLOBDOWN', 'the segment was dropped before all of it had reached Blob');
}
