/**
 * Chooses keys to evict when the index itself takes too much memory.
 *
 * All keys stay in RAM, so at some number of keys the entries alone fill the memory limit. Then keys go, those without
 * a copy in RAM first: they were not asked for lately. A hand walks over the slots to find them (the clock algorithm,
 * with "has a copy" as the reference bit). Where it finds none for a while, the least recently used copy's key goes.
 *
 * Evicting a few keys with every write keeps the index at its bound without any long step.
 */
import { indexEvictionExaminedMax, slotCount } from '../../limits.ts';
import type { HotTier } from '../hot/hot-tier.ts';
import { type Entry, isEvictable } from '../journal.ts';
import type { KeyIndex } from './key-index.ts';

export class IndexBound {
  readonly #index: KeyIndex;
  readonly #hot: HotTier;
  readonly #limitBytes: number;
  #hand: Iterator<Entry>;

  constructor(index: KeyIndex, hot: HotTier, limitBytes: number) {
    this.#index = index;
    this.#hot = hot;
    this.#limitBytes = limitBytes;
    this.#hand = entriesOf(index);
  }

  get isExceeded(): boolean {
    return this.#index.bytes > this.#limitBytes;
  }

  /** Up to `count` live entries to evict. */
  victims(count: number): Entry[] {
    const cold = this.#coldEntries(count);
    if (cold.length === count) return cold;
    const warm = this.#hot.evictable().take(count - cold.length);
    return [...cold, ...warm];
  }

  #coldEntries(count: number): Entry[] {
    const found = new Set<Entry>();
    for (let examined = 0; examined < count * indexEvictionExaminedMax && found.size < count; examined++) {
      const { value: entry, done } = this.#hand.next() as IteratorResult<Entry, undefined>;
      if (done) {
        this.#hand = entriesOf(this.#index);
      } else if (
        isEvictable(entry) &&
        !this.#hot.has(entry) &&
        this.#index.findInSlot(entry.space, entry.slot, entry.key) === entry
      ) {
        // The hand may rest on a leaf that was split meanwhile: hence the look whether the entry is live.
        found.add(entry);
      }
    }
    return [...found];
  }
}

function* entriesOf(index: KeyIndex): Generator<Entry, undefined> {
  for (let slot = 0; slot < slotCount; slot++) yield* index.entriesOfSlot(slot);
}
