/**
 * The hot tier: values in RAM, the least recently used dropped first, bounded in bytes that are really held.
 *
 *   newest ⇄ … ⇄ … ⇄ oldest          every HotCopy is a link of one list; an Entry points to its copy
 *   small values: cells of slabs      large values: buffers of their own      collections: objects
 *
 * The order of use is a list through the copies themselves, and the entry leads to its copy by a field. So a hit costs
 * no lookup, the order is exact for the whole tier however large or small its values are, and nothing ever grows: no
 * step can stall the loop.
 *
 * Accounted are whole slabs, the backing memory of large values, and what the objects of a copy take. The overheads
 * below are measured (bench/sides/engine-process.ts), as growth of resident memory over a million copies.
 *
 * Rejected, after measuring both: lru-cache, in 1,024 partitions because its Map stalls as it grows. With 100-byte
 * values it makes 0.6 M gets and 1.4 M sets a second where the list makes 1.2 M and 4 M, takes 90 bytes more a copy,
 * and orders each partition for itself: of 50 large blocks in 1,024 partitions it could only drop some at random.
 */
import { hotEvictionsPerStepMax, hotSmallValueBytesMax } from '../../limits.ts';
import type { Entry, StoredValue } from '../journal.ts';
import { HotCopy, type HotObject } from './hot-copy.ts';
import { ownedMemory } from './owned.ts';
import { SlabArena } from './slab-arena.ts';

/** A HotCopy and its place among its slab's owners. */
const smallCopyOverheadBytes = 112;
/** A HotCopy, a StoredValue, and the objects behind a Buffer: view, ArrayBuffer, backing store, malloc's header. */
export const largeCopyOverheadBytes = 416;

export interface HotTierOptions {
  readonly limitBytes: number;
  /** Calls back in a later turn of the event loop; a shrink of many copies continues there. */
  readonly defer?: (callback: () => void) => void;
}

const emptyBuffer = Buffer.alloc(0);

export class HotTier {
  /** Called when the tier has dropped a copy to stay below its limit. The engine sets it. */
  onEvict: (entry: Entry) => void = () => undefined;
  readonly #arena = new SlabArena();
  readonly #defer: (callback: () => void) => void;
  #newest: HotCopy | undefined;
  #oldest: HotCopy | undefined;
  #limitBytes: number;
  #largeBytes = 0;
  #overheadBytes = 0;
  #size = 0;
  #evictions = 0;
  #isShrinking = false;

  constructor(options: HotTierOptions) {
    this.#limitBytes = options.limitBytes;
    this.#defer = options.defer ?? ((callback) => void setImmediate(callback));
  }

  /** Copies. */
  get size(): number {
    return this.#size;
  }

  /** Memory held, with all overheads. */
  get bytes(): number {
    return this.#arena.bytes + this.#largeBytes + this.#overheadBytes;
  }

  /** Copies dropped to stay below the limit. */
  get evictions(): number {
    return this.#evictions;
  }

  get limitBytes(): number {
    return this.#limitBytes;
  }

  /** A lower limit is reached in slices: the first at once, the others in later turns of the loop. */
  set limitBytes(limitBytes: number) {
    this.#limitBytes = limitBytes;
    this.#shrink();
  }

  has(entry: Entry): boolean {
    return entry.hot !== undefined;
  }

