/**
 * A map from (slot, key) to a value that never stalls, whatever its size.
 *
 *   slots, by their top bits ─┬─ 00… → table of 4,096 slots
 *                             ├─ 01… ↗
 *                             ├─ 10… → table of one slot        (after 14 bits)
 *                             └─ 11… → a slot's keys, by their hashes' top bits ─┬─ 0… → table
 *                                                                                └─ 1… → table
 *
 * A JavaScript Map copies itself when it grows (over a second at some millions of entries) and throws at 2^24. Here
 * are many tables (key-table.ts), found by a directory: extendible hashing (Fagin, Nievergelt, Pippenger, Strong,
 * 1979). A table that outgrows its bound is split by the next bit, and where it had all bits of the directory, that doubles:
 * one split moves one table's entries, and doubling copies pointers. Splitting goes by slot until a table has
 * one slot alone, and beyond by the hash of its keys. Top bits, so that the tables of a slot lie in the order
 * of hashes that a scan walks.
 *
 * Slots share tables because every step to another object waits for memory where there are more of them than the
 * processor's cache holds: with a table for each, 16,384 of them lay between a command and its key. The bound of what is
 * shared is lower, since who wants one slot looks through its whole table.
 *
 * Tables are not merged: what has once been large has small tables when it is small again. But a slot with tables of its own
 * that has become empty has one again.
 */
import { indexLeafEntriesMax, indexSharedLeafEntriesMax, indexSplitBitsMax, slotCount } from '../../limits.ts';
import { keyHash } from './key-hash.ts';
import { KeyTable } from './key-table.ts';

/** One past the highest hash. */
export const hashEnd = 2 ** 32;
const hashBits = 32;
const slotBits = Math.log2(slotCount);

interface Deep {
  /** How many top bits all its numbers share. */
  readonly depth: number;
}

/** Leaves by the top bits of numbers below 2^bits; those of less depth than its own are in several neighbouring places. */
class Directory<Leaf extends Deep> {
  readonly #bits: number;
  #leaves: Leaf[];
  #depth = 0;

  constructor(bits: number, leaf: Leaf) {
    this.#bits = bits;
    this.#leaves = [leaf];
  }

  at(number: number): Leaf {
    return this.#leaves[this.#place(number)]!;
  }

  /** Puts a leaf where another one of its depth was. */
  replace(number: number, leaf: Leaf): void {
    this.#fill(number, leaf);
  }

  /** Puts two leaves of one depth more where the leaf of this number was. */
  split(number: number, low: Leaf, high: Leaf): void {
    if (low.depth > this.#depth) {
      const doubled: Leaf[] = [];
      for (const leaf of this.#leaves) doubled.push(leaf, leaf);
      this.#leaves = doubled;
      this.#depth += 1;
    }
    const half = 2 ** (this.#bits - low.depth);
    const first = number - (number % (2 * half));
    this.#fill(first, low);
    this.#fill(first + half, high);
  }

  #fill(number: number, leaf: Leaf): void {
    const width = 2 ** (this.#depth - leaf.depth);
    const place = this.#place(number);
    this.#leaves.fill(leaf, place - (place % width), place - (place % width) + width);
  }

  #place(number: number): number {
    // A shift by 32 bits would be none.
    return this.#depth === 0 ? 0 : number >>> (this.#bits - this.#depth);
  }
}

/** A slot with tables of its own, by the hashes of its keys. */
class LargeSlot<Value extends object> implements Deep {
  readonly depth = slotBits;
  readonly #keyOf: (value: Value) => string;
  readonly #tables: Directory<KeyTable<Value>>;

  /** `table` is that of the slot alone. */
  constructor(table: KeyTable<Value>, keyOf: (value: Value) => string) {
    this.#keyOf = keyOf;
    this.#tables = new Directory(hashBits, table);
    this.#split(0, table, 1);
  }

  at(hash: number): KeyTable<Value> {
    return this.#tables.at(hash);
  }

  splitIfLarge(hash: number): void {
    const table = this.#tables.at(hash);
    if (table.size <= indexLeafEntriesMax || table.depth === indexSplitBitsMax) return;
    this.#split(hash, table, table.depth + 1);
  }

