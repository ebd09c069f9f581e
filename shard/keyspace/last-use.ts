/**
 * When each value was last used, to the second: for OBJECT IDLETIME, and to tell large values that are read often.
 *
 *   entry.lastUse = 2 × second of the engine's life + 1 if this record was read since it was written
 *
 * Reads and writes of a value are uses, looks at its key are none (EXISTS, TTL, TYPE, OBJECT, scans), as in Redis. Every
 * write makes a new entry, or one as new, so it begins with its own time. What recovery has found begins with the start
 * of the engine: the log knows no reads. A value that has come from another shard counts from when it came.
 *
 * The second is counted by the engine's own tick, so that a hit in RAM costs no look at the clock; and one small integer
 * holds both facts, because there are millions of entries. It holds 34 years.
 */
import type { Clock } from '../clock.ts';
import type { LentEntry } from '../journal.ts';

export class LastUse {
  readonly #clock: Clock;
  readonly #startMs: number;
  #second = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.now();
  }

  /** Looks at the clock, which may have been set back: then time stands still. */
  advance(): void {
    this.#second = Math.max(this.#second, Math.floor((this.#clock.now() - this.#startMs) / 1_000));
  }

  noteRead(entry: LentEntry): void {
    entry.lastUse = this.#second * 2 + 1;
  }

  /** A use for which the value is not read: it was written, or its length was asked for. */
  noteUse(entry: LentEntry): void {
    entry.lastUse = this.#second * 2 + (entry.lastUse % 2);
  }

  idleSeconds(entry: LentEntry): number {
    return this.#second - Math.floor(entry.lastUse / 2);
  }

  /** True if the record was read, and used not longer ago than this. */
  wasRead(entry: LentEntry, withinMs: number): boolean {
    return entry.lastUse % 2 === 1 && this.idleSeconds(entry) * 1_000 <= withinMs;
  }
}
