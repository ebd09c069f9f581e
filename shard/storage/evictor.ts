/**
 * Keeps disk and Blob within their bounds. Only what is safe below is dropped above.
 *
 *   disk   above the threshold, the oldest segments that are safe in Blob lose their file. Without Blob, the oldest
 *          segments' keys are evicted in batches; those with a copy in RAM were asked for lately and get a second
 *          chance: they are appended again, but for no more than a share of each segment. Where RAM holds all that the
 *          disk does, room would else come only after everything had been written once more.
 *   blob   segments older than the retention, or beyond its size, are taken off with their keys.
 *   full   with `evict-unflushed`, the oldest bytes that Blob does not have are evicted when they reach their bound.
 *
 * An evicted key leaves an eviction marker in the log where an older record of it might lie elsewhere; otherwise a
 * restore would bring the older one back. Nothing is evicted silently: every key counts under level and reason.
 */
import { setImmediate as nextStep } from 'node:timers/promises';
import { KvcacheError } from '../../errors.ts';
import { hintEntriesPerStep, secondChanceShareMax } from '../../limits.ts';
import { type Entry, type EvictionLevel, isEvictable, type RecordIndex } from '../journal.ts';
import { liesAt } from '../log/chain.ts';
import { type HintCursor, hintCursor } from '../log/hint.ts';
import type { Log } from '../log/log.ts';
import type { SegmentState } from '../log/segment-state.ts';
import { hintOf } from './compaction-plan.ts';
import type { Compactor } from './compactor.ts';
import type { Reader } from './reader.ts';
import { rewrite } from './rewrite.ts';
import type { TierBelow } from './tier-below.ts';

export interface EvictorOptions {
  readonly enabled: boolean;
  readonly diskBytes: number;
  /** Percent of `diskBytes` at which eviction begins. */
  readonly diskUsageThreshold: number;
  /** Keys evicted in one step. */
  readonly batchSize: number;
  /** 0 for none. */
  readonly retentionAgeMs: number;
  /** 0 for none. */
  readonly retentionBytes: number;
  readonly unflushedBytesMax: number;
  readonly onBlobFull: 'error' | 'evict-unflushed';
}

/** A key that changes again and again while it is written once more is evicted in the end. */
const chancesMax = 3;

export type EvictionReason = 'disk_threshold' | 'retention_age' | 'retention_size' | 'blob_full';

/** What is left of them for a segment under eviction. */
interface Chances {
  bytesLeft: number;
}

export interface EvictorStatistics {
  /** Segment files given up because Blob has them; no key is lost by it. */
  filesDropped: number;
  bytesDropped: number;
  /** Keys that are gone, by level and reason. */
  readonly keys: Record<EvictionReason, number>;
  secondChances: number;
}

export class Evictor {
  readonly statistics: EvictorStatistics = {
    filesDropped: 0,
    bytesDropped: 0,
    keys: { disk_threshold: 0, retention_age: 0, retention_size: 0, blob_full: 0 },
    secondChances: 0,
  };
  readonly #log: Log;
  readonly #index: RecordIndex;
  readonly #reader: Reader;
  readonly #compactor: Compactor;
  readonly #below: TierBelow | undefined;
  readonly #options: EvictorOptions;
  readonly #hadChance = new WeakSet<Entry>();

  constructor(
    parts: { log: Log; index: RecordIndex; reader: Reader; compactor: Compactor; below: TierBelow | undefined },
    options: EvictorOptions,
  ) {
    this.#log = parts.log;
    this.#index = parts.index;
    this.#reader = parts.reader;
    this.#compactor = parts.compactor;
    this.#below = parts.below;
    this.#options = options;
  }

