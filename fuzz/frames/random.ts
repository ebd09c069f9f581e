/** Random input, the same for the same seed. */
import { randomNumbers } from '../../doors/resp/testing/frames.ts';

export class Dice {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomNumbers(seed);
  }

  /** A whole number below `count`. */
  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  /** True in so many of a hundred cases. */
  percent(share: number): boolean {
    return this.#random() * 100 < share;
  }

  one<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }

  /** Fewer than `count` bytes. */
  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: this.below(count) }, () => this.below(256)));
  }

  /** The frame with one of its bytes another one. */
  dented(frame: Buffer): Buffer {
    const dented = Buffer.from(frame);
    if (dented.byteLength > 0) dented[this.below(dented.byteLength)] = this.below(256);
    return dented;
  }

  /** Right as it is, dented, cut, or nothing like it. */
  spoilt(frame: Buffer): Buffer {
    if (this.percent(50)) return frame;
    if (this.percent(50)) return this.dented(frame);
    return this.percent(50) ? frame.subarray(0, this.below(frame.byteLength + 1)) : this.bytes(80);
  }
}
