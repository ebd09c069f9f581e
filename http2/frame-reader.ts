/**
 * Frames out of the chunks of one connection.
 *
 *   length u24 · type u8 · flags u8 · stream u31 · payload
 *
 * The payload of DATA is handed on as it comes, piece by piece, as views of the chunk: nothing of it waits for its
 * frame to be whole, and a value is copied once, by whoever reads messages out of it. All other frames are small and
 * handed on whole, in general as views of the chunk too. Frames of types that nobody knows are skipped, as
 * RFC 9113, 4.1 asks for: of them only the head is told.
 */
import { http2HeaderBlockBytesMax } from '../limits.ts';
import { errorCode, frameFlag, frameHeadBytes, frameType, Http2Fault } from './protocol.ts';

export interface FrameHandler {
  /** A whole frame that is not DATA, or the head of an unknown one. The payload is the handler's only until it returns. */
  frame(type: number, flags: number, stream: number, payload: Buffer): void;
  /** A DATA frame begins; `length` counts its padding, as flow control does. */
  dataBegins(stream: number, length: number): void;
  /** Bytes of it, without padding. The memory is the handler's to keep, and if nothing else is in it to give away. */
  data(chunk: Buffer): void;
  dataEnds(flags: number): void;
}

const nothing = Buffer.alloc(0);
/** Memory that a payload in pieces gets at first. */
const payloadStepBytes = 1_024;

export class FrameReader {
  readonly #handler: FrameHandler;
  readonly #frameBytesMax: number;
  readonly #preface: Buffer;
  #prefaceLeft: number;
  readonly #head = Buffer.alloc(frameHeadBytes);
  #headFilled = 0;
  #isInside = false;
  #type = 0;
  #flags = 0;
  #stream = 0;
  /** Of the payload, not yet taken. */
  #left = 0;
  /** At the end of DATA; -1 where the byte that tells it has not come. */
  #padding = 0;
  /** A payload that comes in pieces, as far as it came. */
  #payload: Buffer = nothing;
  #filled = 0;
  #stopped = false;

  /** @param preface the bytes that come before the first frame */
  constructor(handler: FrameHandler, frameBytesMax: number, preface: Buffer = nothing) {
    this.#handler = handler;
    this.#frameBytesMax = frameBytesMax;
    this.#preface = preface;
    this.#prefaceLeft = preface.byteLength;
  }

  /** True between the first byte of a frame and its last. */
  get isInside(): boolean {
    return this.#isInside || this.#headFilled > 0;
  }

  /** Bytes of a DATA frame that are still to come. */
  get dataLeft(): number {
    return this.#isInside && this.#type === frameType.data && this.#padding >= 0 ? this.#left - this.#padding : 0;
  }

  /** What follows is not looked at any more, the rest of the chunk in hand included. */
  stop(): void {
    this.#stopped = true;
  }

