/**
 * Memory for small values: cells of equal size in slabs, by size class.
 *
 *   class  32 B:  slab [cell|cell|cell|…]  slab […]
 *   class  48 B:  slab …
 *   …
 *   class 4 KiB:  slab …
 *
 * A value of 100 bytes in an ArrayBuffer of its own takes over 600 bytes resident and half a microsecond to allocate;
 * in a cell it takes 112. Classes are a quarter of a power of two apart, so a cell wastes at most a fifth of itself.
 * The first slab of a class is small and the next ones double up to 256 KiB, so that a small tier is not eaten by
 * classes that hold one value each.
 *
 * Freed cells are scattered over the slabs. Left alone, a shift from one size to another would strand memory in the
 * old class (memcached's "slab calcification"). So every slab knows whose its cells are, and once a class has more
 * than an eighth of its live cells free, and a slab's worth besides, its emptiest slab is moved into the others, a few
 * cells with every free, and given back.
 *
 * Rejected: one ArrayBuffer a value (above), and a compacting log of values (moves everything, all the time).
 */
import { hotSlabBytesMax, hotSlabBytesMin, hotSmallValueBytesMax } from '../../limits.ts';
import type { HotCopy } from './hot-copy.ts';

const cellsMovedPerFree = 8;

/** The cell sizes: 16, 32, 48, 64, then four to a power of two. */
const cellSizes: readonly number[] = (() => {
  const sizes = [16, 32, 48, 64];
  for (let base = 64; base < hotSmallValueBytesMax; base *= 2) {
    for (let quarter = 1; quarter <= 4; quarter++) sizes.push(base + (base / 4) * quarter);
  }
  return sizes;
})();

/** Class of a length, by (length + 15) / 16. */
const classOfLength = new Uint8Array(hotSmallValueBytesMax / 16 + 1);
for (let sixteenths = 0, index = 0; sixteenths < classOfLength.length; sixteenths++) {
  if (sixteenths * 16 > cellSizes[index]!) index++;
  classOfLength[sixteenths] = index;
}

export class Slab {
  readonly sizeClass: SizeClass;
  readonly memory: Buffer;
  /** Whose the cells are. */
  readonly owners: (HotCopy | undefined)[];
  /** Cells that were used and freed, as a stack; cells from `fresh` on were never used. */
  readonly freed: Uint16Array;
  freedCount = 0;
  fresh = 0;
  live = 0;
  /** Place among the slabs of the class, and among those with room; -1 is none. */
  index = -1;
  openIndex = -1;
  /** While the slab is moved out: cells from here on are known to be free. */
  movedFrom = 0;

  constructor(sizeClass: SizeClass, bytes: number) {
    this.sizeClass = sizeClass;
    const cells = Math.floor(bytes / sizeClass.cellBytes);
    this.memory = Buffer.allocUnsafeSlow(cells * sizeClass.cellBytes);
    this.owners = [];
    this.freed = new Uint16Array(cells);
  }

  get cells(): number {
    return this.freed.length;
  }
}

/** The slabs of one cell size. */
export class SizeClass {
  readonly cellBytes: number;
  readonly slabs: Slab[] = [];
  /** Slabs with a free cell; the last one is filled first. */
  readonly open: Slab[] = [];
  bytes = 0;
  cells = 0;
  live = 0;
  /** The slab that is being emptied into the others; never among the open ones. */
  moving: Slab | undefined = undefined;

  constructor(cellBytes: number) {
    this.cellBytes = cellBytes;
  }

  /** A free cell of an open slab, or of a new one. */
  take(owner: HotCopy): void {
    let slab = this.open.at(-1);
    if (slab === undefined) {
      slab = new Slab(this, this.#nextSlabBytes());
      slab.index = this.slabs.push(slab) - 1;
      this.#openSlab(slab);
      this.bytes += slab.memory.byteLength;
      this.cells += slab.cells;
    }
    const cell = slab.freedCount > 0 ? slab.freed[--slab.freedCount]! : slab.fresh++;
    slab.owners[cell] = owner;
    owner.slab = slab;
    owner.cell = cell;
    slab.live += 1;
    this.live += 1;
    if (slab.live === slab.cells) this.#closeSlab(slab);
  }

  give(slab: Slab, cell: number): void {
    slab.owners[cell] = undefined;
    slab.freed[slab.freedCount++] = cell;
    slab.live -= 1;
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
      const slabCells = this.slabs.length > 1 ? Math.floor(this.#nextSlabBytes() / this.cellBytes) : Infinity;
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
    while (from.owners[from.movedFrom] === undefined);
    const cell = from.movedFrom;
    const owner = from.owners[cell]!;
    this.take(owner);
    const target = owner.slab!;
    from.memory.copy(target.memory, owner.cell * this.cellBytes, cell * this.cellBytes, (cell + 1) * this.cellBytes);
    this.give(from, cell);
  }

  #emptiestSlab(): Slab {
    let emptiest = this.slabs[0]!;
    for (const slab of this.slabs) if (slab.live < emptiest.live) emptiest = slab;
    return emptiest;
  }

  #nextSlabBytes(): number {
    return Math.min(hotSlabBytesMax, Math.max(hotSlabBytesMin, this.bytes, this.cellBytes * 4));
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
    this.bytes -= slab.memory.byteLength;
    this.cells -= slab.cells;
  }
}

export class SlabArena {
  readonly #classes = cellSizes.map((cellBytes) => new SizeClass(cellBytes));
  #bytes = 0;

  /** Memory of all slabs, free cells included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Gives `copy` a cell for `length` bytes, 1 to hotSmallValueBytesMax; the cell's content is undefined. */
  take(copy: HotCopy, length: number): void {
    const sizeClass = this.#classes[classOfLength[(length + 15) >> 4]!]!;
    const before = sizeClass.bytes;
    sizeClass.take(copy);
    this.#bytes += sizeClass.bytes - before;
  }

  give(copy: HotCopy): void {
    const slab = copy.slab!;
    const { sizeClass } = slab;
    const before = sizeClass.bytes;
    sizeClass.give(slab, copy.cell);
    copy.slab = undefined;
    sizeClass.compact(cellsMovedPerFree);
    this.#bytes += sizeClass.bytes - before;
  }
}