  /** Bytes on disk at which eviction begins. */
  get thresholdBytes(): number {
    return (this.#options.diskBytes * this.#options.diskUsageThreshold) / 100;
  }

  isDiskAboveThreshold(): boolean {
    return this.#options.enabled && this.#log.localBytes() > this.thresholdBytes;
  }

  isUnflushedFull(): boolean {
    return this.#below !== undefined && this.#below.unflushedBytes() > this.#options.unflushedBytesMax;
  }

  /** One round over all levels. True if anything was given up. */
  async run(): Promise<boolean> {
    if (!this.#options.enabled) return false;
    let didSomething = false;
    if (this.isDiskAboveThreshold()) didSomething = await this.#evictDisk();
    if (this.#below !== undefined) didSomething = (await this.#evictBlob(this.#below)) || didSomething;
    if (this.isUnflushedFull() && this.#options.onBlobFull === 'evict-unflushed') {
      didSomething = (await this.#evictOldest('blob_full', 'blob')) || didSomething;
    }
    return didSomething;
  }

  async #evictDisk(): Promise<boolean> {
    if (this.#below === undefined) return this.#evictOldest('disk_threshold', 'disk');
    let dropped = false;
    for (const segment of this.#sealedLocal()) {
      if (!this.isDiskAboveThreshold()) break;
      // While another file was removed, compaction may have begun to read this one.
      if (!segment.isIdle || !this.#below.isSafe(segment.id)) continue;
      await this.#log.dropFile(segment);
      this.statistics.filesDropped++;
      this.statistics.bytesDropped += segment.bytes;
      dropped = true;
    }
    // What was just written is not sealed yet, hence not safe: make it so.
    if (!dropped && this.isDiskAboveThreshold()) this.#log.rollInBackground();
    return dropped;
  }

  #sealedLocal(): SegmentState[] {
    return [...this.#log.segments.values()]
      .filter((segment) => segment.isIdle && segment.file !== undefined)
      .sort((a, b) => a.id - b.id);
  }

  /** Evicts the keys of the oldest segment that Blob does not have whole, and removes it. */
  async #evictOldest(reason: EvictionReason, level: EvictionLevel): Promise<boolean> {
    const oldest = this.#sealedLocal().find((segment) => !this.#below?.isSafe(segment.id));
    if (oldest === undefined) {
      await this.#log.roll();
      return this.#sealedLocal().length > 0;
    }
    await this.#evictSegment(oldest, reason, level);
    return true;
  }

  async #evictBlob(below: TierBelow): Promise<boolean> {
    const { retentionAgeMs, retentionBytes } = this.#options;
    if (retentionAgeMs === 0 && retentionBytes === 0) return false;
    // What compaction is about to remove counts neither as there nor as a candidate.
    const sealed = below
      .summaries()
      .filter(({ id, sealed }) => sealed && below.isSafe(id) && this.#log.segments.get(id)?.isIdle === true);
    let total = sealed.reduce((sum, summary) => sum + summary.bytes, 0);
    let didSomething = false;
    for (const summary of sealed.sort((a, b) => a.createdAtMs - b.createdAtMs)) {
      const segment = this.#log.segments.get(summary.id);
      if (segment === undefined || !segment.isIdle) continue;
      const isOld = retentionAgeMs > 0 && this.#log.now() - summary.createdAtMs > retentionAgeMs;
      const isBeyond = retentionBytes > 0 && total > retentionBytes;
      if (!isOld && !isBeyond) break;
      await this.#evictSegment(segment, isOld ? 'retention_age' : 'retention_size', 'blob');
      total -= summary.bytes;
      didSomething = true;
    }
    return didSomething;
  }

  async #evictSegment(segment: SegmentState, reason: EvictionReason, level: EvictionLevel): Promise<void> {
    segment.isBusy = true;
    try {
      await this.#evictKeysOf(segment, reason, level);
    } finally {
      segment.isBusy = false;
    }
  }

  async #evictKeysOf(segment: SegmentState, reason: EvictionReason, level: EvictionLevel): Promise<void> {
    const hint = await hintOf({ log: this.#log, below: this.#below }, segment);
    const mayHaveOlder = this.#hasOlderElsewhere(segment);
    const chances = { bytesLeft: segment.bytes * secondChanceShareMax };
    let inBatch = 0;
    let inStep = 0;
    for (const record = hintCursor(hint); record.next();) {
      // Most records of an old segment may be dead: they too must not hold the loop.
      if (inBatch === this.#options.batchSize || ++inStep === hintEntriesPerStep) {
        inBatch = 0;
        inStep = 0;
        await nextStep();
      }
      let live = this.#liveAt(record, segment);
      // Whatever ran meanwhile may have overwritten or deleted it, where a marker now would bury the newer record, or
      // changed it, where the record still counts.
      for (let attempt = 1; attempt <= chancesMax && live !== undefined; attempt++) {
        const wasKept = await this.#wasKept(live, level, segment, chances);
        live = this.#liveAt(record, segment);
        if (!wasKept) break;
      }
      if (live === undefined) continue;
      // The deltas of a value lie on elsewhere: without a marker they would seem to have lost their base.
      this.#evictKey(live, level, reason, mayHaveOlder || live.chain !== undefined);
      inBatch++;
    }
    for (const [entry, parts] of this.#log.live.parts) {
      if (!parts.some((part) => part.segment === segment.id)) continue;
      if (this.#index.findInSlot(entry.space, entry.slot, entry.key) === entry)
        this.#evictKey(entry, level, reason, true);
    }
    // Tombstones of the segment may still be needed: compaction knows which, and removes the file.
    if (reason === 'blob_full') await this.#compactor.removeUnflushed(segment);
    else if (mayHaveOlder) await this.#compactor.compact([segment]);
    else await this.#compactor.remove([segment]);
  }

  #hasOlderElsewhere(segment: SegmentState): boolean {
    for (const other of this.#log.segments.values()) {
      if (other !== segment && other.minSequence < segment.totals.maxSequence) return true;
    }
    return false;
  }

  /** The marker comes first: if the log takes none, the key stays. */
  #evictKey(entry: Entry, level: EvictionLevel, reason: EvictionReason, needsMarker: boolean): void {
    if (needsMarker) this.#log.appendEvicted(entry);
    this.#log.live.release(entry);
    this.#index.remove(entry, level);
    this.statistics.keys[reason]++;
  }

  /** The live entry of which the record is, or is a part. */
  #liveAt({ space, slot, name, offset }: HintCursor, segment: SegmentState): Entry | undefined {
    const entry = this.#index.findInSlot(space, slot, name);
    return entry !== undefined && liesAt(entry, segment.id, offset) ? entry : undefined;
  }

  /**
   * True if the entry stays and is appended once more. Marks always do: they take next to no room, and a hand-over needs
   * them; and companions, which take little, and end by themselves. So does once an away record, which takes little, and on the disk a key that is in RAM, for it was asked for
   * lately. Only once: where there is room for nothing else, away records would be written again and again. A value
   * with deltas is as young as the last of them.
   */
  async #wasKept(entry: Entry, level: EvictionLevel, segment: SegmentState, chances: Chances): Promise<boolean> {
    if (!isEvictable(entry)) return this.#appendAgain(entry);
    const newest = entry.chain?.deltas.at(-1);
    if (newest !== undefined && newest.segment !== segment.id) return this.#appendAgain(entry);
    const isAway = this.#log.live.isAway(entry);
    const isWanted = level === 'disk' && entry.recordBytes <= chances.bytesLeft && this.#index.isHot(entry);
    const deservesChance = isAway || isWanted;
    if (!deservesChance || this.#hadChance.has(entry)) return false;
    if (!(await this.#appendAgain(entry))) return false;
    this.#hadChance.add(entry);
    if (isAway) return true;
    chances.bytesLeft -= entry.recordBytes;
    this.statistics.secondChances++;
    return true;
  }

  /** False if its record cannot be read. */
  async #appendAgain(entry: Entry): Promise<boolean> {
    const parts = { log: this.#log, index: this.#index, reader: this.#reader };
    const outcome = await rewrite(parts, entry).then(() => 'kept', ignoreCorrupt);
    return outcome === 'kept';
  }
}

/** What cannot be read cannot be written once more, and must not keep its segment from being evicted. */
function ignoreCorrupt(error: unknown): undefined {
  if (!(error instanceof KvcacheError) || error.code !== 'CORRUPT') throw error;
}