  #split(hash: number, table: KeyTable<Value>, depth: number): void {
    const bit = hashBits - depth;
    const isHigh = (_slot: number, value: Value): boolean => ((keyHash(this.#keyOf(value)) >>> bit) & 1) === 1;
    const [low, high] = table.split(depth, isHigh);
    this.#tables.split(hash, low, high);
  }
}

/** A run of a slot's values whose keys' hashes are below `end` and not below where the run was asked for. */
export interface Run<Value extends object> {
  readonly leaf: {
    readonly size: number;
    /** Values may be set and deleted on the way: each that is still there is given once, as it is then. */
    values(): Iterable<Value>;
  };
  readonly end: number;
}

export class SlotMap<Value extends object> {
  readonly #keyOf: (value: Value) => string;
  readonly #slots: Directory<KeyTable<Value> | LargeSlot<Value>>;
  /** Keys by slot. */
  readonly #sizes = new Int32Array(slotCount);
  #size = 0;
  /** Counts what was set and deleted, for those who walk over values meanwhile. */
  #changes = 0;

  /** `keyOf` tells the key that a value was set under. */
  constructor(keyOf: (value: Value) => string) {
    this.#keyOf = keyOf;
    this.#slots = new Directory<KeyTable<Value> | LargeSlot<Value>>(slotBits, new KeyTable(keyOf));
  }

  /** Keys. */
  get size(): number {
    return this.#size;
  }

  get(slot: number, key: string): Value | undefined {
    return this.#tableOf(slot, key).get(slot, key);
  }

  /** Returns the value that was there. */
  set(slot: number, key: string, value: Value): Value | undefined {
    const table = this.#tableOf(slot, key);
    const previous = table.set(slot, key, value);
    this.#changes += 1;
    if (previous !== undefined) return previous;
    this.#size += 1;
    this.#sizes[slot]! += 1;
    if (table.size > indexSharedLeafEntriesMax) this.#splitIfLarge(slot, key);
    return undefined;
  }

  delete(slot: number, key: string): boolean {
    if (!this.#tableOf(slot, key).delete(slot, key)) return false;
    this.#changes += 1;
    this.#size -= 1;
    this.#sizes[slot]! -= 1;
    if (this.#sizes[slot] === 0 && this.#slots.at(slot) instanceof LargeSlot) {
      this.#slots.replace(slot, new KeyTable(this.#keyOf, slotBits));
    }
    return true;
  }

  /** Keys of a slot. */
  sizeOf(slot: number): number {
    return this.#sizes[slot]!;
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
    const size = this.#sizes[slot]!;
    if (size === 0) return undefined;
    const leaf = this.#slots.at(slot);
    if (leaf instanceof KeyTable) return { leaf: this.#leafOf(slot, leaf, size), end: hashEnd };
    const table = leaf.at(from);
    const width = 2 ** (hashBits - table.depth);
    return { leaf: this.#leafOf(slot, table, table.size), end: from - (from % width) + width };
  }

  #leafOf(slot: number, table: KeyTable<Value>, size: number): Run<Value>['leaf'] {
    return { size, values: () => this.#present(slot, table) };
  }

  *#present(slot: number, table: KeyTable<Value>): Generator<Value> {
    const present = table.valuesOf(slot);
    const changes = this.#changes;
    for (const value of present) {
      const current = this.#changes === changes ? value : this.get(slot, this.#keyOf(value));
      if (current !== undefined) yield current;
    }
  }

  /** The table where the key is, if it is anywhere. */
  #tableOf(slot: number, key: string): KeyTable<Value> {
    const leaf = this.#slots.at(slot);
    return leaf instanceof KeyTable ? leaf : leaf.at(keyHash(key));
  }

  /** Splits the table of a key that has just come if that has become too large. */
  #splitIfLarge(slot: number, key: string): void {
    const leaf = this.#slots.at(slot);
    if (leaf instanceof LargeSlot) {
      leaf.splitIfLarge(keyHash(key));
    } else if (leaf.depth === slotBits) {
      if (leaf.size > indexLeafEntriesMax) this.#slots.replace(slot, new LargeSlot(leaf, this.#keyOf));
    } else if (leaf.size > indexSharedLeafEntriesMax) {
      const depth = leaf.depth + 1;
      const bit = slotBits - depth;
      const [low, high] = leaf.split(depth, (other) => ((other >>> bit) & 1) === 1);
      this.#slots.split(slot, low, high);
      // All of them, the key that came last too, may be in one half.
      this.#splitIfLarge(slot, key);
    }
  }
}
