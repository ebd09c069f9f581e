/**
 * One stream of a connection: a call, to whoever uses it.
 *
 *   out   headers → data … → trailers, or an end without       in   headers → data … → trailers or end
 *
 * What is written leaves in order: at once as far as both windows and the socket have room, the rest as they get it.
 * What comes is handed on as it comes and given back to the sender's window then; while the stream is paused it waits
 * here, and the window, which is not given back, bounds it.
 *
 * A stream is over when both sides have ended it, when either has reset it, or with its connection. Its listener hears
 * that once, after everything else.
 */
import { bytesOf } from '../byte-parts.ts';
import { Fifo } from '../fifo.ts';
import { http2HeldPieceBytes, http2StreamUnsentBytesHigh } from '../limits.ts';
import type { HeaderFields, OutgoingFields } from './header-fields.ts';
import { errorCode } from './protocol.ts';

export interface StreamListener {
  /** Of a response, without informational ones, or trailers, which end the stream's incoming half. */
  onHeaders(fields: HeaderFields, isEnd: boolean): void;
  /** The memory is the listener's to keep. */
  onData(chunk: Buffer): void;
  /** Where the next bytes belong, `bytesMax` or fewer, if it knows: what comes there comes to `onData` all the same. */
  whereNext?(bytesMax: number): Buffer | undefined;
  /** The peer has sent everything. */
  onEnd(): void;
  /** There is room again after `write` answered false. */
  onDrain(): void;
  /** `code` is what the stream was reset with, noError if both sides ended it; `isLost`: with its connection. */
  onClose(code: number, isLost: boolean): void;
}

/** What a stream needs of its connection. */
export interface StreamOwner {
  /** Sends the parts as one frame if there is room for all of them at once. */
  sendAtOnce(stream: Http2Stream, parts: readonly Uint8Array[], bytes: number, isEnd: boolean): boolean;
  /** Takes what the stream has to send as far as there is room; the rest when there is. */
  send(stream: Http2Stream): void;
  sendHeaders(stream: Http2Stream, fields: OutgoingFields, isEnd: boolean): void;
  sendReset(stream: Http2Stream, code: number): void;
  /** The listener has these bytes; `isOpen`: the sender may still use their room. */
  received(stream: Http2Stream, bytes: number, isOpen: boolean): void;
  /** Bytes of bodies that are held, or of those that will never be sent. */
  held(bytes: number): void;
  dropped(bytes: number): void;
  forget(stream: Http2Stream): void;
}

export class Http2Stream {
  readonly #owner: StreamOwner;
  /** 0 until the peer has room for one more. */
  id = 0;
  listener: StreamListener | undefined;
  /** What we may send, and what the peer may, before either hears of more. Its connection's to keep. */
  sendWindow: number;
  receiveWindow: number;
  /** Received and not yet given back. */
  unreturnedBytes = 0;
  /** Data may come. */
  hasReceivedHeaders = false;
  /** Parts that wait, from `#firstAt` of the first on. Most streams never need it. */
  #parts: Fifo<Uint8Array> | undefined;
  #firstAt = 0;
  #pendingBytes = 0;
  #timesSent = 0;
  #isFull = false;
  #hasSentHeaders = false;
  /** Headers of a stream that has no id yet. */
  #waitingHeaders: OutgoingFields | undefined;
  #trailers: OutgoingFields | undefined;
  #isEnding = false;
  #isLocalEnded = false;
  #isRemoteEnded = false;
  #isStopping = false;
  #isPaused = false;
  #isDelivering = false;
  /** Came while paused; small ones joined. */
  #held: Buffer[] = [];
  #heldEnd: { readonly trailers: HeaderFields | undefined } | undefined;
  #closeCode: number | undefined;
  #isClosed = false;

  constructor(owner: StreamOwner, sendWindow: number, receiveWindow: number) {
    this.#owner = owner;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get hasSentHeaders(): boolean {
    return this.#hasSentHeaders;
  }

  /** True once the peer has sent everything, delivered or not. */
  get isRemoteEnded(): boolean {
    return this.#isRemoteEnded;
  }

