/**
 * A queue in an array: what is taken out leaves a gap at the front, and once half the array is gap it is cut off.
 *
 * Taking and adding are O(1) amortized, and an item that was taken is referenced no more, which matters when items hold
 * megabytes and the queue is never quite empty. Array.shift alone moves every item of a long queue.
 */

const gapMin = 1_024;

export class Fifo<Item> {
  #items: (Item | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  /** The oldest item, which stays; undefined if there is none. */
  peek(): Item | undefined {
    return this.#items[this.#head];
  }

  shift(): Item | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#items.length) this.clear();
    else if (this.#head >= gapMin && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}
