/**
 * A map from (slot, key) to a value that never stalls, whatever its size.
 *
 *   slots[0…16383] → nothing | one Map | directory ─┬─ 00… → leaf (depth 1)
 *                                                   ├─ 01… ↗
 *                                                   ├─ 10… → leaf (depth 2)
 *                                                   └─ 11… → leaf (depth 2)
 *
 * A JavaScript Map copies itself when it grows (over a second at some millions of entries) and throws at 2^24. Here
 * every slot has a Map of its own, made when its first key comes. Past 2,048 entries it becomes a directory over
 * leaves by the top bits of the keys' hashes (extendible hashing: Fagin, Nievergelt, Pippenger, Strong, 1979): one
 * split moves one leaf's entries, and doubling the directory copies pointers. Top bits, so that the leaves of a slot
 * lie in the order of hashes that a scan walks.
 *
 * Leaves are not merged: a slot that has once been large is small again only when it is empty.
 */
import { indexLeafEntriesMax, indexSplitBitsMax, slotCount } from '../../limits.ts';
import { keyHash } from './key-hash.ts';

/** One past the highest hash. */
export const hashEnd = 2 ** 32;

interface Leaf<Value> {
  readonly map: Map<string, Value>;
  /** How many top bits of the hash all its keys share. */
  depth: number;
}

/** A slot that has been split. */
class Directory<Value> {
  /** By the top `depth` bits of the hash; 2^depth places, leaves of less depth in several neighbouring ones. */
  leaves: Leaf<Value>[];
  depth = 0;
  size: number;

  constructor(map: Map<string, Value>) {
    this.leaves = [{ map, depth: 0 }];
    this.size = map.size;
  }

  place(hash: number): number {
    return this.depth === 0 ? 0 : hash >>> (32 - this.depth);
  }

  /** Splits the leaf at this place by its next bit. */
  split(place: number): void {
    const leaf = this.leaves[place]!;
    if (leaf.depth === this.depth) {
      const doubled: Leaf<Value>[] = [];
      for (const each of this.leaves) doubled.push(each, each);
      this.leaves = doubled;
      this.depth += 1;
      place *= 2;
    }
    const width = 2 ** (this.depth - leaf.depth);
    const first = place - (place % width);
    const depth = leaf.depth + 1;
    const low: Leaf<Value> = { map: new Map(), depth };
    const high: Leaf<Value> = { map: new Map(), depth };
    for (const [key, value] of leaf.map) {
      const isHigh = (keyHash(key) >>> (32 - depth)) & 1;
      (isHigh ? high : low).map.set(key, value);
    }
    for (let offset = 0; offset < width; offset++) this.leaves[first + offset] = offset < width / 2 ? low : high;
  }
}

/** A run of a slot's keys whose hashes are below `end` and not below where the run was asked for. */
export interface Run<Value> {
  readonly map: ReadonlyMap<string, Value>;
  readonly end: number;
}

export class SlotMap<Value> {
  readonly #slots: (Map<string, Value> | Directory<Value> | undefined)[] = Array.from({ length: slotCount });
  #size = 0;

  /** Keys. */
  get size(): number {
    return this.#size;
  }

  get(slot: number, key: string): Value | undefined {
    const part = this.#slots[slot];
    if (part === undefined) return undefined;
    if (part instanceof Directory) return part.leaves[part.place(keyHash(key))]!.map.get(key);
    return part.get(key);
  }

  set(slot: number, key: string, value: Value): void {
    const part = this.#slots[slot];
    if (part instanceof Directory) {
      this.#setInDirectory(part, key, value);
    } else if (part === undefined) {
      this.#slots[slot] = new Map([[key, value]]);
      this.#size += 1;
    } else {
      const before = part.size;
      part.set(key, value);
      this.#size += part.size - before;
      if (part.size > indexLeafEntriesMax) this.#slots[slot] = splitOnce(new Directory(part));
    }
  }

  delete(slot: number, key: string): boolean {
    const part = this.#slots[slot];
    if (part === undefined) return false;
    const isDirectory = part instanceof Directory;
    const map = isDirectory ? part.leaves[part.place(keyHash(key))]!.map : part;
    if (!map.delete(key)) return false;
    this.#size -= 1;
    if (isDirectory) part.size -= 1;
    if (part.size === 0) this.#slots[slot] = undefined;
    return true;
  }

  /** Keys of a slot. */
  sizeOf(slot: number): number {
    return this.#slots[slot]?.size ?? 0;
  }

  /** Values of a slot. */
  *values(slot: number): Generator<Value> {
    for (let from = 0; from < hashEnd;) {
      const run = this.run(slot, from);
      if (run === undefined) return;
      yield* run.map.values();
      from = run.end;
    }
  }

  /** The keys of a slot around the hash `from`: a whole leaf, of which those below `from` are not asked for. */
  run(slot: number, from: number): Run<Value> | undefined {
    const part = this.#slots[slot];
    if (part === undefined) return undefined;
    if (!(part instanceof Directory)) return { map: part, end: hashEnd };
    const leaf = part.leaves[part.place(from)]!;
    const width = 2 ** (32 - leaf.depth);
    return { map: leaf.map, end: from - (from % width) + width };
  }

  #setInDirectory(directory: Directory<Value>, key: string, value: Value): void {
    const place = directory.place(keyHash(key));
    const leaf = directory.leaves[place]!;
    const before = leaf.map.size;
    leaf.map.set(key, value);
    const added = leaf.map.size - before;
    directory.size += added;
    this.#size += added;
    if (leaf.map.size > indexLeafEntriesMax && leaf.depth < indexSplitBitsMax) directory.split(place);
  }
}

function splitOnce<Value>(directory: Directory<Value>): Directory<Value> {
  directory.split(0);
  return directory;
}
