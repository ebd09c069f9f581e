/**
 * What the log knows of live entries besides their records: how many bytes of each segment they keep alive, where the
 * parts of large values lie, and which values are still at another shard ("away").
 *
 * An away record is all that a shard holds of a key whose slot it has got while the value has not come yet. It is a
 * record like any other (recovery, compaction, eviction and restore treat it so), only that whoever wants the value
 * must fetch it from the shard that hands the slot over.
 */
import type { Entry, LentEntry } from '../journal.ts';
import { EntrySets } from './entry-sets.ts';
import type { Part } from './parts.ts';
import type { SegmentState } from './segment-state.ts';

export class LiveRecords {
  /** Where the parts of large values lie, by their entry. */
  readonly parts = new Map<Entry, readonly Part[]>();
  readonly #segments: ReadonlyMap<number, SegmentState>;
  readonly #away = new EntrySets();
  #awayBytes = 0;

  constructor(segments: ReadonlyMap<number, SegmentState>) {
    this.#segments = segments;
  }

  /** Entries whose value is still at another shard, and the bytes of these values. */
  get away(): { readonly count: number; readonly bytes: number } {
    return { count: this.#away.size, bytes: this.#awayBytes };
  }

  isAway(entry: Entry): boolean {
    return this.#away.size > 0 && this.#away.has(entry);
  }

  /** The away entries of a slot. May be left while entries go. */
  awayOf(slot: number): Iterable<Entry> {
    return this.#away.of(slot);
  }

  /** Some value of the slot is still at another shard. */
  hasAway(slot: number): boolean {
    return this.#away.hasSlot(slot);
  }

  addAway(entry: Entry): void {
    this.#away.add(entry);
    this.#awayBytes += entry.bodyBytes;
  }

  /** A new entry, whose value lies in these parts or at another shard, is live from now on. */
  enter(entry: Entry, parts: readonly Part[] | undefined, isAway: boolean): void {
    if (parts !== undefined) this.parts.set(entry, parts);
    if (isAway) this.addAway(entry);
    this.count(entry, 1);
  }

  /** A live entry that is in one piece and here gets another record. */
  overwrite(entry: LentEntry, sequence: number, bodyBytes: number, at: Part): void {
    this.#countBytes(entry, -1);
    entry.overwrite(sequence, bodyBytes, at.segment, at.offset, at.recordBytes);
    this.#countBytes(entry, 1);
  }

  /** Adds (1) or takes away (-1) an entry's bytes from what its segments hold alive. */
  count(entry: Entry, sign: 1 | -1): void {
    this.#countBytes(entry, sign);
    const parts = this.#partsOf(entry);
    if (parts !== undefined) this.#countParts(parts, sign);
    if (entry.chain !== undefined) this.#countParts(entry.chain.deltas, sign);
  }

  /** Hardly any entry has parts, and mostly none has: then no table need be asked. */
  #partsOf(entry: Entry): readonly Part[] | undefined {
    return this.parts.size === 0 ? undefined : this.parts.get(entry);
  }

  #countParts(parts: readonly Omit<Part, 'offset'>[], sign: 1 | -1): void {
    for (const part of parts) this.#countBytes(part, sign);
  }

  #countBytes({ segment, recordBytes }: Omit<Part, 'offset'>, sign: 1 | -1): void {
    const holder = this.#segments.get(segment);
    if (holder !== undefined) holder.liveBytes += sign * recordBytes;
  }

  /** The entry is no longer live: its bytes are garbage from now on. */
  release(entry: Entry): void {
    this.count(entry, -1);
    this.forget(entry);
  }

  /** The same for an entry whose bytes were never counted. */
  forget(entry: Entry): void {
    if (this.parts.size > 0) this.parts.delete(entry);
    if (this.#away.size > 0 && this.#away.delete(entry)) this.#awayBytes -= entry.bodyBytes;
  }
}
