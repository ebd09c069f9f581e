/**
 * Puts the records of hints and replayed segments together into the index, in whatever order they come.
 *
 * The highest sequence of a key wins; a tombstone, an eviction marker or an expired record wins like any other but
 * leaves no entry. Tombstones are remembered only while loading. Records of a slot that are older than the epoch at
 * which this shard got the slot, or older than a slot-drop, are as if they were not there. Deltas are joined to their
 * bases at the end (loaded-chains.ts).
 *
 * A shard is not ready before every record has been here, so this is written for time: a key becomes a string once, and
 * the index is asked once a record, which puts the entry in and gives back the one that it replaces.
 */
import { setImmediate as nextStep } from 'node:timers/promises';
import { hintEntriesPerStep } from '../../limits.ts';
import { Entry, type RecordIndex, type Space, spaceMax } from '../journal.ts';
import { SlotMap } from '../keyspace/slot-map.ts';
import type { HintCursor, HintEntry } from '../log/hint.ts';
import type { Log } from '../log/log.ts';
import { decodeParts } from '../log/parts.ts';
import { isTombstone, recordKinds } from '../log/record.ts';
import type { SegmentState } from '../log/segment-state.ts';
import { joinChain, LoadedChains, type LoadedDelta } from './loaded-chains.ts';

/** The newest record that made a key's older ones void: a tombstone, or a value that has expired. */
interface Buried {
  readonly key: string;
  readonly sequence: number;
  /** The value record whose time is over, unless a delta has given it more. */
  readonly expired: { readonly segment: SegmentState; readonly record: HintEntry } | undefined;
}

export class Loader {
  readonly #log: Log;
  readonly #index: RecordIndex;
  readonly #sinceOf: (slot: number) => number;
  readonly #nowMs: number;
  /** By space. */
  #buried = Array.from({ length: spaceMax + 1 }, () => new SlotMap<Buried>(({ key }) => key));
  readonly #chains = new LoadedChains();
  readonly #slotDrops = new Map<number, number>();
  records = 0;
  /** The highest topology epoch of any record. */
  newestEpoch = 0;
  /** Values that recovery knows of but whose bytes are gone: misses from now on. */
  lost = 0;

  constructor(log: Log, index: RecordIndex, sinceOf: (slot: number) => number) {
    this.#log = log;
    this.#index = index;
    this.#sinceOf = sinceOf;
    this.#nowMs = log.now();
  }

  /** Takes all entries of a segment, step by step. `readableBytes`: records that end behind it are lost. */
  async load(segment: SegmentState, entries: HintCursor, readableBytes: number): Promise<void> {
    let inStep = 0;
    for (const place of entries.placesBySlot()) {
      entries.seek(place);
      this.apply(segment, entries, readableBytes);
      if (++inStep === hintEntriesPerStep) {
        inStep = 0;
        await nextStep();
      }
    }
  }

