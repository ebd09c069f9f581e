/**
 * Wins back the space of records that are no longer live.
 *
 * A sealed segment whose live share is below the ratio is a victim. Victims on this disk are merged by the worker
 * into one new segment, under a bandwidth bound; victims that lie in Blob alone are read by range, record by record,
 * under the same bound, and appended to the open segment. Both keep sequences, so nothing changes for readers but the
 * place. Large values in parts move as a whole, chunk after chunk, through the open segment; so do values with deltas of
 * which some record lies in a victim, and become one record by it (chain.ts).
 *
 * A tombstone (or an expired record, which becomes one) is carried forward unless no other segment can hold an older
 * record of its key (older-records.ts). A victim is removed from the disk, and taken off the manifest, only after its successor is safe.
 */
import { rm } from 'node:fs/promises';
import { setImmediate as nextStep, setTimeout as delay } from 'node:timers/promises';
import { KvcacheError } from '../../errors.ts';
import { compactionRecordsMax, compactionSegmentsMax, hintEntriesPerStep } from '../../limits.ts';
import type { Entry, RecordIndex } from '../journal.ts';
import { liesIn } from '../log/chain.ts';
import type { HintEntry } from '../log/hint.ts';
import type { Log } from '../log/log.ts';
import type { CompactResult } from '../log/log-tasks.ts';
import { segmentHeaderBytes } from '../log/segment-header.ts';
import { SegmentFile } from '../log/segment-file.ts';
import { SegmentState } from '../log/segment-state.ts';
import { hintOf, type Plan, type PlanParts, planOf } from './compaction-plan.ts';
import { untilDurable } from './durability.ts';
import type { Reader } from './reader.ts';
import { rewrite } from './rewrite.ts';
import type { TierBelow } from './tier-below.ts';

/** Pause between two looks at whether a new segment is safe in Blob. */
const safetyPollMs = 100;

export interface CompactorOptions {
  /** A segment with a smaller live share is compacted; 0 to 1. */
  readonly liveRatio: number;
  readonly bytesPerSecond: number;
  /** Output segments do not grow beyond this. */
  readonly segmentBytes: number;
}

export interface CompactorStatistics {
  runs: number;
  segmentsRemoved: number;
  bytesWonBack: number;
  bytesCopied: number;
  tombstonesCarried: number;
  tombstonesDropped: number;
}

export class Compactor {
  readonly statistics: CompactorStatistics = {
    runs: 0,
    segmentsRemoved: 0,
    bytesWonBack: 0,
    bytesCopied: 0,
    tombstonesCarried: 0,
    tombstonesDropped: 0,
  };
  readonly #log: Log;
  readonly #index: RecordIndex;
  readonly #reader: Reader;
  readonly #below: TierBelow | undefined;
  readonly #options: CompactorOptions;

  constructor(log: Log, index: RecordIndex, reader: Reader, below: TierBelow | undefined, options: CompactorOptions) {
    this.#log = log;
    this.#index = index;
    this.#reader = reader;
    this.#below = below;
    this.#options = options;
  }

