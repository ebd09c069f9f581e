/**
 * Frames on their way to the socket: small things side by side in shared memory, large bodies as they stand.
 *
 *   slab   [ … sent … | piece in hand → | free ]     a piece is sent as a view of its slab and never written again
 *
 * Nothing leaves before `flush`, so that everything that one turn of the event loop has to say is one write: of
 * sixty-four small answers, one buffer. A body above `http2JoinedBytesMax` is a buffer of its own between pieces and
 * is not copied. A slab that has room left when all is flushed goes to whichever connection has something to say next:
 * one that is idle holds none.
 *
 * Bytes of bodies are told of again (`onFlushed`) when the system has taken them: until then they hold memory.
 */
import type { Duplex } from 'node:stream';
import { writeParts } from '../byte-parts.ts';
import { http2JoinedBytesMax, http2OutputSlabBytes } from '../limits.ts';
import { frameHeadBytes } from './protocol.ts';

/** What is left of a slab that no connection is writing into. */
let spare: { readonly slab: Buffer; readonly at: number } | undefined;

const nothing = Buffer.alloc(0);

export class FrameWriter {
  readonly #socket: Duplex;
  readonly #onFlushed: (bodyBytes: number) => void;
  #slab: Buffer = nothing;
  #from = 0;
  #at = 0;
  #pieces: Uint8Array[] = [];
  /** Of the pieces. */
  #bytes = 0;
  #bodyBytes = 0;
  /** The system has taken the last write at once, as it mostly does: then a callback would be a step of its own for each. */
  #isTaking = false;

  constructor(socket: Duplex, onFlushed: (bodyBytes: number) => void) {
    this.#socket = socket;
    this.#onFlushed = onFlushed;
  }

  /** Written and not flushed, and flushed and not taken by the system. */
  get unsentBytes(): number {
    return this.#bytes + this.#at - this.#from + this.#socket.writableLength;
  }

  /** The head of a frame, and room for `follows` bytes behind it that are written next. */
  head(length: number, type: number, flags: number, stream: number, follows = 0): void {
    this.#reserve(frameHeadBytes + follows);
    const slab = this.#slab;
    let at = this.#at;
    slab[at++] = length >>> 16;
    slab[at++] = (length >>> 8) & 0xff;
    slab[at++] = length & 0xff;
    slab[at++] = type;
    slab[at++] = flags;
    slab[at++] = stream >>> 24;
    slab[at++] = (stream >>> 16) & 0xff;
    slab[at++] = (stream >>> 8) & 0xff;
    slab[at++] = stream & 0xff;
    this.#at = at;
  }

  u16(value: number): void {
    this.#reserve(2);
    this.#slab[this.#at++] = (value >>> 8) & 0xff;
    this.#slab[this.#at++] = value & 0xff;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#at = this.#slab.writeUInt32BE(value, this.#at);
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.byteLength);
    this.#slab.set(bytes, this.#at);
    this.#at += bytes.byteLength;
  }

  /** Bytes of a message, which must not change any more. */
  body(bytes: Uint8Array): void {
    this.#bodyBytes += bytes.byteLength;
    if (bytes.byteLength <= http2JoinedBytesMax) {
      this.bytes(bytes);
      return;
    }
    this.#cut();
    this.#pieces.push(bytes);
    this.#bytes += bytes.byteLength;
  }

  /** Hands everything to the socket. */
  flush(): void {
    this.#cut();
    const pieces = this.#pieces;
    if (pieces.length === 0) return;
    const bodyBytes = this.#bodyBytes;
    this.#pieces = [];
    this.#bytes = 0;
    this.#bodyBytes = 0;
    const isTold = bodyBytes > 0 && !this.#isTaking;
    writeParts(this.#socket, pieces, isTold ? (): void => this.#onFlushed(bodyBytes) : undefined);
    this.#isTaking = this.#socket.writableLength === 0;
    if (bodyBytes > 0 && !isTold) this.#tell(bodyBytes);
    spare = { slab: this.#slab, at: this.#at };
    this.#slab = nothing;
    this.#from = 0;
    this.#at = 0;
  }

  /** Of a write that has no callback: at once, or when a write behind it is done. */
  #tell(bodyBytes: number): void {
    if (this.#isTaking) this.#onFlushed(bodyBytes);
    else this.#socket.write(nothing, () => this.#onFlushed(bodyBytes));
  }

  /** Room for so many bytes in a row. */
  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#slab.byteLength) return;
    this.#cut();
    const { slab, at } = spare ?? { slab: nothing, at: 0 };
    spare = undefined;
    const fits = at + bytes <= slab.byteLength;
    this.#slab = fits ? slab : Buffer.allocUnsafeSlow(Math.max(http2OutputSlabBytes, bytes));
    this.#from = fits ? at : 0;
    this.#at = this.#from;
  }

  /** Ends the piece in hand. */
  #cut(): void {
    if (this.#at === this.#from) return;
    this.#pieces.push(this.#slab.subarray(this.#from, this.#at));
    this.#bytes += this.#at - this.#from;
    this.#from = this.#at;
  }
}
