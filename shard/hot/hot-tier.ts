/**
 * The hot tier: values in RAM, bounded in bytes that are really held. What is used again stays longest (eviction-order.ts).
 *
 *   order           newest ⇄ … ⇄ … ⇄ oldest: lists through numbers (use-order.ts), of which each copy has one
 *   entry.hot       that number, which also tells slab and cell; negative after a use (eviction-order.ts)
 *   small values: cells of slabs      large values: buffers of their own      collections: objects
 *
 * The entry leads to its copy by a field. So a hit costs no lookup, the order is exact for the whole tier however large
 * or small its values are, and nothing ever grows by being copied: no step can stall the loop.
 *
 * The memory of a large value goes to the next one as soon as its copy is dropped, if nobody else can have it
 * (../value-memory.ts): whatever the tier has handed out once is the collector's.
 *
 * Accounted are whole slabs with their nodes, the backing memory of large values, and what the objects of a copy take.
 *
 * Rejected, after measuring both: lru-cache, in 1,024 partitions because its Map stalls as it grows. With 100-byte
 * values it makes 0.6 M gets and 1.4 M sets a second where a list through the copies makes 1.2 M and 4 M, takes 180
 * bytes more a copy, and orders each partition for itself: of 50 large blocks in 1,024 partitions it could only drop some
 * at random.
 */
import { hotEvictionsPerStepMax, hotSmallValueBytesMax } from '../../limits.ts';
import type { Entry, LentEntry, StoredValue } from '../journal.ts';
import { nodeOf } from './copy-number.ts';
import { EvictionOrder } from './eviction-order.ts';
import { type HotObject, LargeCopy, largeCopyOverheadBytes } from './large-copy.ts';
import { ownedMemory } from './owned.ts';
import { SlabArena } from './slab-arena.ts';
import { noNode, placeOf } from './use-order.ts';
import { leaseOf } from '../value-memory.ts';

const emptyBuffer = Buffer.alloc(0);

export interface HotTierOptions {
  readonly limitBytes: number;
  /** Calls back in a later turn of the event loop; a shrink of many copies continues there. */
  readonly defer?: (callback: () => void) => void;
}

export class HotTier {
  /** Called when the tier has dropped a copy to stay below its limit. The engine sets it. */
  onEvict: (entry: Entry) => void = () => undefined;
  readonly #order: EvictionOrder = new EvictionOrder((node) => this.#arena.bytesOf(node));
  readonly #arena = new SlabArena(this.#order.nodes);
  readonly #defer: (callback: () => void) => void;
  #limitBytes: number;
  #largeBytes = 0;
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
    return this.#arena.bytes + this.#largeBytes;
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

  has(entry: LentEntry): boolean {
    return entry.hot !== noNode;
  }

  /** Entries with a copy, the next to be evicted first. Nothing may be put, used or dropped between two of them. */
  evictable(): Generator<Entry> {
    return this.#order.entries();
  }

  /** Notes a use of the entry's copy, if it has one. */
  use(entry: LentEntry): void {
    if (entry.hot !== noNode) this.#order.use(entry);
  }

  /** The value, for a use of it, or undefined. A small one is a copy of its own, an object is encoded. */
  get(entry: LentEntry): StoredValue | undefined {
    this.use(entry);
    return this.peek(entry);
  }

  /** The same, which is no use of it: the order stays. */
  peek(entry: LentEntry): StoredValue | undefined {
    const { type, bodyBytes } = entry;
    const node = nodeOf(entry);
    if (node === noNode) return undefined;
    const slab = this.#arena.slabOf(node);
    const cell = placeOf(node);
    const large = slab.large?.[cell];
    if (large?.object !== undefined) return { type, meta: undefined, body: large.object.encode() };
    if (large !== undefined) {
      large.lease?.share();
      return large.value;
    }
    const from = slab.offsetOf(cell);
    const metaBytes = slab.metaBytesOf(cell);
    if (metaBytes === undefined) return { type, meta: undefined, body: copyOf(slab.memory, from, bodyBytes) };
    const meta = copyOf(slab.memory, from, metaBytes);
    return { type, meta, body: copyOf(slab.memory, from + metaBytes, bodyBytes) };
  }