  /** Throws Http2Fault; use it no more then. */
  push(chunk: Buffer): void {
    let at = this.#prefaceLeft === 0 ? 0 : this.#takePreface(chunk);
    while (at < chunk.byteLength && !this.#stopped) {
      if (!this.#isInside) at = this.#takeHead(chunk, at);
      else if (this.#type === frameType.data) at = this.#takeData(chunk, at);
      else at = this.#takePayload(chunk, at);
    }
  }

  #takePreface(chunk: Buffer): number {
    const from = this.#preface.byteLength - this.#prefaceLeft;
    const bytes = Math.min(this.#prefaceLeft, chunk.byteLength);
    if (chunk.compare(this.#preface, from, from + bytes, 0, bytes) !== 0) {
      throw new Http2Fault(errorCode.protocolError, 'no preface of HTTP/2');
    }
    this.#prefaceLeft -= bytes;
    return bytes;
  }

  #takeHead(chunk: Buffer, from: number): number {
    if (this.#headFilled === 0 && chunk.byteLength - from >= frameHeadBytes) {
      this.#begin(chunk, from);
      return from + frameHeadBytes;
    }
    const end = Math.min(chunk.byteLength, from + frameHeadBytes - this.#headFilled);
    this.#headFilled += chunk.copy(this.#head, this.#headFilled, from, end);
    if (this.#headFilled === frameHeadBytes) {
      this.#headFilled = 0;
      this.#begin(this.#head, 0);
    }
    return end;
  }

  #begin(head: Buffer, at: number): void {
    const length = (head[at]! << 16) | (head[at + 1]! << 8) | head[at + 2]!;
    this.#type = head[at + 3]!;
    this.#flags = head[at + 4]!;
    this.#stream = ((head[at + 5]! & 0x7f) << 24) | (head[at + 6]! << 16) | (head[at + 7]! << 8) | head[at + 8]!;
    this.#left = length;
    if (length > this.#frameBytesMax) throw tooLarge(this.#type, length, this.#frameBytesMax);
    this.#isInside = true;
    if (this.#type === frameType.data) {
      this.#handler.dataBegins(this.#stream, length);
      this.#padding = (this.#flags & frameFlag.padded) === 0 ? 0 : -1;
      if (this.#padding < 0 && length === 0) throw wrongPadding();
      if (length === 0) this.#endData();
    } else if (this.#isKnown()) {
      if (length > http2HeaderBlockBytesMax) throw tooLarge(this.#type, length, http2HeaderBlockBytesMax);
      if (length === 0) this.#end(nothing);
    } else {
      this.#isInside = length > 0;
      this.#handler.frame(this.#type, this.#flags, this.#stream, nothing);
    }
  }

  #takeData(chunk: Buffer, from: number): number {
    // Asked for before the handler has it: a chunk whose memory was given back is empty.
    const chunkEnd = chunk.byteLength;
    let at = from;
    if (this.#padding < 0) {
      this.#padding = chunk[at]!;
      at += 1;
      this.#left -= 1;
      if (this.#padding > this.#left) throw wrongPadding();
    }
    const dataEnd = Math.min(chunkEnd, at + this.#left - this.#padding);
    if (dataEnd > at) {
      this.#left -= dataEnd - at;
      this.#handler.data(chunk.subarray(at, dataEnd));
      at = dataEnd;
    }
    if (this.#left <= this.#padding) {
      const end = Math.min(chunkEnd, at + this.#left);
      this.#left -= end - at;
      this.#padding = this.#left;
      at = end;
    }
    if (this.#left === 0) this.#endData();
    return at;
  }

  #endData(): void {
    this.#isInside = false;
    this.#handler.dataEnds(this.#flags);
  }

  #takePayload(chunk: Buffer, from: number): number {
    const end = Math.min(chunk.byteLength, from + this.#left);
    const piece = chunk.subarray(from, end);
    this.#left -= end - from;
    if (!this.#isKnown()) {
      this.#isInside = this.#left > 0;
    } else if (this.#filled === 0 && this.#left === 0) {
      this.#end(piece);
    } else {
      this.#keep(piece);
      if (this.#left === 0) this.#end(this.#payload.subarray(0, this.#filled));
    }
    return end;
  }

  /** Doubles what it has: a length alone gets no memory, and pieces of a byte each are not copied again and again. */
  #keep(piece: Buffer): void {
    const filled = this.#filled + piece.byteLength;
    if (filled > this.#payload.byteLength) {
      const wanted = Math.max(payloadStepBytes, 2 * filled);
      const larger = Buffer.allocUnsafeSlow(Math.min(filled + this.#left, wanted));
      this.#payload.copy(larger, 0, 0, this.#filled);
      this.#payload = larger;
    }
    piece.copy(this.#payload, this.#filled);
    this.#filled = filled;
  }

  #end(payload: Buffer): void {
    this.#isInside = false;
    this.#payload = nothing;
    this.#filled = 0;
    this.#handler.frame(this.#type, this.#flags, this.#stream, payload);
  }

  #isKnown(): boolean {
    return this.#type <= frameType.continuation;
  }
}

function tooLarge(type: number, length: number, bytesMax: number): Http2Fault {
  return new Http2Fault(errorCode.frameSizeError, `a frame of type ${type} and ${length} bytes, above ${bytesMax}`);
}

function wrongPadding(): Http2Fault {
  return new Http2Fault(errorCode.protocolError, 'a frame has more padding than payload');
}
