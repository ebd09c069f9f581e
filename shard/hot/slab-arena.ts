/**
 * Memory for copies: cells of equal size in slabs, by size class.
 *
 *   class   0 B:  slab [node|node|node|…]                              large values and objects, kept outside
 *   class  16 B:  slab [node|node|node|…] [cell|cell|cell|…]  slab …
 *   class  24 B:  slab …
 *   …
 *   class 4 KiB:  slab …
 *
 * A value of 100 bytes in an ArrayBuffer of its own takes over 600 bytes resident and half a microsecond to allocate;
 * in a cell it takes 104, and 17 for its node in the order of use (use-order.ts), whose number tells slab and cell.
 * Classes are 8 bytes apart up to 128 and then a quarter of a power of two, so a cell wastes at most 7 bytes or a fifth
 * of itself. The first slab of a class is small and the next ones double up to 256 KiB, so that a small tier is not eaten
 * by classes that hold one value each.
 *
 * Freed cells are scattered over the slabs. Left alone, a shift from one size to another would strand memory in the
 * old class (memcached's "slab calcification"). So once a class has more than an eighth of its live cells free, and a
 * slab's worth besides, its emptiest slab is moved into the others, a few cells with every free, and given back.
 *
 * Rejected: one ArrayBuffer a value (above), and a compacting log of values (moves everything, all the time).
 */
import { hotSlabBytesMax, hotSlabBytesMin, hotSmallValueBytesMax } from '../../limits.ts';
import type { LentEntry } from '../journal.ts';
import { setNode } from './copy-number.ts';
import { cellGrossBytes, Slab } from './slab.ts';
import { chunkOf, nodesPerChunkMax, placeOf, type UseOrder } from './use-order.ts';

const cellsMovedPerFree = 8;

/** The cell sizes: none, then every 8 bytes up to 128, then four to a power of two. */
const cellSizes: readonly number[] = (() => {
  const sizes = [0];
  for (let bytes = 16; bytes <= 128; bytes += 8) sizes.push(bytes);
  for (let base = 128; base < hotSmallValueBytesMax; base *= 2) {
    for (let quarter = 1; quarter <= 4; quarter++) sizes.push(base + (base / 4) * quarter);
  }
  return sizes;
})();

/** Class of a length, by (length + 7) / 8. */
const classOfLength = new Uint8Array(hotSmallValueBytesMax / 8 + 1);
for (let eighths = 0, index = 0; eighths < classOfLength.length; eighths++) {
  if (eighths * 8 > cellSizes[index]!) index++;
  classOfLength[eighths] = index;
}

/** The slabs of one cell size. */
export class SizeClass {
  readonly cellBytes: number;
  readonly slabs: Slab[] = [];
  /** Slabs with a free cell; the last one is filled first. */
  readonly open: Slab[] = [];
  /** Memory of all slabs, nodes included. */
  bytes = 0;
  cells = 0;
  live = 0;
  /** The slab that is being emptied into the others; never among the open ones. */
  moving: Slab | undefined = undefined;
  readonly #arena: SlabArena;
  /** What a cell takes, with all that belongs to it. */
  readonly #grossBytes: number;

  constructor(arena: SlabArena, cellBytes: number) {
    this.#arena = arena;
    this.cellBytes = cellBytes;
    this.#grossBytes = cellGrossBytes(cellBytes);
  }

  /** A free cell of an open slab, or of a new one: the node that stands for it. */
  take(): number {
    let slab = this.open.at(-1);
    if (slab === undefined) {
      slab = this.#arena.addSlab(this, this.#nextSlabCells());
      slab.index = this.slabs.push(slab) - 1;
      this.#openSlab(slab);
      this.bytes += slab.cells * this.#grossBytes;
      this.cells += slab.cells;
    }
    const cell = slab.takeCell();
    this.live += 1;
    if (slab.live === slab.cells) this.#closeSlab(slab);
    return slab.chunk.first + cell;
  }

  give(slab: Slab, cell: number): void {
    slab.giveCell(cell);
    this.live -= 1;
    if (slab.openIndex < 0 && slab !== this.moving) this.#openSlab(slab);
    // One empty slab stays for the next value, as long as the class has others in use.
    const isSpare = this.live > 0 && this.open.length === 1 && slab !== this.moving;
    if (slab.live === 0 && !isSpare) this.#releaseSlab(slab);
  }

