/**
 * Memory of large values, taken again by hand as soon as nobody needs what is in it.
 *
 *   take ─▶ received ─▶ log holds, hot tier owns ─▶ written, dropped ─▶ free ─▶ take
 *                                   │
 *                                   └─ shared: left to the collector
 *
 * A value lives long enough to get old, so what an overwritten or evicted one leaves is there until V8 has marked its
 * whole heap, and the next value gets memory that the system has to map and clear page by page. Together that is a third
 * of what it costs to store a MiB.
 *
 * The invariant: memory is taken again only when nobody can read it any more. By default nobody says so and the collector
 * decides, as for any other buffer. It is otherwise only where
 *   - a command has said that nothing but log and hot tier keeps its value (`Change.isSole`),
 *   - the hot tier owned it, as its only owner, and has dropped it,
 *   - it was never handed out by the hot tier: to a reader, a copy of the key, hand-over, whoever it may be,
 *   - every write of it to the log's file has ended. One that is given up never does.
 * And should a view of it be left against all this, it is empty from then on: memory goes to its next value by
 * `ArrayBuffer.prototype.transfer`, which copies nothing and detaches what led to it.
 *
 * Free memory is kept by size, up to a bound; beyond it the size goes first that was not given back for longest, at once
 * to the system.
 *
 * Rejected: detaching alone, which frees without a collection, but has the pages mapped anew.
 */
import {
  recycledValueBytesMin,
  recycledValueBytesMax,
  valueMemoryFreeBytesMax,
  valueMemoryFreeShareMax,
  valueMemoryStepBytesMax,
  valueMemoryStepsPerDoubling,
} from '../limits.ts';
import type { ReceiveMemory } from '../receive-memory.ts';

const leases = new WeakMap<ArrayBufferLike, MemoryLease>();

/**
 * Who needs a piece of a `ValueMemory`. It must not lead to the memory: collections of the young generation take what a
 * WeakMap leads to for alive, and nothing of it would go with them.
 */
export class MemoryLease {
  readonly #home: ValueMemory;
  #holders = 0;
  #isOwned = false;
  #isShared = false;

  constructor(home: ValueMemory) {
    this.#home = home;
  }

  /** The caller reads it until it calls `release`, once. */
  hold(): void {
    this.#holders += 1;
  }

  /** `buffer` lies in the piece. After the last one an owned, unshared piece is free: all views of it are empty. */
  release({ buffer }: Buffer): void {
    this.#holders -= 1;
    if (this.#holders > 0 || !this.#isOwned || this.#isShared) return;
    leases.delete(buffer);
    this.#home.give(buffer as ArrayBuffer);
  }

  /** Holds it for the one whose `release` says that its content is over. False: there is one, or it was shared. */
  own(): boolean {
    if (this.#isOwned) this.#isShared = true;
    if (this.#isShared) return false;
    this.#isOwned = true;
    this.hold();
    return true;
  }

  /** Somebody may keep it for as long as they like: it is the collector's from now on. */
  share(): void {
    this.#isShared = true;
  }
}

/** Undefined for memory that is the collector's in any case. */
export function leaseOf(buffer: Buffer): MemoryLease | undefined {
  return leases.get(buffer.buffer);
}

export interface ValueMemoryOptions {
  /** Bytes kept for the next values. */
  readonly freeBytesMax: number;
  /** For tests: memory that is given back is filled with this byte, for whoever should read it all the same. */
  readonly fillByte?: number;
}

export class ValueMemory implements ReceiveMemory {
  readonly #options: ValueMemoryOptions;
  /** By size; the one that was given back last is the last. */
  readonly #free = new Map<number, ArrayBuffer[]>();
  #freeBytes = 0;
  #reused = 0;

  constructor(options: ValueMemoryOptions) {
    this.#options = options;
  }

  /** Bytes that are kept for the next values. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** How often a value got memory that another one had. */
  get reused(): number {
    return this.#reused;
  }

  /** Memory of its own for a value of `length` bytes, its content undefined. Nobody need ever give it back. */
  take(length: number): Buffer {
    if (length < recycledValueBytesMin || length > recycledValueBytesMax) return Buffer.allocUnsafeSlow(length);
    const capacity = capacityOf(length);
    const kept = this.#takeFree(capacity);
    if (kept !== undefined) this.#reused += 1;
    const buffer =
      kept === undefined ? Buffer.allocUnsafeSlow(capacity).subarray(0, length) : Buffer.from(kept, 0, length);
    leases.set(buffer.buffer, new MemoryLease(this));
    return buffer;
  }

  giveBack(buffer: Buffer): void {
    const lease = leaseOf(buffer);
    if (lease?.own() === true) lease.release(buffer);
  }

  leave(buffer: Buffer): void {
    leaseOf(buffer)?.share();
  }

  /** Called by a lease when its memory is free. */
  give(memory: ArrayBuffer): void {
    const { freeBytesMax, fillByte } = this.#options;
    if (fillByte !== undefined) Buffer.from(memory).fill(fillByte);
    const capacity = memory.byteLength;
    if (capacity > freeBytesMax) {
      memory.transfer(0);
      return;
    }
    while (this.#freeBytes + capacity > freeBytesMax) this.#dropOldest();
    const kept = this.#free.get(capacity) ?? [];
    kept.push(memory.transfer());
    this.#free.delete(capacity);
    this.#free.set(capacity, kept);
    this.#freeBytes += capacity;
  }

  #takeFree(capacity: number): ArrayBuffer | undefined {
    const kept = this.#free.get(capacity);
    const memory = kept?.pop();
    if (memory === undefined) return undefined;
    if (kept!.length === 0) this.#free.delete(capacity);
    this.#freeBytes -= capacity;
    return memory;
  }

  /** Without waiting for a collection. */
  #dropOldest(): void {
    const [capacity] = this.#free.keys();
    this.#takeFree(capacity!)!.transfer(0);
  }
}

/** What of a shard's memory may be kept free for the next values. */
export function freeBytesMaxOf(memoryBytes: number): number {
  return Math.min(valueMemoryFreeBytesMax, memoryBytes * valueMemoryFreeShareMax);
}

/** A size that others have too, hardly above the length. */
function capacityOf(length: number): number {
  const step = Math.min(2 ** Math.floor(Math.log2(length)) / valueMemoryStepsPerDoubling, valueMemoryStepBytesMax);
  return Math.ceil(length / step) * step;
}
