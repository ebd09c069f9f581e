/**
 * Frames out of a stream of bytes, for server and client: a head of five bytes and a payload.
 *
 * A payload that lies whole in one chunk is a view of it. Any other gets memory of its own, which grows with what has
 * really arrived: whoever only claims a length pays for it with bytes. Above `socketUnbudgetedBytesMax` the owner is asked
 * first. A head that claims more than a frame may have is told at once, before anything of it is kept.
 */
import { socketUnbudgetedBytesMax, tcpPayloadBytesMax, tcpReceiveStepBytes } from '../../limits.ts';
import { bufferOver } from '../../buffer-over.ts';
import { placeIn, putInPlace } from '../../socket-reads.ts';
import { frameHeadBytes } from './protocol.ts';

/** `frame`: `code` and `payload` hold one. `wait`: `admit` said no. `too-large`: `claimedBytes` says how large. */
export type FrameOutcome = 'frame' | 'more' | 'wait' | 'too-large';

const nothing = Buffer.alloc(0);
const growthFactor = 8;

export class FrameReader {
  /** Command or status. */
  code = 0;
  payload: Buffer = nothing;
  /** Of the frame in hand, the bytes that `admit` was asked for; the owner gives them back. */
  admittedBytes = 0;
  claimedBytes = 0;
  /** May be lowered, for peers that are not trusted yet. */
  payloadBytesMax = tcpPayloadBytesMax;
  readonly #admit: (bytes: number, isGrowth: boolean) => boolean;
  readonly #head = Buffer.alloc(frameHeadBytes);
  #headFilled = 0;
  /** Of the frame in hand, once its head is there. */
  #code = 0;
  #length = 0;
  #body: Buffer = nothing;
  #bodyFilled = 0;
  #admitted = 0;
  #chunk: Buffer = nothing;
  /** The memory that the chunk is in, and where it begins there. */
  #memory: ArrayBufferLike = nothing.buffer;
  #memoryFrom = 0;
  #at = 0;

  constructor(admit: (bytes: number, isGrowth: boolean) => boolean = () => true) {
    this.#admit = admit;
  }

  /** True in the middle of a frame. */
  get isPartial(): boolean {
    return this.#headFilled > 0;
  }

  /** True if not all of the last chunk has been looked at. */
  get hasInput(): boolean {
    return this.#at < this.#chunk.byteLength;
  }

  /** The next chunk; only after `next` said `more`. */
  feed(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#memory = chunk.buffer;
    this.#memoryFrom = chunk.byteOffset;
    this.#at = 0;
  }

  /** Where what is to come of a large payload belongs. */
  whereNext(): Buffer | undefined {
    return placeIn(this.#body, this.#bodyFilled);
  }

  next(): FrameOutcome {
    if (!this.#takeHead()) return this.#more();
    const length = this.#length;
    if (length > this.payloadBytesMax) {
      this.claimedBytes = length;
      return 'too-large';
    }
    if (this.#body.byteLength === 0 && this.#at + length <= this.#chunk.byteLength) {
      const from = this.#at;
      this.#at += length;
      return this.#complete(bufferOver(this.#memory, this.#memoryFrom + from, length));
    }
    return this.#gather(length);
  }

  #takeHead(): boolean {
    if (this.#headFilled === frameHeadBytes) return true;
    const from = this.#at;
    if (this.#headFilled === 0 && from + frameHeadBytes <= this.#chunk.byteLength) {
      this.#headFilled = frameHeadBytes;
      this.#at = from + frameHeadBytes;
      this.#takeFields(this.#chunk, from);
      return true;
    }
    const end = Math.min(this.#chunk.byteLength, this.#at + frameHeadBytes - this.#headFilled);
    this.#headFilled += this.#chunk.copy(this.#head, this.#headFilled, this.#at, end);
    this.#at = end;
    if (this.#headFilled < frameHeadBytes) return false;
    this.#takeFields(this.#head, 0);
    return true;
  }

  #takeFields(bytes: Buffer, at: number): void {
    this.#code = bytes[at]!;
    this.#length = bytes.readUInt32BE(at + 1);
  }

  #gather(length: number): FrameOutcome {
    while (this.#bodyFilled < length) {
      if (this.#at === this.#chunk.byteLength) return this.#more();
      if (this.#bodyFilled === this.#body.byteLength && !this.#grow(length)) return 'wait';
      const end = Math.min(this.#chunk.byteLength, this.#at + this.#body.byteLength - this.#bodyFilled);
      putInPlace(this.#body, this.#bodyFilled, this.#chunk, this.#at, end);
      this.#bodyFilled += end - this.#at;
      this.#at = end;
    }
    return this.#complete(this.#body);
  }

  #grow(length: number): boolean {
    const had = this.#body.byteLength;
    const capacity = Math.min(length, Math.max(tcpReceiveStepBytes, had * growthFactor));
    if (capacity > socketUnbudgetedBytesMax) {
      if (!this.#admit(capacity - had, this.#admitted > 0)) return false;
      this.#admitted += capacity - had;
    }
    const larger = Buffer.allocUnsafeSlow(capacity);
    this.#body.copy(larger, 0, 0, this.#bodyFilled);
    this.#body = larger;
    return true;
  }

  #complete(payload: Buffer): FrameOutcome {
    this.code = this.#code;
    this.payload = payload;
    this.admittedBytes = this.#admitted;
    this.#admitted = 0;
    this.#headFilled = 0;
    this.#body = nothing;
    this.#bodyFilled = 0;
    return 'frame';
  }

  #more(): FrameOutcome {
    // Views keep their chunk alive; nothing else should.
    this.feed(nothing);
    return 'more';
  }
}