  apply(segment: SegmentState, record: HintCursor, readableBytes: number): void {
    this.records++;
    if (record.epoch > this.newestEpoch) this.newestEpoch = record.epoch;
    if (record.kind === recordKinds.slotDrop) {
      this.#slotDrops.set(record.slot, Math.max(record.sequence, this.#slotDrops.get(record.slot) ?? 0));
      return;
    }
    if (record.epoch < this.#sinceOf(record.slot)) return;
    const key = record.name;
    const isExpired = record.expireAtMs !== 0 && record.expireAtMs <= this.#nowMs;
    const isLost = !isTombstone(record.kind) && record.offset + record.recordBytes > readableBytes;
    if (isLost) this.lost++;
    if (record.kind === recordKinds.delta) {
      if (!isLost) this.#chains.add(segment.id, key, record.own());
    } else if (isTombstone(record.kind) || isExpired || isLost) {
      // Of what is lost, an interrupted compaction may have left another copy, which is as good.
      const sequence = isLost && !isExpired ? record.sequence - 1 : record.sequence;
      const expired = isExpired && !isTombstone(record.kind) ? { segment, record: record.own() } : undefined;
      this.#bury(record.space, record.slot, { key, sequence, expired });
    } else this.#install(segment, key, record);
  }

  /** Call once when every segment is loaded. */
  finish(): void {
    for (const [slot, sequence] of this.#slotDrops) {
      const dropped = [...this.#index.entriesOfSlot(slot)].filter((entry) => entry.sequence < sequence);
      for (const entry of dropped) this.#remove(entry);
    }
    for (const { space, key, deltas } of this.#chains.all()) this.#join(space, key, deltas);
    this.#buried = [];
    for (const entry of this.#log.live.parts.keys()) this.#log.live.count(entry, 1);
  }

  /** Counts live bytes; those of a value in parts at the end, because the segments of its parts may be still to come. */
  #count(entry: Entry, sign: 1 | -1): void {
    if (!this.#log.live.parts.has(entry)) this.#log.live.count(entry, sign);
  }

  #buriedOf(space: Space, slot: number, key: string): Buried | undefined {
    const buried = this.#buried[space]!;
    return buried.size === 0 ? undefined : buried.get(slot, key);
  }

  /** Makes the key's records up to this sequence void. */
  #bury(space: Space, slot: number, buried: Buried): void {
    const { key, sequence } = buried;
    const existing = this.#index.findInSlot(space, slot, key);
    if (existing !== undefined && existing.sequence <= sequence) this.#remove(existing);
    const before = this.#buriedOf(space, slot, key);
    const tellsMore = buried.expired !== undefined && before?.sequence === sequence && before.expired === undefined;
    if (sequence > (before?.sequence ?? 0) || tellsMore) this.#buried[space]!.set(slot, key, buried);
  }

  /** Makes the state of a key that has deltas of its newest value record and them. */
  #join(space: Space, key: string, deltas: readonly LoadedDelta[]): void {
    const { slot } = deltas[0]!.record;
    const installed = this.#index.findInSlot(space, slot, key);
    const buried = this.#buriedOf(space, slot, key);
    const voidUpTo = Math.max(this.#slotDrops.get(slot) ?? 0, buried?.sequence ?? 0);
    const expired = installed === undefined && buried?.sequence === voidUpTo ? buried.expired : undefined;
    const isExpiredBase = expired !== undefined;
    const base = isExpiredBase ? entryOf(expired.segment, key, expired.record) : installed;
    if (isExpiredBase) this.#noteSpecial(base!, expired.record);
    const floor = Math.max(voidUpTo, base?.sequence ?? 0);
    const younger = deltas.filter(({ record }) => record.sequence > floor);
    if (younger.length === 0) {
      if (isExpiredBase) this.#log.live.forget(base!);
      return;
    }
    const newest = younger.reduce((one, other) => (other.record.sequence > one.record.sequence ? other : one)).record;
    const isOver = newest.expireAtMs !== 0 && newest.expireAtMs <= this.#nowMs;
    if (base === undefined) {
      // Without its base nothing can be told of the key. If its time is over, nobody misses it.
      if (!isOver) this.lost++;
      return;
    }
    const { entry, isCut } = joinChain(base, younger);
    if (isCut && !isOver) this.lost++;
    if (entry === undefined) {
      if (isExpiredBase) this.#log.live.forget(base);
      return;
    }
    const parts = this.#log.live.parts.get(base);
    if (installed === undefined) this.#log.live.forget(base);
    else this.#remove(installed);
    if (entry.expireAtMs !== 0 && entry.expireAtMs <= this.#nowMs) return;
    if (parts !== undefined) this.#log.live.parts.set(entry, parts);
    this.#index.install(entry);
    this.#count(entry, 1);
  }

  #install(segment: SegmentState, key: string, record: HintEntry): void {
    const { space, slot, sequence } = record;
    if ((this.#buriedOf(space, slot, key)?.sequence ?? 0) >= sequence) return;
    const dropped = this.#slotDrops.get(slot);
    if (dropped !== undefined && dropped > sequence) return;
    const entry = entryOf(segment, key, record);
    const previous = this.#index.install(entry);
    if (previous !== undefined) {
      if (this.#isNearer(previous, entry, segment)) {
        this.#index.install(previous);
        return;
      }
      this.#forget(previous);
    }
    this.#noteSpecial(entry, record);
    this.#count(entry, 1);
  }

  /** True if an entry is the newer one, or as new and no farther: compaction may have been interrupted with both there. */
  #isNearer(one: Entry, other: Entry, segmentOfOther: SegmentState): boolean {
    if (one.sequence !== other.sequence) return one.sequence > other.sequence;
    return segmentOfOther.file === undefined || this.#log.segments.get(one.segment)?.file !== undefined;
  }

  /** What the log must know besides the entry: the parts of a large value, that a value is away. */
  #noteSpecial(entry: Entry, record: HintEntry): void {
    if (record.kind === recordKinds.commit) {
      const decoded = decodeParts(record.extra);
      if (decoded !== undefined) this.#log.live.parts.set(entry, decoded.parts);
    }
    if (record.kind === recordKinds.away) this.#log.live.addAway(entry);
  }

  /** The log's part of removing an entry. */
  #forget(entry: Entry): void {
    this.#count(entry, -1);
    this.#log.live.forget(entry);
  }

  #remove(entry: Entry): void {
    this.#forget(entry);
    this.#index.remove(entry);
  }
}

function entryOf({ id }: SegmentState, key: string, record: HintEntry): Entry {
  const { space, type, slot, sequence, expireAtMs, bodyBytes, offset, recordBytes } = record;
  return new Entry(space, type, key, slot, sequence, expireAtMs, bodyBytes, id, offset, recordBytes);
}