  /** One round. True if anything was done: there may be more. */
  async run(): Promise<boolean> {
    const stuck = [...this.#log.segments.values()].filter((segment) => segment.isSuperseded);
    if (stuck.length > 0) await this.#discard(stuck);
    let victims = this.#victims((segment) => segment.file !== undefined);
    if (victims.length === 0) victims = this.#victims((segment) => segment.file === undefined).slice(0, 1);
    if (victims.length === 0) victims = this.#smallSegments();
    if (victims.length === 0) return false;
    await this.compact(victims);
    return true;
  }

  /** Compacts these sealed segments: all on this disk, or a single one that is in Blob alone. */
  async compact(victims: readonly SegmentState[]): Promise<void> {
    this.statistics.runs++;
    for (const victim of victims) victim.isBusy = true;
    try {
      if (victims.every((victim) => victim.file !== undefined)) await this.#compactLocal(victims);
      else for (const victim of victims) await this.#compactRemote(victim);
    } finally {
      for (const victim of victims) victim.isBusy = false;
    }
  }

  /**
   * Removes segments without live records from disk and Blob. What made their records void must be as safe as they
   * are: else a lost disk would lose the new value with the old one.
   */
  async remove(segments: readonly SegmentState[]): Promise<void> {
    await untilDurable(this.#log, this.#below, this.#log.position(), this.#below === undefined ? 'disk' : 'blob');
    await this.#discard(segments);
  }

  /**
   * The same for one segment while Blob takes nothing: the file goes at once, the blob as soon as Blob can be reached.
   * Tombstones that are still needed go on in the open segment.
   */
  async removeUnflushed(segment: SegmentState): Promise<void> {
    const hint = await hintOf(this.#planParts, segment);
    const { kept } = await this.#planOf(segment, hint);
    for (let at = 0; at < kept.length; at++) {
      if (kept.entryOf(at) === undefined) await this.#carry(kept.tombstoneOf(at, hint), kept.recordBytesOf(at));
    }
    await this.#log.synced(this.#log.position());
    segment.isSuperseded = true;
    await this.#log.dropFile(segment);
    await this.#discard([segment]);
  }

  async #discard(segments: readonly SegmentState[]): Promise<void> {
    for (const segment of segments) segment.isSuperseded = true;
    // Off the manifest first: what is listed must be there.
    await this.#below?.drop(segments.map((segment) => segment.id));
    for (const segment of segments) {
      await this.#log.remove(segment);
      this.statistics.segmentsRemoved++;
      this.statistics.bytesWonBack += segment.bytes;
    }
  }

  #victims(matches: (segment: SegmentState) => boolean): SegmentState[] {
    const candidates = [...this.#log.segments.values()].filter(
      (segment) => segment.isIdle && matches(segment) && this.#isSparse(segment),
    );
    candidates.sort((a, b) => a.liveBytes / a.bytes - b.liveBytes / b.bytes);
    const chosen: SegmentState[] = [];
    let liveBytes = 0;
    let records = 0;
    for (const candidate of candidates.slice(0, compactionSegmentsMax)) {
      liveBytes += candidate.liveBytes;
      records += candidate.totals.count;
      const isTooMuch = liveBytes > this.#options.segmentBytes || records > compactionRecordsMax;
      if (chosen.length > 0 && isTooMuch) break;
      chosen.push(candidate);
    }
    return chosen.sort((a, b) => a.id - b.id);
  }

  /** Every restart seals a segment: where many small ones have come together, they become one. */
  #smallSegments(): SegmentState[] {
    const smallBytesMax = this.#options.segmentBytes / compactionSegmentsMax;
    const small = [...this.#log.segments.values()].filter(
      (segment) => segment.isIdle && segment.file !== undefined && segment.bytes < smallBytesMax,
    );
    return small.length < compactionSegmentsMax ? [] : small.slice(0, compactionSegmentsMax);
  }

