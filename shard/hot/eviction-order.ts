/**
 * Which copy goes next when RAM is full.
 *
 *   put ──▶ newest [ once ……………… ] oldest ──▶ evicted; its key is remembered
 *              ▲       │ used                          │
 *    too many  │       ▼                               │ put again
 *      oldest [ again ……………………… ] newest ◀──────────────┘
 *
 * `once` has what was not asked for since it came, `again` what was, or what came back after it had been evicted. What is
 * evicted is the oldest of `once`. Where `again` holds more than half of the limit, its oldest copies get a second time
 * in `once`. So a stream of new values, however long, does not push out what is asked for again and again, and what is
 * new has half of the RAM in any case.
 *
 * Shares are restored only when something has to go, and what a use of a small plain value means is settled then too: the
 * use itself only turns the sign of the copy's number in its entry, which the reader has before it anyway. When the copy's
 * turn comes to go, or to leave `again`, it goes to the newest of `again` instead, and the sign is turned back (the clock
 * algorithm's second chance, Corbató, 1968). Among a million copies a step in the list writes to three places that are not
 * in the processor's cache, half of what a GET took. Large values and blocks, of which the order decides more and costs
 * less, are moved at once.
 *
 * **Chains.** A block is worth nothing without those before it in its prompt, yet read in their order the first one is
 * the least recently used. So a block is put behind the one before it (prompt-runs.ts): of what was used together, the
 * end of a prompt goes first and its beginning last. It needs the block's place in the prompt alone, since its neighbours
 * are on other shards.
 *
 * **Memory of what was evicted** (evicted-keys.ts) is for values that are large enough to be worth it. Small ones come and
 * go too fast for any table.
 *
 * Hit ratios in a trace of 4,000 prompts with 122,000 blocks, by the number of blocks that there is room for. The last
 * line is Bélády's choice, which knows the future and bounds all others.
 *
 *                                               1,000    2,000    5,000   10,000   20,000
 *   LRU                                        0.0825   0.1439   0.2791   0.4235   0.5715
 *   this                                       0.0877   0.1541   0.2906   0.4466   0.5931
 *   without memory of what was evicted         0.0882   0.1442   0.2800   0.4377   0.5912
 *   without chains                             0.0844   0.1514   0.2898   0.4464   0.5930
 *   ARC                                        0.0911   0.1438   0.2840   0.4337   0.5930
 *   S3-FIFO, a tenth for what is new           0.0859   0.1457   0.2890   0.4298   0.5937
 *   LRU-2 that forgets nothing                 0.0897   0.1441   0.2959   0.4405   0.5937
 *   `again` without a bound                    0.0869   0.1583   0.3031   0.4532   0.5937
 *   the future                                 0.2767   0.3795   0.5263   0.6180   0.6396
 *
 * Rejected: no bound of `again`, though best in this trace. Where what is in use changes it holds on to what is over: of a
 * load in which three of five uses are of what was used lately it finds 44 % where LRU finds 56 % and this 56 %. Also
 * rejected: to drop the last blocks of a prompt before all others, which gains another hundredth here; in a conversation
 * they are the beginning of what comes next.
 */
import {
  hotAgainShareMax,
  hotDemotionsPerEvictionMax,
  hotPassedOverPerEvictionMax,
  hotSmallValueBytesMax,
} from '../../limits.ts';
import { type Entry, type LentEntry, spaceOfBlocks } from '../journal.ts';
import { keyHash } from '../keyspace/key-hash.ts';
import { nodeOf, noteUse, takeUse } from './copy-number.ts';
import { EvictedKeys } from './evicted-keys.ts';
import { PromptRuns } from './prompt-runs.ts';
import { noNode, type UseList, UseOrder } from './use-order.ts';

export class EvictionOrder {
  /** Of the copies, whose owners' `hot` they are. */
  readonly nodes = new UseOrder<LentEntry>();
  readonly #once = this.nodes.list();
  readonly #again = this.nodes.list();
  readonly #evicted = new EvictedKeys();
  readonly #runs = new PromptRuns();
  readonly #bytesOf: (node: number) => number;
  #againBytes = 0;
  #steps = 0;

  /** `bytesOf`: what the copy of a node takes of the limit. */
  constructor(bytesOf: (node: number) => number) {
    this.#bytesOf = bytesOf;
  }

  /** What copies take that were used again. */
  get againBytes(): number {
    return this.#againBytes;
  }

  /** Copies that were chosen to go, or moved, since the start: a measure of work. */
  get steps(): number {
    return this.#steps;
  }

