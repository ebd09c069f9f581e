/**
 * A hierarchical timing wheel over entries with an expiry (Varghese and Lauck, 1987).
 *
 *   level 0   64 buckets of one tick (100 ms)       the next 6.4 s
 *   level 1   64 buckets of 64 ticks                the next 7 min
 *   …                                               …
 *   level 5   64 buckets of 64^5 ticks (3.4 years)  the next 218 years; what is later waits in its last bucket
 *
 * When the hand reaches the first tick of a higher bucket, that bucket's entries move down; when it has passed a tick,
 * the entries of its bucket are due. Both go on entry by entry within a bound on work, and where they stop the next
 * turn goes on: the hand stays on a tick until its buckets are empty, so entries may be late (a read notices expiry by
 * itself), but are never lost. Stretches without entries are jumped over, level by level.
 *
 * A bucket is a list of chunks of 1,024 entries, and an entry's expiry knows bucket and position, so that it can be taken
 * out at once: the last one takes its place. An array that grew to millions, or a Set, would stall while it grows.
 */
import { expiryTickMs } from '../../limits.ts';
import type { Entry } from '../journal.ts';
import type { Expiry } from '../rare-facts.ts';

const bucketsPerLevel = 64;
const levels = 6;
const chunkEntries = 1_024;

class Bucket {
  readonly #chunks: Entry[][] = [];
  size = 0;

  push(entry: Entry): void {
    if (this.size === this.#chunks.length * chunkEntries) this.#chunks.push([]);
    entry.expiry!.position = this.size;
    this.#chunks[Math.floor(this.size / chunkEntries)]!.push(entry);
    this.size += 1;
  }

  pop(): Entry | undefined {
    if (this.size === 0) return undefined;
    this.size -= 1;
    const chunk = this.#chunks.at(-1)!;
    const entry = chunk.pop()!;
    if (chunk.length === 0) this.#chunks.pop();
    return entry;
  }

  take(entry: Entry): void {
    const { position } = entry.expiry!;
    const last = this.pop()!;
    if (last === entry) return;
    this.#chunks[Math.floor(position / chunkEntries)]![position % chunkEntries] = last;
    last.expiry!.position = position;
  }
}

export class ExpiryWheel {
  readonly #buckets: Bucket[] = Array.from({ length: levels * bucketsPerLevel }, () => new Bucket());
  readonly #sizes: number[] = Array.from({ length: levels }, () => 0);
  #size = 0;
  /** The hand: entries of earlier ticks have been handed out. */
  #tick = 0;

  /** Entries that wait. */
  get size(): number {
    return this.#size;
  }

  /** Takes in an entry that has an expiry and is not in yet. */
  add(entry: Entry, nowMs: number): void {
    // An empty wheel has no ticks to pass: it begins at the present.
    if (this.#size === 0) this.#tick = Math.max(this.#tick, tickOf(nowMs));
    this.#place(entry);
  }

  remove(entry: Entry): void {
    const { expiry } = entry;
    if (expiry === undefined || expiry.bucket === 0) return;
    this.#buckets[expiry.bucket - 1]!.take(entry);
    this.#forget(expiry);
  }

  /**
   * Goes on to `nowMs` and hands out what has expired, in at most about `workMax` steps.
   * False: there is more to do now.
   */
  advance(nowMs: number, workMax: number, onExpired: (entry: Entry) => void): boolean {
    const target = tickOf(nowMs);
    for (let work = 0; work < workMax; work++) {
      if (this.#size === 0 || this.#tick > target) return true;
      if (this.#moveDown()) continue;
      if (this.#tick === target) return true;
      const due = this.#bucketAt(0).pop();
      if (due === undefined) {
        this.#skip(target);
      } else {
        this.#forget(due.expiry!);
        onExpired(due);
      }
    }
    return false;
  }

  /** Moves one entry of a higher bucket that begins at this tick; false if there is none. */
  #moveDown(): boolean {
    for (let level = levels - 1; level > 0; level--) {
      if (this.#sizes[level] === 0 || this.#tick % span(level) !== 0) continue;
      const entry = this.#bucketAt(level).pop();
      if (entry === undefined) continue;
      this.#forget(entry.expiry!);
      this.#place(entry);
      return true;
    }
    return false;
  }

  /** To the next tick where anything can be: beyond it if no level below has entries. */
  #skip(target: number): void {
    let level = 0;
    while (level < levels - 1 && this.#sizes[level] === 0) level++;
    const width = span(level);
    this.#tick = Math.min((Math.floor(this.#tick / width) + 1) * width, target);
  }

  #place(entry: Entry): void {
    const expiry = entry.expiry!;
    const due = Math.max(tickOf(expiry.atMs), this.#tick);
    let level = 0;
    while (level < levels - 1 && distance(due, this.#tick, level) >= bucketsPerLevel) level++;
    // Beyond the last level: its farthest bucket, from where it is placed again.
    const ahead = Math.min(distance(due, this.#tick, level), bucketsPerLevel - 1);
    const index = level * bucketsPerLevel + ((Math.floor(this.#tick / span(level)) + ahead) % bucketsPerLevel);
    expiry.bucket = index + 1;
    this.#buckets[index]!.push(entry);
    this.#sizes[level]! += 1;
    this.#size += 1;
  }

  #forget(expiry: Expiry): void {
    this.#sizes[Math.floor((expiry.bucket - 1) / bucketsPerLevel)]! -= 1;
    this.#size -= 1;
    expiry.bucket = 0;
  }

  #bucketAt(level: number): Bucket {
    return this.#buckets[level * bucketsPerLevel + (Math.floor(this.#tick / span(level)) % bucketsPerLevel)]!;
  }
}

/** The tick after whose end an entry that expires at `timeMs` has expired. */
function tickOf(timeMs: number): number {
  return Math.floor(timeMs / expiryTickMs);
}

/** Ticks in a bucket of the level. */
function span(level: number): number {
  return bucketsPerLevel ** level;
}

/** Buckets of the level between two ticks. */
function distance(due: number, tick: number, level: number): number {
  return Math.floor(due / span(level)) - Math.floor(tick / span(level));
}