  #isSparse(segment: SegmentState): boolean {
    // Tombstones that were carried into a segment are no garbage as long as an older record may lie elsewhere.
    const isNeeded = segment.retainedBytes > 0 && this.#hasOlderElsewhere(segment);
    const kept = segment.liveBytes + (isNeeded ? segment.retainedBytes : 0);
    const recordBytes = segment.bytes - segmentHeaderBytes;
    return recordBytes <= 0 || kept < recordBytes * this.#options.liveRatio;
  }

  #hasOlderElsewhere(segment: SegmentState): boolean {
    for (const other of this.#log.segments.values()) {
      if (other !== segment && other.minSequence < segment.totals.maxSequence) return true;
    }
    return false;
  }

  async #compactLocal(victims: readonly SegmentState[]): Promise<void> {
    const plans = await this.#plan(victims);
    const survivors = plans.filter(({ kept }) => kept.length > 0);
    const output = survivors.length > 0 ? await this.#copy(survivors) : undefined;
    for (const plan of plans) await this.#foldChains(plan);
    for (const victim of victims) await this.#moveLargeValues(victim);
    await this.#finish(victims, output);
  }

  async #plan(victims: readonly SegmentState[]): Promise<Plan[]> {
    const plans: Plan[] = [];
    for (const victim of victims) plans.push(await this.#planOf(victim));
    return plans;
  }

  get #planParts(): PlanParts {
    return { log: this.#log, index: this.#index, below: this.#below };
  }

  /** Without `hint`, nobody needs it any more once the plan is made. */
  async #planOf(victim: SegmentState, hint?: Buffer): Promise<Plan> {
    const plan = await planOf(this.#planParts, victim, hint ?? (await hintOf(this.#planParts, victim)));
    this.statistics.tombstonesDropped += plan.tombstonesDropped;
    return plan;
  }

  /** Lets the worker merge what is alive into a new sealed segment, then moves the entries there. */
  async #copy(plans: readonly Plan[]): Promise<SegmentState> {
    const log = this.#log;
    const identity = log.newIdentity();
    // As old as the youngest of what it holds: by its own age, retention would keep old keys and take young ones.
    const createdAtMs = Math.max(...plans.map((plan) => plan.victim.createdAtMs));
    const path = log.pathOf(identity.id);
    const sources = plans.map((plan) => ({
      path: plan.victim.file!.path,
      salt: plan.victim.salt,
      records: plan.kept.triples,
    }));
    const hintPath = log.hintPathOf(identity.id);
    const { bytesPerSecond } = this.#options;
    const task = { sources, output: { ...identity, createdAtMs, path, hintPath }, bytesPerSecond };
    const result = await log.worker.compact(task).catch(async (error: unknown) => {
      // Half an output that nobody knows of would bring its records back after a restart.
      await Promise.all([rm(path, { force: true }), rm(hintPath, { force: true })]);
      throw error;
    });
    const output = new SegmentState(identity, createdAtMs, result.bytes);
    output.isSealed = true;
    output.hint = undefined;
    output.hintBytes = result.hintBytes;
    output.totals = result.totals;
    output.file = SegmentFile.open(path);
    log.segments.set(output.id, output);
    for (const [index, plan] of plans.entries()) await this.#moveEntries(plan, result, index, output);
    this.statistics.bytesCopied += result.bytes;
    return output;
  }

  async #moveEntries(plan: Plan, result: CompactResult, index: number, output: SegmentState): Promise<void> {
    const offsets = result.offsets[index]!;
    const { kept, victim } = plan;
    const damaged: number[] = [];
    for (let at = 0; at < kept.length; at++) {
      if (at % hintEntriesPerStep === hintEntriesPerStep - 1) await nextStep();
      const entry = kept.entryOf(at);
      if (offsets[at]! < 0) {
        damaged.push(at);
        continue;
      }
      if (entry === undefined) {
        this.statistics.tombstonesCarried++;
        output.retainedBytes += kept.recordBytesOf(at);
        continue;
      }
      const live = this.#liveAt(entry, victim.id, kept.offsetOf(at));
      if (live === undefined) continue;
      this.#log.live.count(live, -1);
      live.segment = output.id;
      live.offset = offsets[at]!;
      this.#log.live.count(live, 1);
    }
    if (damaged.length === 0) return;
    // A value that the disk has lost may still be whole in Blob; of a tombstone the hint tells all there is.
    const hint = await hintOf(this.#planParts, victim);
    for (const at of damaged) await this.#moveOne(plan, at, hint);
  }

  /** What is live of the key now, if it still begins at this place: the entry, or a later state of it. */
  #liveAt(entry: Entry, segment: number, offset: number): Entry | undefined {
    const live = this.#index.findInSlot(entry.space, entry.slot, entry.key);
    return live?.segment === segment && live.offset === offset ? live : undefined;
  }

  async #compactRemote(victim: SegmentState): Promise<void> {
    const hint = await hintOf(this.#planParts, victim);
    const plan = await this.#planOf(victim, hint);
    for (let at = 0; at < plan.kept.length; at++) await this.#moveOne(plan, at, hint);
    await this.#foldChains(plan);
    await this.#moveLargeValues(victim);
    await this.#finish([victim], undefined);
  }

  /** Appends to the open segment what one record of the victim must go on as. */
  async #moveOne({ kept, victim }: Plan, at: number, hint: Buffer): Promise<void> {
    const entry = kept.entryOf(at);
    if (entry === undefined) {
      await this.#carry(kept.tombstoneOf(at, hint), kept.recordBytesOf(at));
      return;
    }
    const live = this.#liveAt(entry, victim.id, kept.offsetOf(at));
    if (live !== undefined) await this.#rewrite(live);
  }

  /** Appends a tombstone once more, with its sequence. */
  async #carry({ space, slot, sequence, key, kind }: HintEntry, recordBytes: number): Promise<void> {
    await this.#log.admit(recordBytes);
    this.#log.rewriteTombstone(space, slot, sequence, key, kind);
    this.statistics.tombstonesCarried++;
  }

  /** Values with deltas of which some record lies in the victim; they may have changed since the plan was made. */
  async #foldChains({ chains, victim }: Plan): Promise<void> {
    for (const { space, slot, key } of chains) {
      const live = this.#index.findInSlot(space, slot, key);
      if (live !== undefined && liesIn(live, victim.id)) await this.#rewrite(live);
    }
  }

  /** Values in parts of which some part or the commit lies in the victim. */
  async #moveLargeValues(victim: SegmentState): Promise<void> {
    const entries = [...this.#log.live.parts]
      .filter(([entry, parts]) => entry.segment === victim.id || parts.some((part) => part.segment === victim.id))
      .map(([entry]) => entry);
    for (const entry of entries) {
      if (this.#index.findInSlot(entry.space, entry.slot, entry.key) === entry) await this.#rewrite(entry);
      else this.#log.live.parts.delete(entry);
    }
  }

  /** Reads a live record wherever it can be read and appends it again with its sequence. */
  async #rewrite(entry: Entry): Promise<void> {
    try {
      const bytes = await rewrite({ log: this.#log, index: this.#index, reader: this.#reader }, entry);
      if (bytes === undefined) return;
      this.statistics.bytesCopied += bytes;
      await delay((bytes / this.#options.bytesPerSecond) * 1000);
    } catch (error) {
      if (!(error instanceof KvcacheError) || error.code !== 'CORRUPT') throw error;
      // Nobody can read it any more: from now on it is a miss, and an older version must not take its place.
      if (this.#index.findInSlot(entry.space, entry.slot, entry.key) !== entry) return;
      this.#log.appendEvicted(entry);
      this.#log.live.release(entry);
      this.#index.remove(entry);
    }
  }

  async #finish(victims: readonly SegmentState[], output: SegmentState | undefined): Promise<void> {
    if (output !== undefined && this.#below !== undefined) {
      await this.#below.waitCommitted(output.id, output.bytes);
      while (!this.#below.isSafe(output.id)) {
        await this.#below.flush();
        await delay(safetyPollMs);
      }
    }
    for (const victim of victims) await this.#assertDead(victim);
    await this.remove(victims);
  }

  /** The index decides what is live; a count that has drifted from it must neither lose a record nor stop compaction. */
  async #assertDead(victim: SegmentState): Promise<void> {
    if (victim.liveBytes <= 0) return;
    const plan = await this.#planOf(victim);
    const holdsPart = [...this.#log.live.parts].some(
      ([entry, parts]) => entry.segment === victim.id || parts.some((part) => part.segment === victim.id),
    );
    if (holdsPart || plan.chains.size > 0 || plan.kept.live > 0) {
      throw new KvcacheError('CORRUPT', `segment ${victim.id} still has live records after its compaction`);
    }
    victim.liveBytes = 0;
  }
}