  /** Moves a few cells out of the emptiest slab, if the class has too many free. */
  compact(cellsMax: number): void {
    if (this.moving === undefined) {
      const free = this.cells - this.live;
      // Half a slab beyond the bound, so that a slab which is given back is not needed again at once.
      const slabCells = this.slabs.length > 1 ? this.#nextSlabCells() : Infinity;
      if (free <= this.live / 8 + slabCells * 1.5) return;
      const emptiest = this.#emptiestSlab();
      if (emptiest.live === 0) {
        this.#releaseSlab(emptiest);
        return;
      }
      emptiest.movedFrom = emptiest.fresh;
      this.moving = emptiest;
      this.#closeSlab(emptiest);
    }
    const from = this.moving;
    for (let moved = 0; moved < cellsMax && this.moving === from; moved++) {
      if (this.open.length === 0) {
        // No room elsewhere after all: go on using the slab.
        this.moving = undefined;
        if (from.live < from.cells) this.#openSlab(from);
        return;
      }
      this.#moveOne(from);
    }
  }

  #moveOne(from: Slab): void {
    do from.movedFrom -= 1;
    while (from.chunk.owners[from.movedFrom] === undefined);
    const cell = from.movedFrom;
    const node = this.take();
    from.copyCell(cell, this.#arena.slabOf(node), placeOf(node));
    setNode(this.#arena.order.replace(from.chunk.first + cell, node), node);
    this.give(from, cell);
  }

  #emptiestSlab(): Slab {
    let emptiest = this.slabs[0]!;
    for (const slab of this.slabs) if (slab.live < emptiest.live) emptiest = slab;
    return emptiest;
  }

  #nextSlabCells(): number {
    const bytes = Math.min(hotSlabBytesMax, Math.max(hotSlabBytesMin, this.bytes, this.#grossBytes * 4));
    return Math.min(nodesPerChunkMax, Math.floor(bytes / this.#grossBytes));
  }

  #openSlab(slab: Slab): void {
    slab.openIndex = this.open.push(slab) - 1;
  }

  #closeSlab(slab: Slab): void {
    if (slab.openIndex < 0) return;
    const last = this.open.pop()!;
    if (last !== slab) {
      this.open[slab.openIndex] = last;
      last.openIndex = slab.openIndex;
    }
    slab.openIndex = -1;
  }

  #releaseSlab(slab: Slab): void {
    this.#closeSlab(slab);
    if (this.moving === slab) this.moving = undefined;
    const last = this.slabs.pop()!;
    if (last !== slab) {
      this.slabs[slab.index] = last;
      last.index = slab.index;
    }
    this.bytes -= slab.cells * this.#grossBytes;
    this.cells -= slab.cells;
    this.#arena.removeSlab(slab);
  }
}

export class SlabArena {
  readonly order: UseOrder<LentEntry>;
  readonly #classes = cellSizes.map((cellBytes) => new SizeClass(this, cellBytes));
  /** By the number of their chunk. */
  readonly #slabs: (Slab | undefined)[] = [undefined];
  #bytes = 0;

  constructor(order: UseOrder<LentEntry>) {
    this.order = order;
  }

  /** Memory of all slabs with their nodes, free cells included. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * A cell for `length` bytes, 0 to hotSmallValueBytesMax, as a node that is in no list yet; its content is undefined.
   * Until it is given back it has to be in a list: its owner's `hot` follows where it is moved.
   */
  take(length: number): number {
    const sizeClass = this.#classes[classOfLength[(length + 7) >> 3]!]!;
    const before = sizeClass.bytes;
    const node = sizeClass.take();
    this.#bytes += sizeClass.bytes - before;
    return node;
  }

  /** True if a value of `length` bytes would get a cell of the size that the node's has. */
  fits(node: number, length: number): boolean {
    if (length === 0 || length > hotSmallValueBytesMax) return false;
    return this.slabOf(node).sizeClass === this.#classes[classOfLength[(length + 7) >> 3]!];
  }

  /** Takes back the cell of a node that is in no list any more. */
  give(node: number): void {
    const slab = this.slabOf(node);
    const { sizeClass } = slab;
    const before = sizeClass.bytes;
    sizeClass.give(slab, placeOf(node));
    sizeClass.compact(cellsMovedPerFree);
    this.#bytes += sizeClass.bytes - before;
  }

  /** What the copy in the node's cell takes, with all that belongs to it. */
  bytesOf(node: number): number {
    return this.slabOf(node).bytesOf(placeOf(node));
  }

  slabOf(node: number): Slab {
    return this.#slabs[chunkOf(node)]!;
  }

  addSlab(sizeClass: SizeClass, cells: number): Slab {
    const slab = new Slab(sizeClass, sizeClass.cellBytes, this.order.reserve(cells));
    this.#slabs[chunkOf(slab.chunk.first)] = slab;
    return slab;
  }

  removeSlab(slab: Slab): void {
    this.#slabs[chunkOf(slab.chunk.first)] = undefined;
    this.order.release(slab.chunk);
    slab.free();
  }
}
