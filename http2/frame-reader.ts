/**
 * Frames out of the chunks of one connection.
 *
 *   length u24 · type u8 · flags u8 · stream u31 · payload
 *
 * The payload of DATA is handed on as it comes, piece by piece, as views of the chunk: nothing of it waits for its
 * frame to be whole, and a value is copied once, by whoever reads messages out of it. All other frames are small and
 * handed on whole, in general as views of the chunk too. Frames of types that nobody knows are skipped, as
 * RFC 9113, 4.1 asks for.
 */
import { http2HeaderBlockBytesMax } from '../limits.ts';
import { errorCode, frameFlag, frameHeadBytes, frameType, Http2Fault } from './protocol.ts';

export interface FrameHandler {
  /** A whole frame that is not DATA. The payload is the handler's only until it returns. */
  frame(type: number, flags: number, stream: number, payload: Buffer): void;
  /** A DATA frame begins; `length` counts its padding, as flow control does. */
  dataBegins(stream: number, length: number): void;
  /** Bytes of it, without padding. The memory is the handler's to keep. */
  data(chunk: Buffer): void;
  dataEnds(flags: number): void;
}

const nothing = Buffer.alloc(0);

export class FrameReader {
  readonly #handler: FrameHandler;
  readonly #frameBytesMax: number;
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
  /** A payload that came in pieces. */
  #payload: Buffer = nothing;
  #stopped = false;

  constructor(handler: FrameHandler, frameBytesMax: number) {
    this.#handler = handler;
    this.#frameBytesMax = frameBytesMax;
  }

  /** What follows is not looked at any more, the rest of the chunk in hand included. */
  stop(): void {
    this.#stopped = true;
  }

  /** Throws Http2Fault; use it no more then. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.byteLength && !this.#stopped) {
      if (!this.#isInside) at = this.#takeHead(chunk, at);
      else if (this.#type === frameType.data) at = this.#takeData(chunk, at);
      else at = this.#takePayload(chunk, at);
    }
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
    } else if (length === 0) {
      this.#isInside = false;
    }
  }

  #takeData(chunk: Buffer, from: number): number {
    let at = from;
    if (this.#padding < 0) {
      this.#padding = chunk[at]!;
      at += 1;
      this.#left -= 1;
      if (this.#padding > this.#left) throw wrongPadding();
    }
    const dataEnd = Math.min(chunk.byteLength, at + this.#left - this.#padding);
    if (dataEnd > at) {
      this.#left -= dataEnd - at;
      this.#handler.data(chunk.subarray(at, dataEnd));
      at = dataEnd;
    }
    if (this.#left <= this.#padding) {
      const end = Math.min(chunk.byteLength, at + this.#left);
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
    } else if (this.#left > 0) {
      // Bounded by http2HeaderBlockBytesMax, and so is what joining again and again costs.
      this.#payload = Buffer.concat([this.#payload, piece]);
    } else {
      this.#end(this.#payload.byteLength === 0 ? piece : Buffer.concat([this.#payload, piece]));
    }
    return end;
  }

  #end(payload: Buffer): void {
    this.#isInside = false;
    this.#payload = nothing;
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
