/**
 * Puts the records of hints and replayed segments together into the index, in whatever order they come.
 *
 * The highest sequence of a key wins; a tombstone, an eviction marker or an expired record wins like any other but
 * leaves no entry. Tombstones are remembered only while loading. Records of a slot that are older than the epoch at
 * which this shard got the slot, or older than a slot-drop, are as if they were not there. Deltas are joined to their
 * bases at the end (loaded-chains.ts).
 */
import { setImmediate as nextStep } from 'node:timers/promises';
import { hintEntriesPerStep, slotCount } from '../../limits.ts';
import { Entry, type RecordIndex, type Space } from '../journal.ts';
import type { HintEntry } from '../log/hint.ts';
import type { Log } from '../log/log.ts';
import { decodeParts } from '../log/parts.ts';
import { isTombstone, recordKinds } from '../log/record.ts';
import type { SegmentState } from '../log/segment-state.ts';
import { joinChain, LoadedChains, type LoadedDelta } from './loaded-chains.ts';

const tombstoneMaps = 256;

/** A value record whose time is over, unless a delta has given it more. */
interface Expired {
  readonly sequence: number;
  readonly segment: SegmentState;
  readonly record: HintEntry;
}

function sequenceOf(buried: number | Expired | undefined): number {
  return typeof buried === 'object' ? buried.sequence : (buried ?? 0);
}

export class Loader {
  readonly #log: Log;
  readonly #index: RecordIndex;
  readonly #sinceOf: (slot: number) => number;
  readonly #nowMs: number;
  /** Partitioned: one Map of many millions would stall while it grows. */
  #tombstones: Map<string, number | Expired>[] = Array.from({ length: tombstoneMaps }, () => new Map());
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
  async load(segment: SegmentState, entries: Iterable<HintEntry>, readableBytes: number): Promise<void> {
    let inStep = 0;
    for (const entry of entries) {
      this.apply(segment, entry, readableBytes);
      if (++inStep === hintEntriesPerStep) {
        inStep = 0;
        await nextStep();
      }
    }
  }

  apply(segment: SegmentState, record: HintEntry, readableBytes: number): void {
    this.records++;
    this.#log.observe(record.sequence, 0);
    if (record.epoch > this.newestEpoch) this.newestEpoch = record.epoch;
    if (record.kind === recordKinds.slotDrop) {
      this.#slotDrops.set(record.slot, Math.max(record.sequence, this.#slotDrops.get(record.slot) ?? 0));
      return;
    }
    if (record.epoch < this.#sinceOf(record.slot)) return;
    const key = record.key.toString('latin1');
    const isExpired = record.expireAtMs !== 0 && record.expireAtMs <= this.#nowMs;
    const isLost = !isTombstone(record.kind) && record.offset + record.recordBytes > readableBytes;
    if (isLost) this.lost++;
    if (record.kind === recordKinds.delta) {
      if (!isLost) this.#chains.add(segment.id, key, record);
    } else if (isTombstone(record.kind)) this.#bury(record.space, key, record.slot, record.sequence);
    else if (isExpired) this.#expire(segment, key, record);
    // An interrupted compaction may have left another copy of it, which is as good.
    else if (isLost) this.#bury(record.space, key, record.slot, record.sequence - 1);
    else this.#install(segment, key, record);
  }

  /** Call once when every segment is loaded. */
  finish(): void {
    for (const [slot, sequence] of this.#slotDrops) {
      const dropped = [...this.#index.entriesOfSlot(slot)].filter((entry) => entry.sequence < sequence);
      for (const entry of dropped) this.#remove(entry);
    }
    for (const { space, key, deltas } of this.#chains.all()) this.#join(space, key, deltas);
    this.#tombstones = [];
    this.#countLive();
  }

  /** Live bytes are counted when everything is in place: until then, entries replace each other in any order. */
  #countLive(): void {
    for (const segment of this.#log.segments.values()) segment.liveBytes = 0;
    for (let slot = 0; slot < slotCount; slot++) {
      for (const entry of this.#index.entriesOfSlot(slot)) this.#log.live.count(entry, 1);
    }
  }

  /** Makes the key's records up to this sequence void. */
  #bury(space: Space, key: string, slot: number, sequence: number): void {
    const existing = this.#index.find(space, key);
    if (existing !== undefined && existing.sequence <= sequence) this.#remove(existing);
    const map = this.#tombstones[slot % tombstoneMaps]!;
    const name = `${space}${key}`;
    if (sequence > sequenceOf(map.get(name))) map.set(name, sequence);
  }

  /** As a tombstone, but remembered with its place. */
  #expire(segment: SegmentState, key: string, record: HintEntry): void {
    const { space, slot, sequence } = record;
    this.#bury(space, key, slot, sequence);
    const map = this.#tombstones[slot % tombstoneMaps]!;
    const name = `${space}${key}`;
    if (map.get(name) !== sequence) return;
    map.set(name, { sequence, segment, record: { ...record, key: Buffer.alloc(0), extra: Buffer.from(record.extra) } });
  }

  /** Makes the state of a key that has deltas of its newest value record and them. */
  #join(space: Space, key: string, deltas: readonly LoadedDelta[]): void {
    const { slot } = deltas[0]!.record;
    const installed = this.#index.find(space, key);
    const buried = this.#tombstones[slot % tombstoneMaps]!.get(`${space}${key}`);
    const voidUpTo = Math.max(this.#slotDrops.get(slot) ?? 0, sequenceOf(buried));
    const isExpiredBase = installed === undefined && typeof buried === 'object' && buried.sequence === voidUpTo;
    const base = isExpiredBase ? this.#entryOf(buried.segment, key, buried.record) : installed;
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
    this.#log.live.forget(base);
    if (installed !== undefined) this.#index.remove(installed);
    if (entry.expireAtMs !== 0 && entry.expireAtMs <= this.#nowMs) return;
    if (parts !== undefined) this.#log.live.parts.set(entry, parts);
    this.#index.install(entry);
  }

  #install(segment: SegmentState, key: string, record: HintEntry): void {
    const { space, slot, sequence } = record;
    const buried = this.#tombstones[slot % tombstoneMaps]!.get(`${space}${key}`);
    if (sequenceOf(buried) >= sequence) return;
    const dropped = this.#slotDrops.get(slot);
    if (dropped !== undefined && dropped > sequence) return;
    const existing = this.#index.find(space, key);
    if (existing !== undefined) {
      if (existing.sequence > sequence) return;
      // Compaction may have been interrupted with both copies there: the one on this disk is nearer.
      const existingIsLocal = this.#log.segments.get(existing.segment)?.file !== undefined;
      if (existing.sequence === sequence && (existingIsLocal || segment.file === undefined)) return;
      this.#remove(existing);
    }
    this.#index.install(this.#entryOf(segment, key, record));
  }

  #entryOf(segment: SegmentState, key: string, record: HintEntry): Entry {
    const { space, type, slot, sequence, expireAtMs, bodyBytes, offset, recordBytes } = record;
    const entry = new Entry(space, type, key, slot, sequence, expireAtMs, bodyBytes, segment.id, offset, recordBytes);
    if (record.kind === recordKinds.commit) {
      const decoded = decodeParts(record.extra);
      if (decoded !== undefined) this.#log.live.parts.set(entry, decoded.parts);
    }
    if (record.kind === recordKinds.away) this.#log.live.addAway(entry);
    return entry;
  }

  #remove(entry: Entry): void {
    this.#log.live.forget(entry);
    this.#index.remove(entry);
  }
}