  /** Entries with a copy, the least recently used first. Nothing may be put or dropped between two of them. */
  *leastUsed(): Generator<Entry> {
    for (let copy = this.#oldest; copy !== undefined; copy = copy.newer) yield copy.entry;
  }

  /** The value, now the most recently used, or undefined. A small one is a copy of its own, an object is encoded. */
  get(entry: Entry): StoredValue | undefined {
    if (entry.hot !== undefined) this.#use(entry.hot);
    return this.peek(entry);
  }

  /** The same, which is no use of it: the order stays. */
  peek(entry: Entry): StoredValue | undefined {
    const copy = entry.hot;
    if (copy === undefined) return undefined;
    const { slab, object } = copy;
    if (object !== undefined) return { type: entry.type, meta: undefined, body: object.encode() };
    if (slab === undefined) return copy.value;
    const from = copy.cell * slab.sizeClass.cellBytes;
    if (copy.metaBytes < 0)
      return { type: entry.type, meta: undefined, body: copyOf(slab.memory, from, entry.bodyBytes) };
    return {
      type: entry.type,
      meta: copyOf(slab.memory, from, copy.metaBytes),
      body: copyOf(slab.memory, from + copy.metaBytes, entry.bodyBytes),
    };
  }

  /**
   * Keeps a copy of the value, in place of any other of this entry, as the most recently used. A value above the limit
   * is evicted at once, and nothing else for it.
   */
  put(entry: Entry, value: StoredValue): void {
    this.drop(entry);
    const metaBytes = value.meta?.byteLength ?? 0;
    const length = metaBytes + value.body.byteLength;
    if (length > this.#limitBytes) {
      // It would push out everything else and then itself.
      this.#evict(entry);
      return;
    }
    const copy = new HotCopy(entry, value.meta === undefined ? -1 : metaBytes);
    if (length > hotSmallValueBytesMax) this.#keepLarge(copy, value);
    else this.#keepSmall(copy, value, length);
    entry.hot = copy;
    this.#link(copy);
    this.#size += 1;
    if (this.bytes > this.#limitBytes) this.#shrink();
  }

  /** The object that is the entry's value, now the most recently used; undefined if there is none in RAM. */
  object(entry: Entry): HotObject | undefined {
    const object = entry.hot?.object;
    if (object !== undefined) this.#use(entry.hot!);
    return object;
  }

  /** Keeps the object as the entry's value, as `put` does, or notes what it takes now. */
  keep(entry: Entry, object: HotObject): void {
    if (entry.hot?.object !== object) {
      this.drop(entry);
      const copy = new HotCopy(entry, -1);
      copy.object = object;
      entry.hot = copy;
      this.#overheadBytes += largeCopyOverheadBytes;
      this.#link(copy);
      this.#size += 1;
    }
    const copy = entry.hot;
    this.#use(copy);
    this.#largeBytes += object.memoryBytes - copy.largeBytes;
    copy.largeBytes = object.memoryBytes;
    if (copy.largeBytes > this.#limitBytes) {
      this.drop(entry);
      this.#evict(entry);
    } else if (this.bytes > this.#limitBytes) {
      this.#shrink();
    }
  }

  /** Gives one entry's copy to another one of the same value. */
  move(from: Entry, to: Entry): void {
    const copy = from.hot;
    if (copy === undefined) return;
    this.drop(to);
    from.hot = undefined;
    copy.entry = to;
    to.hot = copy;
  }

  /** Forgets the entry's copy, if it has one. No eviction. */
  drop(entry: Entry): void {
    const copy = entry.hot;
    if (copy === undefined) return;
    entry.hot = undefined;
    this.#unlink(copy);
    this.#size -= 1;
    if (copy.slab === undefined) {
      this.#largeBytes -= copy.largeBytes;
      this.#overheadBytes -= largeCopyOverheadBytes;
    } else {
      this.#arena.give(copy);
      this.#overheadBytes -= smallCopyOverheadBytes;
    }
  }

  #keepLarge(copy: HotCopy, value: StoredValue): void {
    const body = ownedMemory(value.body);
    const meta = value.meta === undefined ? undefined : ownedMemory(value.meta);
    copy.value = { type: copy.entry.type, meta, body };
    copy.largeBytes =
      body.buffer.byteLength + (meta === undefined ? 0 : meta.buffer.byteLength + largeCopyOverheadBytes);
    this.#largeBytes += copy.largeBytes;
    this.#overheadBytes += largeCopyOverheadBytes;
  }

  #keepSmall(copy: HotCopy, { meta, body }: StoredValue, length: number): void {
    if (length === 0) {
      copy.value = { type: copy.entry.type, meta: meta === undefined ? undefined : emptyBuffer, body: emptyBuffer };
      this.#overheadBytes += largeCopyOverheadBytes;
      return;
    }
    this.#arena.take(copy, length);
    const { memory, sizeClass } = copy.slab!;
    let to = copy.cell * sizeClass.cellBytes;
    if (meta !== undefined) to += meta.copy(memory, to);
    body.copy(memory, to);
    this.#overheadBytes += smallCopyOverheadBytes;
  }

  /** Drops the oldest copies until the rest fits, at most one step's worth now and the rest later. */
  #shrink(): void {
    let steps = hotEvictionsPerStepMax;
    while (this.bytes > this.#limitBytes && this.#oldest !== undefined) {
      if (steps-- === 0) {
        this.#shrinkLater();
        return;
      }
      const { entry } = this.#oldest;
      this.drop(entry);
      this.#evict(entry);
    }
  }

  #evict(entry: Entry): void {
    this.#evictions += 1;
    this.onEvict(entry);
  }

  #shrinkLater(): void {
    if (this.#isShrinking) return;
    this.#isShrinking = true;
    this.#defer(() => {
      this.#isShrinking = false;
      this.#shrink();
    });
  }

  #use(copy: HotCopy): void {
    if (copy === this.#newest) return;
    this.#unlink(copy);
    this.#link(copy);
  }

  #link(copy: HotCopy): void {
    copy.newer = undefined;
    copy.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = copy;
    else this.#newest.newer = copy;
    this.#newest = copy;
  }

  #unlink(copy: HotCopy): void {
    const { newer, older } = copy;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    copy.newer = undefined;
    copy.older = undefined;
  }
}

/** From the pool: such copies are on their way out, and the slab's cell may be another's before they are sent. */
function copyOf(memory: Buffer, from: number, length: number): Buffer {
  const copy = Buffer.allocUnsafe(length);
  memory.copy(copy, 0, from, from + length);
  return copy;
}
