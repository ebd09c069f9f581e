/**
 * The index: every live record of this shard, by slot and key, for both key spaces.
 *
 * All keys stay in RAM, so a miss is known without asking disk or Blob. Who puts an entry in or takes it out here also
 * has its place in the expiry wheel and its hot copy looked after; telling storage that a record is garbage is the
 * caller's part, since storage itself calls `remove`.
 */
import { storedTypes } from '../../commands/stored-type.ts';
import type { Clock } from '../clock.ts';
import type { HotTier } from '../hot/hot-tier.ts';
import {
  type Entry,
  type EvictionLevel,
  type LentEntry,
  type MovingSpace,
  type RecordIndex,
  type Space,
  spaceOfBlocks,
  spaceOfCompanions,
  spaceOfMarks,
} from '../journal.ts';
import { BlockIndex } from './block-index.ts';
import { ExpiryWheel } from './expiry-wheel.ts';
import { slotOfName } from './key-hash.ts';
import { SlotMap } from './slot-map.ts';

export interface IndexRun {
  readonly entries: Iterable<Entry>;
  /** The first hash behind the run. */
  readonly end: number;
}

/** Resident bytes of an entry, its key's header and its place in a table, without the key's bytes; measured. */
export const entryOverheadBytes = 148;
/** The same of an expiry, and of its place in the wheel. */
export const expiryOverheadBytes = 72;

export class KeyIndex implements RecordIndex {
  readonly wheel = new ExpiryWheel();
  /** Entries that storage took out to free a level. */
  readonly evicted: Record<EvictionLevel, number> = { ram: 0, disk: 0, blob: 0 };
  readonly #keys = new SlotMap<LentEntry>(keyOf);
  readonly #blocks = new BlockIndex();
  readonly #marks = new Map<number, Entry>();
  readonly #companions = new SlotMap<Entry>(keyOf);
  readonly #hot: HotTier;
  readonly #clock: Clock;
  #keyBytes = 0;
  #versionedKeys = 0;

  constructor(hot: HotTier, clock: Clock) {
    this.#hot = hot;
    this.#clock = clock;
  }

  get size(): number {
    return this.#keys.size + this.#blocks.size + this.#marks.size + this.#companions.size;
  }

  /** Plain keys. */
  get keys(): number {
    return this.#keys.size;
  }

  /** Versions of prompt blocks. */
  get blocks(): number {
    return this.#blocks.size;
  }

  /** True if a plain key may have a version: a clock in its value, or the clock of its deletion beside it. */
  get hasVersions(): boolean {
    return this.#versionedKeys > 0 || this.#companions.size > 0;
  }

  /** What the index takes of memory, as an estimate. */
  get bytes(): number {
    return this.size * entryOverheadBytes + this.#keyBytes + this.wheel.size * expiryOverheadBytes;
  }

  /** The plain keys by slot, for scans. */
  get keysBySlot(): SlotMap<LentEntry> {
    return this.#keys;
  }

  find(space: Space, key: string): Entry | undefined {
    return this.findInSlot(space, slotOfName(space, key), key);
  }

  /** The entry of a plain key, to be used at once. */
  glance(slot: number, key: string): LentEntry | undefined {
    return this.#keys.get(slot, key);
  }

  findInSlot(space: Space, slot: number, key: string): Entry | undefined {
    if (space === spaceOfBlocks) return this.#blocks.find(slot, key);
    if (space === spaceOfCompanions) return this.#companions.get(slot, key);
    return space === spaceOfMarks ? this.#marks.get(slot) : this.#keys.get(slot, key)?.keep();
  }

  /** A leaf of a slot's keys in a space: those around the hash `from`, and where the next leaf begins. */
  run(space: MovingSpace, slot: number, from: number): IndexRun | undefined {
    if (space === spaceOfBlocks) return this.#blocks.run(slot, from);
    const run = (space === spaceOfCompanions ? this.#companions : this.#keys).run(slot, from);
    return run && { entries: kept(run.leaf.values()), end: run.end };
  }

  /** The slot's mark, if it has one. */
  markOf(slot: number): Entry | undefined {
    return this.#marks.get(slot);
  }

  /** Plain keys of a slot. */
  keysOfSlot(slot: number): number {
    return this.#keys.sizeOf(slot);
  }

  /** The versions of a block, the newest first. */
  versions(slot: number, digest: string): readonly Entry[] {
    return this.#blocks.versions(slot, digest);
  }

  install(entry: Entry): Entry | undefined {
    return this.replace(entry);
  }

  /** Makes the entry the live one of its key and returns the one that was; its hot copy is left to the caller. */
  replace(entry: Entry): Entry | undefined {
    let previous: Entry | undefined;
    if (entry.space === spaceOfBlocks) {
      previous = this.#blocks.replace(entry);
    } else if (entry.space === spaceOfMarks) {
      previous = this.#marks.get(entry.slot);
      this.#marks.set(entry.slot, entry);
    } else if (entry.space === spaceOfCompanions) {
      previous = this.#companions.set(entry.slot, entry.key, entry);
    } else {
      previous = this.#keys.set(entry.slot, entry.key, entry)?.keep();
      if (entry.type === storedTypes.versioned) this.#versionedKeys += 1;
      if (previous?.type === storedTypes.versioned) this.#versionedKeys -= 1;
    }
    if (previous === undefined) {
      this.#keyBytes += entry.key.length;
    } else {
      entry.key = previous.key;
      this.wheel.remove(previous);
    }
    if (entry.expireAtMs !== 0) this.wheel.add(entry, this.#clock.now());
    return previous;
  }

  remove(entry: Entry, evictedFrom?: EvictionLevel): void {
    if (!this.#take(entry)) return;
    this.#keyBytes -= entry.key.length;
    this.wheel.remove(entry);
    this.#hot.drop(entry);
    if (evictedFrom !== undefined) this.evicted[evictedFrom] += 1;
  }

  /** True if nothing of the slot is here: neither key, block, mark nor companion. */
  isEmptySlot(slot: number): boolean {
    if (this.#keys.sizeOf(slot) > 0 || this.#companions.sizeOf(slot) > 0) return false;
    return this.#blocks.isEmptySlot(slot) && !this.#marks.has(slot);
  }

  *entriesOfSlot(slot: number): Generator<Entry> {
    yield* kept(this.#keys.values(slot));
    yield* this.#blocks.entriesOfSlot(slot);
    yield* this.#companions.values(slot);
    const mark = this.#marks.get(slot);
    if (mark !== undefined) yield mark;
  }

  isHot(entry: Entry): boolean {
    return this.#hot.has(entry);
  }

  #take(entry: Entry): boolean {
    if (entry.space === spaceOfBlocks) return this.#blocks.remove(entry);
    if (entry.space === spaceOfMarks) return this.#marks.get(entry.slot) === entry && this.#marks.delete(entry.slot);
    const entries = entry.space === spaceOfCompanions ? this.#companions : this.#keys;
    if (entries.get(entry.slot, entry.key) !== entry || !entries.delete(entry.slot, entry.key)) return false;
    if (entry.type === storedTypes.versioned) this.#versionedKeys -= 1;
    return true;
  }
}

function keyOf({ key }: LentEntry): string {
  return key;
}

function* kept(entries: Iterable<LentEntry>): Generator<Entry> {
  for (const entry of entries) yield entry.keep();
}
