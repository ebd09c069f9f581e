/**
 * A sequence with quick access to any place: read, insert, remove and find in O(log n).
 *
 *   chunks   │ a b c … │ d e │ f g h … │          at most 512 items each
 *   counts   Fenwick tree over the chunks' lengths: the place of a chunk, and the chunk of a place
 *
 * An insert shifts the items of one chunk, which is one memory move, and a chunk that is full is split. The tree is built
 * anew when the number of chunks changes, every few hundred inserts. Rejected: a skip list as Redis has it, which takes
 * five objects for an item where this takes eight bytes; an array, which moves all that lies behind.
 *
 * Source of the tree: P. Fenwick, "A New Data Structure for Cumulative Frequency Tables", 1994.
 */

const chunkItemsMax = 512;
/** Neighbours that together have no more than this become one. */
const joinedItemsMax = 256;

export class ChunkedSequence<Item> {
  #chunks: Item[][] = [];
  /** Counted from 1, as such trees are. */
  #tree: number[] = [0];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  at(index: number): Item {
    const { chunk, offset } = this.#locate(index);
    return this.#chunks[chunk]![offset]!;
  }

  set(index: number, item: Item): void {
    const { chunk, offset } = this.#locate(index);
    this.#chunks[chunk]![offset] = item;
  }

  /** Puts an item before the one at `index`, or at the end. */
  insert(index: number, item: Item): void {
    if (index === this.#length) {
      this.#append(item);
      return;
    }
    const { chunk, offset } = this.#locate(index);
    const items = this.#chunks[chunk]!;
    this.#length += 1;
    if (items.length < chunkItemsMax) {
      items.splice(offset, 0, item);
      this.#add(chunk, 1);
    } else if (chunk === 0 && offset === 0) {
      this.#chunks.unshift([item]);
      this.#build();
    } else {
      const tail = items.splice(chunkItemsMax / 2);
      if (offset <= items.length) items.splice(offset, 0, item);
      else tail.splice(offset - items.length, 0, item);
      this.#chunks.splice(chunk + 1, 0, tail);
      this.#build();
    }
  }

  remove(index: number): Item {
    const { chunk, offset } = this.#locate(index);
    const items = this.#chunks[chunk]!;
    const item = items[offset]!;
    // The first of a long chunk goes as quickly as the last.
    if (offset === 0) items.shift();
    else items.splice(offset, 1);
    this.#length -= 1;
    const next = this.#chunks[chunk + 1];
    if (items.length === 0) {
      this.#chunks.splice(chunk, 1);
      this.#build();
    } else if (
      next !== undefined &&
      items.length < joinedItemsMax / 4 &&
      items.length + next.length <= joinedItemsMax
    ) {
      this.#chunks.splice(chunk, 2, items.concat(next));
      this.#build();
    } else {
      this.#add(chunk, -1);
    }
    return item;
  }

  /** The first place of which `isBefore` is false; it must be true of all before and false of all behind. */
  lowerBound(isBefore: (item: Item) => boolean): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBefore(this.#chunks[middle]!.at(-1)!)) low = middle + 1;
      else high = middle;
    }
    const items = this.#chunks[low];
    if (items === undefined) return this.#length;
    let from = 0;
    let to = items.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (isBefore(items[middle]!)) from = middle + 1;
      else to = middle;
    }
    return this.#before(low) + from;
  }

  /** Items from `from` to `to` (exclusive), upward. Nothing may change meanwhile. */
  *upward(from = 0, to = this.#length): Generator<Item> {
    if (from >= to) return;
    let { chunk, offset } = this.#locate(from);
    for (let left = to - from; left > 0; left--) {
      if (offset === this.#chunks[chunk]!.length) {
        chunk += 1;
        offset = 0;
      }
      yield this.#chunks[chunk]![offset++]!;
    }
  }

  /** Items from `from` down to `to` (inclusive). */
  *downward(from: number, to: number): Generator<Item> {
    if (from < to) return;
    let { chunk, offset } = this.#locate(from);
    for (let left = from - to + 1; left > 0; left--) {
      if (offset < 0) {
        chunk -= 1;
        offset = this.#chunks[chunk]!.length - 1;
      }
      yield this.#chunks[chunk]![offset--]!;
    }
  }

  #append(item: Item): void {
    const last = this.#chunks.at(-1);
    this.#length += 1;
    if (last !== undefined && last.length < chunkItemsMax) {
      last.push(item);
      this.#add(this.#chunks.length - 1, 1);
    } else {
      this.#chunks.push([item]);
      this.#build();
    }
  }

  #locate(index: number): { chunk: number; offset: number } {
    let chunk = 0;
    let left = index;
    for (let step = topBit(this.#chunks.length); step > 0; step >>>= 1) {
      const next = chunk + step;
      if (next >= this.#tree.length || this.#tree[next]! > left) continue;
      chunk = next;
      left -= this.#tree[next]!;
    }
    return { chunk, offset: left };
  }

  /** Items before a chunk. */
  #before(chunk: number): number {
    let count = 0;
    for (let at = chunk; at > 0; at -= at & -at) count += this.#tree[at]!;
    return count;
  }

  #add(chunk: number, count: number): void {
    for (let at = chunk + 1; at < this.#tree.length; at += at & -at) this.#tree[at]! += count;
  }

  #build(): void {
    const tree = [0, ...this.#chunks.map(({ length }) => length)];
    for (let at = 1; at < tree.length; at++) {
      const parent = at + (at & -at);
      if (parent < tree.length) tree[parent]! += tree[at]!;
    }
    this.#tree = tree;
  }
}

function topBit(value: number): number {
  return value === 0 ? 0 : 2 ** (31 - Math.clz32(value));
}
