/**
 * What a connection sends next: small parts side by side in shared memory, large values as they stand.
 *
 *   slab   [ … sent … | piece in hand → | free ]     a piece is sent as a view of its slab and never written again
 *
 * One output serves all connections of a door, for one after the other writes what it has and takes it away (`take`):
 * between two takes, everything belongs to one connection. So a tick of replies is one buffer and one write, whatever
 * the number of commands, and a value above `outputJoinedBytesMax` is a buffer of its own in the middle, not copied.
 */
import { outputJoinedBytesMax, outputSlabBytes } from '../limits.ts';

/** Copying fewer bytes one by one is faster than a call. */
const byteWiseMax = 24;

export class Output {
  protected slab = Buffer.allocUnsafeSlow(outputSlabBytes);
  protected at = 0;
  #from = 0;
  /** Pieces before the one in hand, and their bytes. */
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** Bytes written and not taken. */
  get bytes(): number {
    return this.#bytes + this.at - this.#from;
  }

  /** Everything written since the last time, in order. */
  take(): Buffer[] {
    this.#cut();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#bytes = 0;
    return pieces;
  }

  /** Many bytes stay where they are, and must not change any more; of few a copy is made. */
  append(bytes: Buffer): void {
    const { byteLength } = bytes;
    if (byteLength > outputJoinedBytesMax) {
      this.#cut();
      this.#pieces.push(bytes);
      this.#bytes += byteLength;
    } else {
      this.reserve(byteLength);
      this.copy(bytes);
    }
  }

  /** Into room that is reserved. */
  protected copy(bytes: Buffer): void {
    const { byteLength } = bytes;
    const { slab } = this;
    if (byteLength > byteWiseMax) slab.set(bytes, this.at);
    else for (let index = 0; index < byteLength; index++) slab[this.at + index] = bytes[index]!;
    this.at += byteLength;
  }

  /** Room for so many bytes in a row. */
  protected reserve(bytes: number): void {
    if (this.at + bytes <= this.slab.byteLength) return;
    this.#cut();
    this.slab = Buffer.allocUnsafeSlow(Math.max(outputSlabBytes, bytes));
    this.#from = 0;
    this.at = 0;
  }

  /** Ends the piece in hand. */
  #cut(): void {
    if (this.at === this.#from) return;
    this.#pieces.push(this.slab.subarray(this.#from, this.at));
    this.#bytes += this.at - this.#from;
    this.#from = this.at;
  }
}
