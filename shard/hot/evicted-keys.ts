/**
 * Which keys had a copy in RAM not long ago: what is asked for again after it was dropped is worth more than what was
 * asked for once.
 *
 *   bucket   hash mod buckets ─▶ [ newest tag │ … │ oldest tag ]     8 tags of 16 bits; 0 is none
 *
 * A tag is the rest of the key's hash. So a key that is new is taken for a known one in one of 8,192 cases, which costs
 * nothing but a copy kept for longer; and a bucket forgets its oldest key where it has eight newer ones, which is once
 * some hundred thousand keys have come. The table is made when the first key comes, 256 KiB, and never grows.
 *
 * Rejected: the keys themselves (a hundred bytes each), and counts of uses in a sketch, as TinyLFU has them: they are
 * aged by halving all of them at once, and a block is written once and read a few times, so that there is nothing to
 * count beyond "again".
 */
import { evictedKeysMax } from '../../limits.ts';

const tagsPerBucket = 8;
const buckets = evictedKeysMax / tagsPerBucket;

export class EvictedKeys {
  #tags: Uint16Array | undefined = undefined;

  /** Memory of the table. */
  get bytes(): number {
    return this.#tags?.byteLength ?? 0;
  }

  /** `hash`: an unsigned 32-bit one of the key. */
  add(hash: number): void {
    const tags = (this.#tags ??= new Uint16Array(evictedKeysMax));
    const first = firstOf(hash);
    tags.copyWithin(first + 1, first, first + tagsPerBucket - 1);
    tags[first] = tagOf(hash);
  }

  /** True if the key was added; it is forgotten with that. */
  take(hash: number): boolean {
    const tags = this.#tags;
    if (tags === undefined) return false;
    const first = firstOf(hash);
    const end = first + tagsPerBucket;
    const tag = tagOf(hash);
    for (let place = first; place < end; place++) {
      if (tags[place] !== tag) continue;
      tags.copyWithin(place, place + 1, end);
      tags[end - 1] = 0;
      return true;
    }
    return false;
  }
}

function firstOf(hash: number): number {
  return (hash % buckets) * tagsPerBucket;
}

function tagOf(hash: number): number {
  return (Math.floor(hash / buckets) % 0xffff) + 1;
}
