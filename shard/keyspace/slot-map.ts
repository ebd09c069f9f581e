/**
 * A map from (slot, key) to a value that never stalls, whatever its size.
 *
 *   slots[0…16383] → nothing | one table | directory ─┬─ 00… → leaf (depth 1)
 *                                                     ├─ 01… ↗
 *                                                     ├─ 10… → leaf (depth 2)
 *                                                     └─ 11… → leaf (depth 2)
 *
 * A JavaScript Map copies itself when it grows (over a second at some millions of entries) and throws at 2^24. Here
 * every slot has a table of its own (key-table.ts), made when its first key comes. Past 2,048 entries it becomes a
 * directory over leaves by the top bits of the keys' hashes (extendible hashing: Fagin, Nievergelt, Pippenger, Strong, 1979): one
 * split moves one leaf's entries, and doubling the directory copies pointers. Top bits, so that the leaves of a slot
 * lie in the order of hashes that a scan walks.
 *
 * Leaves are not merged: a slot that has once been large is small again only when it is empty.
 */
import { indexLeafEntriesMax, indexSplitBitsMax, slotCount } from '../../limits.ts';
import { keyHash } from './key-hash.ts';
import { KeyTable } from './key-table.ts';

/** One past the highest hash. */
export const hashEnd = 2 ** 32;

interface Leaf<Value extends object> {
  readonly table: KeyTable<Value>;
  /** How many top bits of the hash all its keys share. */
  depth: number;
}

/** A slot that has been split. */
class Directory<Value extends object> {
  /** By the top `depth` bits of the hash; 2^depth places, leaves of less depth in several neighbouring ones. */
  leaves: Leaf<Value>[];
  depth = 0;
  size: number;
  readonly #keyOf: (value: Value) => string;

  constructor(table: KeyTable<Value>, keyOf: (value: Value) => string) {
    this.leaves = [{ table, depth: 0 }];
    this.size = table.size;
    this.#keyOf = keyOf;
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
    const low: Leaf<Value> = { table: new KeyTable(this.#keyOf), depth };
    const high: Leaf<Value> = { table: new KeyTable(this.#keyOf), depth };
    for (const value of leaf.table.values()) {
      const key = this.#keyOf(value);
      const isHigh = (keyHash(key) >>> (32 - depth)) & 1;
      (isHigh ? high : low).table.set(key, value);
    }
    for (let offset = 0; offset < width; offset++) this.leaves[first + offset] = offset < width / 2 ? low : high;
  }
}

/** A run of a slot's values whose keys' hashes are below `end` and not below where the run was asked for. */
export interface Run<Value extends object> {
  readonly leaf: Pick<KeyTable<Value>, 'size' | 'values'>;
  readonly end: number;
}

export class SlotMap<Value extends object> {
  readonly #slots: (KeyTable<Value> | Directory<Value> | undefined)[] = Array.from({ length: slotCount });
  readonly #keyOf: (value: Value) => string;
  #size = 0;

  /** `keyOf` tells the key that a value was set under. */
  constructor(keyOf: (value: Value) => string) {
    this.#keyOf = keyOf;
  }

  /** Keys. */
  get size(): number {
    return this.#size;
  }

  get(slot: number, key: string): Value | undefined {
    const part = this.#slots[slot];
    if (part === undefined) return undefined;
    return tableOf(part, key).get(key);
  }

  /** Returns the value that was there. */
  set(slot: number, key: string, value: Value): Value | undefined {
    let part = this.#slots[slot];
    if (part === undefined) this.#slots[slot] = part = new KeyTable(this.#keyOf);
    const previous = part instanceof Directory ? this.#setInDirectory(part, key, value) : part.set(key, value);
    if (previous !== undefined) return previous;
    this.#size += 1;
    if (part instanceof KeyTable && part.size > indexLeafEntriesMax) this.#split(slot, part);
    return undefined;
  }

  delete(slot: number, key: string): boolean {
    const part = this.#slots[slot];
    if (part === undefined || !tableOf(part, key).delete(key)) return false;
    this.#size -= 1;
    if (part instanceof Directory) part.size -= 1;
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
      yield* run.leaf.values();
      from = run.end;
    }
  }

  /** The keys of a slot around the hash `from`: a whole leaf, of which those below `from` are not asked for. */
  run(slot: number, from: number): Run<Value> | undefined {
    const part = this.#slots[slot];
    if (part === undefined) return undefined;
    if (part instanceof KeyTable) return { leaf: part, end: hashEnd };
    const leaf = part.leaves[part.place(from)]!;
    const width = 2 ** (32 - leaf.depth);
    return { leaf: leaf.table, end: from - (from % width) + width };
  }

  #setInDirectory(directory: Directory<Value>, key: string, value: Value): Value | undefined {
    const place = directory.place(keyHash(key));
    const leaf = directory.leaves[place]!;
    const previous = leaf.table.set(key, value);
    if (previous !== undefined) return previous;
    directory.size += 1;
    if (leaf.table.size > indexLeafEntriesMax && leaf.depth < indexSplitBitsMax) directory.split(place);
    return undefined;
  }

  #split(slot: number, table: KeyTable<Value>): void {
    const directory = new Directory(table, this.#keyOf);
    directory.split(0);
    this.#slots[slot] = directory;
  }
}

/** The table where the key is, if it is anywhere. */
function tableOf<Value extends object>(part: KeyTable<Value> | Directory<Value>, key: string): KeyTable<Value> {
  return part instanceof KeyTable ? part : part.leaves[part.place(keyHash(key))]!.table;
}
