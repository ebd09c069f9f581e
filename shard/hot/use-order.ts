/**
 * The order in which many things were used, as lists through numbers.
 *
 *   list    end ⇄ newest ⇄ … ⇄ … ⇄ oldest ⇄ end      a ring; its end is a node without an owner
 *   node    number of a chunk × 4,096 + place in it
 *   chunk   links  [ newer, older │ newer, older │ … ]   8 bytes a node, which the processor fetches together
 *           lists  [ list │ list │ … ]                   1 byte: which one the node is in
 *           owners [ entry │ entry │ … ]                 8 bytes
 *
 * Whoever keeps things asks for a chunk of nodes, one for each place that it has (slab-arena.ts: one for each cell), and
 * gives the chunk back when its places are gone. So the number of a node also tells where its thing lies, a step of any
 * kind writes to a handful of numbers, and nothing ever grows by being copied. A node can be in one list at a time, and
 * to take it out one need not know in which.
 *
 * Node 0 is none. Numbers are signed 32-bit ones, which V8 keeps without an object of their own.
 *
 * Rejected: an object a link, which takes 104 bytes instead of 17, and which every full collection of garbage visits.
 */
import { useOrderChunksMax } from '../../limits.ts';
import { emptyPlaces } from '../empty-places.ts';

const placeBits = 12;
export const nodesPerChunkMax = 2 ** placeBits;
const placeMask = nodesPerChunkMax - 1;
/** What a node takes of memory. */
export const nodeBytes = 17;
export const noNode = 0;

/** A list, by the node that is its end. */
export type UseList = number;
const listsMax = 7;

export class NodeChunk<Owner extends object> {
  /** Of its first node; the others follow. */
  readonly first: number;
  /**
   * Neighbours in a list: of each place the newer one, then the older one. Of nodes in no list they are for the holder of
   * the chunk to use.
   */
  readonly links: Int32Array;
  /** Of nodes that are in one. */
  readonly lists: Uint8Array;
  /** Undefined for nodes in no list. */
  readonly owners: (Owner | undefined)[];

  constructor(first: number, nodes: number) {
    this.first = first;
    this.links = new Int32Array(2 * nodes);
    this.lists = new Uint8Array(nodes);
    this.owners = emptyPlaces(nodes);
  }
}

/** The number of the chunk that a node is in, and its place there. */
export function chunkOf(node: number): number {
  return node >>> placeBits;
}

export function placeOf(node: number): number {
  return node & placeMask;
}

export class UseOrder<Owner extends object> {
  /** By number. The first one has the ends of the lists. */
  readonly #chunks: (NodeChunk<Owner> | undefined)[] = [new NodeChunk(0, 1 + listsMax)];
  readonly #givenBack: number[] = [];
  #lists = 0;

  /** A new list, without nodes; listsMax at most. */
  list(): UseList {
    const list = ++this.#lists;
    if (list > listsMax) throw new Error(`more than ${listsMax} lists in the order of use`);
    const ends = this.#chunk(list);
    ends.links[2 * list] = list;
    ends.links[2 * list + 1] = list;
    ends.lists[list] = list;
    return list;
  }

  /** So many new nodes, in no list: 1 to nodesPerChunkMax. */
  reserve(nodes: number): NodeChunk<Owner> {
    const number = this.#givenBack.pop() ?? this.#chunks.length;
    if (number >= useOrderChunksMax) throw new Error(`more than ${useOrderChunksMax} chunks in the order of use`);
    const chunk = new NodeChunk<Owner>(number << placeBits, nodes);
    this.#chunks[number] = chunk;
    return chunk;
  }

  /** Gives a chunk back of which no node is in a list. */
  release(chunk: NodeChunk<Owner>): void {
    const number = chunkOf(chunk.first);
    this.#chunks[number] = undefined;
    this.#givenBack.push(number);
  }

  /** Puts a node that is in no list into the one of `newer`, right behind it: a node, or a list to be its newest one. */
  add(newer: number, node: number, owner: Owner): void {
    this.setOwner(node, owner);
    this.#link(newer, node);
  }

  remove(node: number): void {
    this.#unlink(node);
    this.#chunk(node).owners[placeOf(node)] = undefined;
  }

  /** The same with a node that is in a list, whichever it was. */
  use(newer: number, node: number): void {
    if (this.#chunk(newer).links[2 * placeOf(newer) + 1] === node) return;
    this.#unlink(node);
    this.#link(newer, node);
  }

  /** Puts a node that is in no list in place of another one, and returns the owner, which is the same. */
  replace(node: number, by: number): Owner {
    const owner = this.ownerOf(node);
    const newer = this.#chunk(node).links[2 * placeOf(node)]!;
    this.remove(node);
    this.#link(newer, by);
    this.setOwner(by, owner);
    return owner;
  }

  /** The list that the node is in. */
  listOf(node: number): UseList {
    return this.#chunk(node).lists[placeOf(node)]!;
  }

  /** Of a node in a list. */
  ownerOf(node: number): Owner {
    return this.#chunk(node).owners[placeOf(node)]!;
  }

  setOwner(node: number, owner: Owner): void {
    this.#chunk(node).owners[placeOf(node)] = owner;
  }

  /** The least recently used, or none. */
  oldest(list: UseList): number {
    return this.newerThan(list, list);
  }

  /** The next more recently used one, or none. */
  newerThan(list: UseList, node: number): number {
    const newer = this.#chunk(node).links[2 * placeOf(node)]!;
    return newer === list ? noNode : newer;
  }

  /** Puts the node behind another one, or as the newest one behind the end of a list. */
  #link(newer: number, node: number): void {
    const chunks = this.#chunks;
    const chunk = chunks[chunkOf(node)]!;
    const chunkOfNewer = chunks[chunkOf(newer)]!;
    const at = 2 * placeOf(node);
    const atNewer = 2 * placeOf(newer);
    const older = chunkOfNewer.links[atNewer + 1]!;
    chunk.links[at] = newer;
    chunk.links[at + 1] = older;
    chunk.lists[placeOf(node)] = chunkOfNewer.lists[placeOf(newer)]!;
    chunks[chunkOf(older)]!.links[2 * placeOf(older)] = node;
    chunkOfNewer.links[atNewer + 1] = node;
  }

  #unlink(node: number): void {
    const chunks = this.#chunks;
    const { links } = chunks[chunkOf(node)]!;
    const newer = links[2 * placeOf(node)]!;
    const older = links[2 * placeOf(node) + 1]!;
    chunks[chunkOf(newer)]!.links[2 * placeOf(newer) + 1] = older;
    chunks[chunkOf(older)]!.links[2 * placeOf(older)] = newer;
  }

  #chunk(node: number): NodeChunk<Owner> {
    return this.#chunks[chunkOf(node)]!;
  }
}