  /** Of bodies, not yet on their way to the socket. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** How often everything that waited has gone. */
  get timesSent(): number {
    return this.#timesSent;
  }

  /** True if something is left for the connection to take. */
  get hasOutput(): boolean {
    return !this.#isLocalEnded && (this.#pendingBytes > 0 || this.#isEnding);
  }

  sendHeaders(fields: OutgoingFields, isEnd = false): void {
    if (this.#isClosed || this.#hasSentHeaders) return;
    this.#hasSentHeaders = true;
    if (this.id === 0) {
      this.#waitingHeaders = fields;
      return;
    }
    this.#owner.sendHeaders(this, fields, isEnd);
    if (isEnd) this.#endLocal();
  }

  /**
   * Sends the parts one after the other; they must not change any more. `isLast`: nothing follows, trailers neither.
   * False: enough waits, `drain` follows.
   */
  write(parts: readonly Uint8Array[], isLast = false): boolean {
    if (this.#isClosed || this.#isEnding) return true;
    this.#isEnding = isLast;
    const bytes = bytesOf(parts);
    this.#owner.held(bytes);
    if (this.#pendingBytes === 0 && this.#owner.sendAtOnce(this, parts, bytes, isLast)) {
      if (isLast) this.#endLocal();
      return true;
    }
    this.#parts ??= new Fifo();
    for (const part of parts) if (part.byteLength > 0) this.#parts.push(part);
    this.#pendingBytes += bytes;
    this.#owner.send(this);
    this.#isFull = this.#pendingBytes >= http2StreamUnsentBytesHigh;
    return !this.#isFull;
  }

  /** After everything written: the end of what we send, with trailers or without. */
  end(trailers?: OutgoingFields): void {
    if (this.#isClosed || this.#isEnding) return;
    this.#isEnding = true;
    this.#trailers = trailers;
    this.#owner.send(this);
  }

  /** Once we have ended, a peer that has not is told to stop (RFC 9113, 8.1); what it sends until then is dropped. */
  stop(): void {
    this.#isStopping = true;
    this.#isPaused = false;
    this.#dropHeld();
    this.#closeIfDone();
  }

  /** Ends the stream at once, both ways. */
  reset(code: number): void {
    if (this.#isClosed) return;
    if (this.id === 0) this.close(code, false);
    else this.#owner.sendReset(this, code);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused || this.#isClosed) return;
    this.#isPaused = false;
    // A listener that pauses and resumes within `onData` is in the middle of the loop below, which goes on.
    if (!this.#isDelivering) this.#deliverHeld();
  }

  // ── What the connection calls ───────────────────────────────────────────────────────────────────────────────────

  /** The peer has room for the stream: what was written before is due now. */
  opened(): void {
    if (this.#waitingHeaders !== undefined) this.#owner.sendHeaders(this, this.#waitingHeaders, false);
    this.#waitingHeaders = undefined;
    this.#owner.send(this);
  }

  /** The next bytes to send, `bytesMax` at most and not more than a part. Only while some are pending. */
  take(bytesMax: number): Uint8Array {
    const part = this.#parts!.peek()!;
    const from = this.#firstAt;
    const bytes = Math.min(part.byteLength - from, bytesMax);
    this.#pendingBytes -= bytes;
    if (this.#pendingBytes === 0) this.#timesSent += 1;
    this.#firstAt += bytes;
    if (this.#firstAt === part.byteLength) {
      this.#parts!.shift();
      this.#firstAt = 0;
    }
    return bytes === part.byteLength ? part : part.subarray(from, from + bytes);
  }

  /** True if the frame of the last data ends what we send: no trailers follow. */
  get endsWithData(): boolean {
    return this.#isEnding && this.#trailers === undefined;
  }

  get trailers(): OutgoingFields | undefined {
    return this.#trailers;
  }

  /** The end of what we send has been written. */
  sentEnd(): void {
    this.#endLocal();
  }

  /** True once after `write` answered false and half of what it may hold has gone. */
  takeDrain(): boolean {
    if (!this.#isFull || this.#pendingBytes > http2StreamUnsentBytesHigh / 2) return false;
    this.#isFull = false;
    return !this.#isClosed;
  }

  receiveHeaders(fields: HeaderFields, isEnd: boolean): void {
    this.hasReceivedHeaders = true;
    if (isEnd) this.receiveEnd(fields);
    else this.listener?.onHeaders(fields, false);
  }

  receiveData(chunk: Buffer): void {
    if (!this.#isPaused) this.#deliver(chunk);
    else this.#hold(chunk);
  }

  /** Not while something waits that comes before. */
  whereNext(bytesMax: number): Buffer | undefined {
    return this.#isPaused || this.#held.length > 0 ? undefined : this.listener?.whereNext?.(bytesMax);
  }

  receiveEnd(trailers?: HeaderFields): void {
    this.#isRemoteEnded = true;
    if (this.#isPaused && this.#held.length > 0) this.#heldEnd = { trailers };
    else this.#deliverEnd(trailers);
  }

  /** The peer has reset the stream. What it had sent whole before that is still handed on. */
  receiveReset(code: number): void {
    if (this.#heldEnd !== undefined && code === errorCode.noError) this.#closeCode = code;
    else this.close(code, false);
  }

  /** The stream is over. */
  close(code: number, isLost: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const bytes = this.#pendingBytes;
    this.#parts = undefined;
    this.#pendingBytes = 0;
    this.#owner.dropped(bytes);
    this.#dropHeld();
    this.#owner.forget(this);
    this.listener?.onClose(code, isLost);
    this.listener = undefined;
  }

  /** Until the listener pauses again; it may reset the stream, too, and then nothing is held any more. */
  #deliverHeld(): void {
    this.#isDelivering = true;
    for (let chunk = this.#held.shift(); chunk !== undefined; chunk = this.#isPaused ? undefined : this.#held.shift()) {
      this.#deliver(chunk);
    }
    this.#isDelivering = false;
    if (this.#isPaused) return;
    const end = this.#heldEnd;
    this.#heldEnd = undefined;
    if (end !== undefined) this.#deliverEnd(end.trailers);
    if (this.#closeCode !== undefined) this.close(this.#closeCode, false);
  }

  #deliver(chunk: Buffer): void {
    // Asked for before the listener has it: a chunk whose memory was given back is empty.
    const bytes = chunk.byteLength;
    if (!this.#isStopping) this.listener?.onData(chunk);
    this.#owner.received(this, bytes, !this.#isRemoteEnded && !this.#isClosed);
  }

  #deliverEnd(trailers: HeaderFields | undefined): void {
    if (!this.#isStopping) {
      if (trailers !== undefined) this.listener?.onHeaders(trailers, true);
      this.listener?.onEnd();
    }
    this.#closeIfDone();
  }

  /**
   * Small pieces are joined, and none keeps alive a much larger chunk of the socket's, so that a peer that sends byte by
   * byte, or something else in between, costs no more than what its window says.
   */
  #hold(chunk: Buffer): void {
    const last = this.#held.at(-1);
    if (last !== undefined && last.byteLength + chunk.byteLength <= http2HeldPieceBytes) {
      this.#held[this.#held.length - 1] = Buffer.concat([last, chunk]);
    } else {
      this.#held.push(chunk.byteLength * 2 < chunk.buffer.byteLength ? Buffer.from(chunk) : chunk);
    }
  }

  #dropHeld(): void {
    for (const chunk of this.#held) this.#owner.received(this, chunk.byteLength, false);
    this.#held = [];
    this.#heldEnd = undefined;
  }

  #endLocal(): void {
    this.#isEnding = true;
    this.#isLocalEnded = true;
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (this.#isClosed || !this.#isLocalEnded) return;
    if (this.#isRemoteEnded && this.#heldEnd === undefined) this.close(errorCode.noError, false);
    else if (this.#isStopping) this.#owner.sendReset(this, errorCode.noError);
  }
}
