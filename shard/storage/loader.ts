/**
 * Puts the records of hints and replayed segments together into the index, in whatever order they come.
 *
 * The highest sequence of a key wins; a tombstone, an eviction marker or an expired record wins like any other but
 * leaves no entry. Tombstones are remembered only while loading. Records of a slot that are older than the epoch at
 * which this shard got the slot, or older than a slot-drop, are as if they were not there.
 */
import { setImmediate as nextStep } from 'node:timers/promises';
import { hintEntriesPerStep, slotCount } from '../../limits.ts';
import { Entry, type RecordIndex, type Space } from '../journal.ts';
import type { HintEntry } from '../log/hint.ts';
import type { Log } from '../log/log.ts';
import { decodeParts } from '../log/parts.ts';
import { isTombstone, recordKinds } from '../log/record.ts';
import type { SegmentState } from '../log/segment-state.ts';

const tombstoneMaps = 256;

export class Loader {
  readonly #log: Log;
  readonly #index: RecordIndex;
  readonly #sinceOf: (slot: number) => number;
  readonly #nowMs: number;
  /** Partitioned: one Map of many millions would stall while it grows. */
  #tombstones: Map<string, number>[] = Array.from({ length: tombstoneMaps }, () => new Map());
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
    if (isTombstone(record.kind) || isExpired) this.#bury(record.space, key, record.slot, record.sequence);
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
    map.set(name, Math.max(sequence, map.get(name) ?? 0));
  }

  #install(segment: SegmentState, key: string, record: HintEntry): void {
    const { space, slot, sequence } = record;
    const buried = this.#tombstones[slot % tombstoneMaps]!.get(`${space}${key}`);
    if (buried !== undefined && buried >= sequence) return;
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
    const { type, expireAtMs, bodyBytes, offset, recordBytes } = record;
    const entry = new Entry(space, type, key, slot, sequence, expireAtMs, bodyBytes, segment.id, offset, recordBytes);
    if (record.kind === recordKinds.commit) {
      const decoded = decodeParts(record.extra);
      if (decoded !== undefined) this.#log.live.parts.set(entry, decoded.parts);
    }
    if (record.kind === recordKinds.away) this.#log.live.addAway(entry);
    this.#index.install(entry);
  }

  #remove(entry: Entry): void {
    this.#log.live.forget(entry);
    this.#index.remove(entry);
  }
}
