/**
 * Memory that a socket's bytes are read into, of a socket that asks for it (`onread` of net.connect).
 *
 *   slab      [ read | read | next read → | free ]      until little is left, then another one
 *   message   [ read ……………… | next read → ]             where the bytes of a large message belong
 *
 * No byte is ever read over one that came before, so that whoever keeps a view keeps what it has seen. The bytes of a
 * large message are put by the system where they are to lie: no copy is made of them, and a read takes all that has come.
 * They come in frames, and what stands before each comes by a short read, for what follows would have to be copied. Reads
 * are short until one of them is filled by something else.
 *
 * Rejected: one memory that every read fills again. Everybody who keeps bytes would have to copy them.
 */
import { http2ReadShortBytes, http2ReadSlabBytes, http2ReadSlabLeftBytesMin } from '../limits.ts';

const nothing = Buffer.alloc(0);

export class ReadMemory {
  readonly #whereNext: () => Buffer | undefined;
  #slab: Buffer = nothing;
  #at = 0;
  #given: Buffer = nothing;
  #isInPlace = false;
  #isShort = false;

  /** `whereNext` is asked before every read where its bytes belong, if that is known. */
  constructor(whereNext: () => Buffer | undefined) {
    this.#whereNext = whereNext;
  }

  /** For the next read. */
  next(): Buffer {
    const place = this.#whereNext();
    this.#isInPlace = place !== undefined;
    this.#given = place ?? this.#nextOfSlab();
    return this.#given;
  }

  /** So many bytes have been read into what was given last. */
  take(bytes: number): Buffer {
    const given = this.#given;
    const isFull = bytes === given.byteLength;
    if (this.#isInPlace) {
      this.#isShort = isFull;
    } else {
      this.#at += bytes;
      this.#isShort &&= !isFull;
    }
    return isFull ? given : given.subarray(0, bytes);
  }

  #nextOfSlab(): Buffer {
    if (this.#slab.byteLength - this.#at < http2ReadSlabLeftBytesMin) {
      this.#slab = Buffer.allocUnsafeSlow(http2ReadSlabBytes);
      this.#at = 0;
    }
    return this.#slab.subarray(this.#at, this.#isShort ? this.#at + http2ReadShortBytes : undefined);
  }
}