  /**
   * Keeps a copy of the value, in place of any other of this entry, or of `previous`, whose key it has got: in the same
   * cell, if it fits. Then that was a use. A value above the limit is evicted at once, and nothing else for it. `isSole`
   * promises that besides the tier and the log nobody reads the body's memory from now on.
   */
  put(entry: LentEntry, value: StoredValue, previous = entry, isSole = false): void {
    const length = (value.meta?.byteLength ?? 0) + value.body.byteLength;
    if (previous.hot !== noNode && this.#arena.fits(nodeOf(previous), length)) {
      this.move(previous, entry);
      this.#write(nodeOf(entry), value);
      this.use(entry);
      return;
    }
    this.drop(previous);
    this.drop(entry);
    if (length > this.#limitBytes) {
      // It would push out everything else and then itself.
      this.#evict(entry);
      return;
    }
    if (length === 0 || length > hotSmallValueBytesMax) this.#addLarge(entry, largeCopyOf(entry, value, isSole));
    else this.#addSmall(entry, value, length);
    if (this.bytes > this.#limitBytes) this.#shrink();
  }

  /** The object that is the entry's value, for a use of it; undefined if there is none in RAM. */
  object(entry: LentEntry): HotObject | undefined {
    const object = this.peekObject(entry);
    if (object !== undefined) this.#order.use(entry);
    return object;
  }

  /** The same, which is no use of it: the order stays. */
  peekObject(entry: LentEntry): HotObject | undefined {
    return this.#largeOf(entry)?.object;
  }

  /** Keeps the object as the entry's value, as `put` does, or notes what it takes now. */
  keep(entry: LentEntry, object: HotObject): void {
    if (this.object(entry) !== object) {
      this.drop(entry);
      this.#addLarge(entry, new LargeCopy(undefined, object, object.memoryBytes));
    }
    const copy = this.#largeOf(entry)!;
    const growth = object.memoryBytes - copy.bytes;
    copy.bytes += growth;
    this.#largeBytes += growth;
    this.#order.grow(entry, growth);
    if (copy.bytes > this.#limitBytes) {
      this.drop(entry);
      this.#evict(entry);
    } else if (this.bytes > this.#limitBytes) {
      this.#shrink();
    }
  }

  /** Gives one entry's copy to another one of the same value. */
  move(from: LentEntry, to: LentEntry): void {
    if (from.hot === noNode || from === to) return;
    this.drop(to);
    to.hot = from.hot;
    from.hot = noNode;
    this.#order.nodes.setOwner(nodeOf(to), to);
  }

  /** Forgets the entry's copy, if it has one. No eviction. */
  drop(entry: LentEntry): void {
    const node = nodeOf(entry);
    if (node === noNode) return;
    const copy = this.#largeOf(entry);
    this.#order.remove(entry);
    if (copy !== undefined) {
      this.#largeBytes -= copy.bytes + largeCopyOverheadBytes;
      this.#arena.slabOf(node).large![placeOf(node)] = undefined;
      copy.lease?.release(copy.value!.body);
    }
    entry.hot = noNode;
    this.#arena.give(node);
    this.#size -= 1;
  }

  #largeOf(entry: LentEntry): LargeCopy | undefined {
    const node = nodeOf(entry);
    return node === noNode ? undefined : this.#arena.slabOf(node).large?.[placeOf(node)];
  }

  #addLarge(entry: LentEntry, copy: LargeCopy): void {
    const node = this.#arena.take(0);
    this.#arena.slabOf(node).large![placeOf(node)] = copy;
    this.#largeBytes += copy.bytes + largeCopyOverheadBytes;
    this.#add(entry, node);
  }

  #addSmall(entry: LentEntry, value: StoredValue, length: number): void {
    const node = this.#arena.take(length);
    this.#write(node, value);
    this.#add(entry, node);
  }

  #write(node: number, { meta, body }: StoredValue): void {
    const slab = this.#arena.slabOf(node);
    const cell = placeOf(node);
    slab.setMetaBytes(cell, meta?.byteLength);
    const at = slab.offsetOf(cell);
    if (meta !== undefined) slab.memory.set(meta, at);
    slab.memory.set(body, at + (meta?.byteLength ?? 0));
  }

  #add(entry: LentEntry, node: number): void {
    entry.hot = node;
    this.#order.add(entry);
    this.#size += 1;
  }

  /** Drops copies until the rest fits, at most one step's worth now and the rest later. */
  #shrink(): void {
    const stepsMax = this.#order.steps + hotEvictionsPerStepMax;
    while (this.bytes > this.#limitBytes) {
      if (this.#order.steps >= stepsMax) {
        this.#shrinkLater();
        return;
      }
      const entry = this.#order.evict(this.#limitBytes);
      if (entry === undefined) return;
      this.drop(entry);
      this.#evict(entry);
    }
  }

  #evict(entry: LentEntry): void {
    this.#evictions += 1;
    this.onEvict(entry.keep());
  }

  #shrinkLater(): void {
    if (this.#isShrinking) return;
    this.#isShrinking = true;
    this.#defer(() => {
      this.#isShrinking = false;
      this.#shrink();
    });
  }
}

/** As it is kept, in memory of its own. */
function largeCopyOf({ type }: LentEntry, value: StoredValue, isSole: boolean): LargeCopy {
  const meta = value.meta && keptBuffer(value.meta);
  const body = keptBuffer(value.body);
  const lease = leaseOf(body);
  if (!isSole) lease?.share();
  const metaBytes = meta === undefined ? 0 : meta.buffer.byteLength + largeCopyOverheadBytes;
  const isOwned = lease?.own() === true;
  return new LargeCopy(
    { type, meta, body },
    undefined,
    metaBytes + body.buffer.byteLength,
    isOwned ? lease : undefined,
  );
}

function keptBuffer(buffer: Buffer): Buffer {
  return buffer.byteLength === 0 ? emptyBuffer : ownedMemory(buffer);
}

/** From the pool: such copies are on their way out, and the slab's cell may be another's before they are sent. */
function copyOf(memory: Buffer, from: number, length: number): Buffer {
  const copy = Buffer.allocUnsafe(length);
  memory.copy(copy, 0, from, from + length);
  return copy;
}
