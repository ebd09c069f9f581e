/**
 * A slab: cells of one size, and the nodes that stand for them in the order of use.
 *
 *   memory   [ meta body …… | meta body … | …… ]     cells; none in the class of copies that lie outside
 *   chunk    a node for each, which also tells whose a cell is
 *
 * Cells that were freed are a stack through the nodes' numbers, which are of no other use then.
 */
import { emptyPlaces } from '../empty-places.ts';
import type { LentEntry } from '../journal.ts';
import { type LargeCopy, largeCopyOverheadBytes } from './large-copy.ts';
import type { SizeClass } from './slab-arena.ts';
import { nodeBytes, type NodeChunk } from './use-order.ts';

const noCell = -1;
const noMemory = Buffer.alloc(0);
/** What a place among the large copies takes beside a node. */
const pointerBytes = 8;

/** What a cell takes of memory, with all that belongs to it. */
export function cellGrossBytes(cellBytes: number): number {
  return nodeBytes + (cellBytes === 0 ? pointerBytes : cellBytes);
}

export class Slab {
  readonly sizeClass: SizeClass;
  readonly cellBytes: number;
  readonly chunk: NodeChunk<LentEntry>;
  readonly memory: Buffer;
  /** Of cells without bytes, what their copies are. */
  readonly large: (LargeCopy | undefined)[] | undefined;
  /** Cells from here on were never used. */
  fresh = 0;
  live = 0;
  /** Place among the slabs of the class, and among those with room; -1 is none. */
  index = -1;
  openIndex = -1;
  /** While the slab is moved out: cells from here on are known to be free. */
  movedFrom = 0;
  /** How many bytes of a cell are meta, and one more; 0 for no meta. There since a value with meta came. */
  #metaBytes: Uint16Array | undefined = undefined;
  /** The last of the cells that were used and freed; the node of each has the one before it as `older`. */
  #freed = noCell;

  constructor(sizeClass: SizeClass, cellBytes: number, chunk: NodeChunk<LentEntry>) {
    this.sizeClass = sizeClass;
    this.cellBytes = cellBytes;
    this.chunk = chunk;
    this.memory = cellBytes === 0 ? noMemory : Buffer.allocUnsafeSlow(chunk.owners.length * cellBytes);
    this.large = cellBytes === 0 ? emptyPlaces(chunk.owners.length) : undefined;
  }

  get cells(): number {
    return this.chunk.owners.length;
  }

  /** Gives the memory back at once, where else it would wait for a full collection of garbage. Nobody has views of it. */
  free(): void {
    if (this.cellBytes > 0) (this.memory.buffer as ArrayBuffer).transfer(0);
  }

  /** Where a cell begins in `memory`. */
  offsetOf(cell: number): number {
    return cell * this.cellBytes;
  }

  /** What the cell's copy takes, with all that belongs to it. */
  bytesOf(cell: number): number {
    const bytes = cellGrossBytes(this.cellBytes);
    const large = this.large?.[cell];
    return large === undefined ? bytes : bytes + large.bytes + largeCopyOverheadBytes;
  }

  /** How many bytes of the cell are meta, before the body; undefined for a value without. */
  metaBytesOf(cell: number): number | undefined {
    const held = this.#metaBytes?.[cell] ?? 0;
    return held === 0 ? undefined : held - 1;
  }

  setMetaBytes(cell: number, metaBytes: number | undefined): void {
    if (metaBytes !== undefined) this.#metaBytes ??= new Uint16Array(this.cells);
    if (this.#metaBytes !== undefined) this.#metaBytes[cell] = metaBytes === undefined ? 0 : metaBytes + 1;
  }

  takeCell(): number {
    this.live += 1;
    if (this.#freed === noCell) return this.fresh++;
    const cell = this.#freed;
    this.#freed = this.chunk.links[2 * cell]!;
    return cell;
  }

  giveCell(cell: number): void {
    this.live -= 1;
    this.chunk.links[2 * cell] = this.#freed;
    this.#freed = cell;
  }

  /** What the cell at this place holds becomes the content of another cell of the class. */
  copyCell(cell: number, target: Slab, to: number): void {
    const from = this.offsetOf(cell);
    this.memory.copy(target.memory, target.offsetOf(to), from, from + this.cellBytes);
    target.setMetaBytes(to, this.metaBytesOf(cell));
    if (this.large === undefined) return;
    target.large![to] = this.large[cell];
    this.large[cell] = undefined;
  }
}