  /** Takes up the entry's copy, which has just come. */
  add(entry: LentEntry): void {
    const node = entry.hot;
    const bytes = this.#bytesOf(node);
    const isBack = bytes > hotSmallValueBytesMax && this.#evicted.take(keyHash(entry.key));
    if (isBack) this.#againBytes += bytes;
    this.nodes.add(this.#placeOf(entry, isBack ? this.#again : this.#once), node, entry);
  }

  /** Notes a use of the entry's copy. */
  use(entry: LentEntry): void {
    if (isSettledLater(entry)) {
      this.#runs.noteOther();
      noteUse(entry);
      return;
    }
    const node = nodeOf(entry);
    if (this.nodes.listOf(node) === this.#once) this.#againBytes += this.#bytesOf(node);
    this.nodes.use(this.#placeOf(entry, this.#again), node);
  }

  /** The entry's copy takes so many bytes more than it did. */
  grow(entry: LentEntry, bytes: number): void {
    if (this.nodes.listOf(nodeOf(entry)) === this.#again) this.#againBytes += bytes;
  }

  /** The entry's copy is about to go. */
  remove(entry: LentEntry): void {
    const node = nodeOf(entry);
    if (this.nodes.listOf(node) === this.#again) this.#againBytes -= this.#bytesOf(node);
    this.nodes.remove(node);
  }

  /** Chooses the entry whose copy goes next, if there is one, and remembers its key. */
  evict(limitBytes: number): LentEntry | undefined {
    this.#restoreShares(limitBytes);
    const oldest = this.#oldestUnused(this.#once) || this.#oldestUnused(this.#again);
    if (oldest === noNode) return undefined;
    this.#steps += 1;
    const entry = this.nodes.ownerOf(oldest);
    if (this.#bytesOf(oldest) > hotSmallValueBytesMax) this.#evicted.add(keyHash(entry.key));
    return entry;
  }

  /** Entries with a copy, the next to go first. Nothing may be added, used or removed between two of them. */
  *entries(): Generator<Entry> {
    for (const list of [this.#once, this.#again]) {
      this.#settleOldest(list);
      for (let node = this.nodes.oldest(list); node !== noNode; node = this.nodes.newerThan(list, node)) {
        yield this.nodes.ownerOf(node).keep();
      }
    }
  }

  #restoreShares(limitBytes: number): void {
    const againBytesMax = limitBytes * hotAgainShareMax;
    for (let moves = 0; moves < hotDemotionsPerEvictionMax && this.#againBytes > againBytesMax; moves++) {
      const oldest = this.nodes.oldest(this.#again);
      if (this.#settle(oldest)) continue;
      this.#steps += 1;
      this.#againBytes -= this.#bytesOf(oldest);
      this.nodes.use(this.#once, oldest);
    }
  }

  /** The oldest of the list that was not used since it got there, or after some moves the oldest, or none. */
  #oldestUnused(list: UseList): number {
    for (let moves = 0; ; moves++) {
      const oldest = this.nodes.oldest(list);
      if (oldest === noNode || moves === hotPassedOverPerEvictionMax || !this.#settle(oldest)) return oldest;
    }
  }

  /** Lets some of the oldest copies have their turn without choosing any to go. */
  #settleOldest(list: UseList): void {
    let node = this.nodes.oldest(list);
    for (let looks = 0; looks < hotPassedOverPerEvictionMax && node !== noNode; looks++) {
      const newer = this.nodes.newerThan(list, node);
      this.#settle(node);
      node = newer;
    }
  }

  /** If the copy was used: then its turn is put off, and it becomes the newest of `again`. */
  #settle(node: number): boolean {
    if (!takeUse(this.nodes.ownerOf(node))) return false;
    this.#steps += 1;
    if (this.nodes.listOf(node) === this.#once) this.#againBytes += this.#bytesOf(node);
    this.nodes.use(this.#again, node);
    return true;
  }

  /** Behind what in the list the entry's copy has its place: the block before it in its prompt, or the end of the list. */
  #placeOf(entry: LentEntry, list: UseList): number {
    if (entry.chainIndex < 0) {
      this.#runs.noteOther();
      return list;
    }
    const before = this.#runs.follow(entry.keep(), (other) => {
      const node = nodeOf(other);
      return node !== noNode && this.nodes.listOf(node) === list;
    });
    return before === undefined ? list : nodeOf(before);
  }
}

/** True for copies of which a use is only noted. */
function isSettledLater({ space, bodyBytes }: LentEntry): boolean {
  return bodyBytes <= hotSmallValueBytesMax && space !== spaceOfBlocks;
}
