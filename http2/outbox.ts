/**
 * What a connection has to say: control frames and headers at once, data as far as the windows and the socket have room.
 *
 *   small message ────────────────▶ one DATA frame, where both windows and the socket have room for all of it
 *   anything else ─▶ `#ready` ────▶ a frame of each stream in turn, so that a large value holds up no small one for long
 *
 * Everything of one turn of the event loop leaves as one write: at the end of the chunk that is being read, or once the
 * turn's microtasks have run. No more than `http2UnsentBytesHigh` is handed to the socket ahead of the system.
 */
import type { Duplex } from 'node:stream';
import { http2HeaderTableBytes, http2UnsentBytesHigh } from '../limits.ts';
import { FrameWriter } from './frame-writer.ts';
import type { OutgoingFields } from './header-fields.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import {
  clientPreface,
  errorCode,
  frameFlag,
  frameType,
  Http2Fault,
  initialWindowBytes,
  windowBytesMax,
} from './protocol.ts';
import { PeerSettings, settingsPayload } from './settings.ts';
import type { Http2Stream } from './stream.ts';

/** Told of bytes of bodies while they take up memory here. */
export interface ByteAccount {
  add(bytes: number): void;
  release(bytes: number): void;
}

const none: readonly Http2Stream[] = [];

export class Outbox {
  /** What the peer has said of itself. */
  readonly peer = new PeerSettings();
  readonly #writer: FrameWriter;
  readonly #encoder = new HpackEncoder({ tableBytesMax: http2HeaderTableBytes });
  readonly #account: ByteAccount | undefined;
  readonly #ready = new Set<Http2Stream>();
  readonly #flush = (): void => this.flush();
  /** Of bodies, from `write` until the system has them. */
  #heldBytes = 0;
  #window = initialWindowBytes;
  #isOpen = false;
  #isClosed = false;
  #isGathering = false;
  #isScheduled = false;

  constructor(socket: Duplex, account: ByteAccount | undefined) {
    this.#account = account;
    this.#writer = new FrameWriter(socket, (bytes) => this.release(bytes));
  }

  /** Not yet taken by the system, windows aside. */
  get unsentBytes(): number {
    return this.#writer.unsentBytes;
  }

  /** From now on the socket takes something. */
  open(): void {
    this.#isOpen = true;
    this.#later();
  }

  /** Nothing leaves until `flush`: more will come in this turn. */
  gather(): void {
    this.#isGathering = true;
  }

  preface(): void {
    this.#writer.bytes(clientPreface);
  }

  settings(settings: readonly (readonly [id: number, value: number])[]): void {
    const payload = settingsPayload(settings);
    this.#writer.head(payload.byteLength, frameType.settings, 0, 0);
    this.#writer.bytes(payload);
    this.#later();
  }

  /** Takes the peer's settings and says so; `streams` are those that are open. Throws Http2Fault. */
  takeSettings(payload: Buffer, streams: Iterable<Http2Stream>): void {
    const { peer } = this;
    const before = peer.windowBytes;
    peer.take(payload);
    this.#encoder.peerTableBytesMax = peer.headerTableBytes;
    this.#writer.head(0, frameType.settings, frameFlag.acknowledgement, 0);
    this.#later();
    if (peer.windowBytes === before) return;
    for (const stream of streams) {
      if (!this.growStream(stream, peer.windowBytes - before)) throw windowOverflow();
    }
  }

  ping(payload: Uint8Array, isAnswer: boolean): void {
    this.#writer.head(payload.byteLength, frameType.ping, isAnswer ? frameFlag.acknowledgement : 0, 0);
    this.#writer.bytes(payload);
    this.#later();
  }

  goAway(lastStream: number, code: number, text = ''): void {
    const reason = Buffer.from(text);
    this.#writer.head(8 + reason.byteLength, frameType.goAway, 0, 0, 8);
    this.#writer.u32(lastStream);
    this.#writer.u32(code);
    this.#writer.bytes(reason);
    this.#later();
  }

  windowUpdate(stream: number, bytes: number): void {
    this.#writer.head(4, frameType.windowUpdate, 0, stream, 4);
    this.#writer.u32(bytes);
    this.#later();
  }

  reset(stream: number, code: number): void {
    this.#writer.head(4, frameType.reset, 0, stream, 4);
    this.#writer.u32(code);
    this.#later();
  }

  headers(stream: Http2Stream, fields: OutgoingFields, isEnd: boolean): void {
    const block = this.#encoder.encode(fields);
    const end = isEnd ? frameFlag.endStream : 0;
    const { frameBytesMax } = this.peer;
    if (block.byteLength <= frameBytesMax) {
      this.#writer.head(block.byteLength, frameType.headers, frameFlag.endHeaders | end, stream.id, block.byteLength);
      this.#writer.bytes(block);
    } else {
      for (let at = 0; at < block.byteLength; at += frameBytesMax) {
        const fragment = block.subarray(at, at + frameBytesMax);
        const isLast = at + frameBytesMax >= block.byteLength;
        const flags = (isLast ? frameFlag.endHeaders : 0) | (at === 0 ? end : 0);
        this.#writer.head(fragment.byteLength, at === 0 ? frameType.headers : frameType.continuation, flags, stream.id);
        this.#writer.bytes(fragment);
      }
    }
    this.#later();
  }

  /** Sends a message as one frame if there is room for all of it now. */
  sendAtOnce(stream: Http2Stream, parts: readonly Uint8Array[], bytes: number, isEnd: boolean): boolean {
    if (stream.id === 0 || bytes > stream.sendWindow || bytes > this.#window) return false;
    if (bytes > this.peer.frameBytesMax || this.#writer.unsentBytes >= http2UnsentBytesHigh) return false;
    stream.sendWindow -= bytes;
    this.#window -= bytes;
    if (bytes > 0 || isEnd) {
      this.#writer.head(bytes, frameType.data, isEnd ? frameFlag.endStream : 0, stream.id);
      for (const part of parts) this.#writer.body(part);
      this.#later();
    }
    return true;
  }

  /** Sends what waits in a stream, when there is room. */
  send(stream: Http2Stream): void {
    if (stream.id === 0 || !stream.hasOutput) return;
    if (stream.pendingBytes === 0) this.#sendEnd(stream);
    else if (stream.sendWindow > 0) this.#ready.add(stream);
    this.#later();
  }

  forget(stream: Http2Stream): void {
    this.#ready.delete(stream);
  }

  /** The peer has room for so many bytes more on all streams together. Throws Http2Fault. */
  grow(bytes: number): void {
    this.#window += bytes;
    if (this.#window > windowBytesMax) throw windowOverflow();
    this.#later();
  }

  /** The same on one stream. False where that makes its window larger than one may be. */
  growStream(stream: Http2Stream, bytes: number): boolean {
    stream.sendWindow += bytes;
    if (stream.sendWindow > windowBytesMax) return false;
    if (stream.hasOutput && stream.sendWindow > 0) this.#ready.add(stream);
    this.#later();
    return true;
  }

  /** Bytes of bodies are held from now on, until they are sent or `release` is called. */
  hold(bytes: number): void {
    if (this.#isClosed) return;
    this.#heldBytes += bytes;
    this.#account?.add(bytes);
  }

  release(bytes: number): void {
    if (this.#isClosed) return;
    this.#heldBytes -= bytes;
    this.#account?.release(bytes);
  }

  flush(): void {
    this.#isScheduled = false;
    this.#isGathering = false;
    if (!this.#isOpen || this.#isClosed) return;
    const drained = this.#pump();
    this.#writer.flush();
    for (const stream of drained) stream.listener?.onDrain();
  }

  /** Sends what there is to say, and nothing from then on: the socket is about to be ended. */
  end(): void {
    this.flush();
    this.#isOpen = false;
  }

  /** The socket is gone, and what it held with it. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#account?.release(this.#heldBytes);
    this.#heldBytes = 0;
    this.#ready.clear();
  }

  #later(): void {
    if (this.#isScheduled || this.#isGathering) return;
    this.#isScheduled = true;
    // After the microtasks of this turn, in which other calls are answered.
    process.nextTick(this.#flush);
  }

  /** Answers the streams that may be written to again. */
  #pump(): readonly Http2Stream[] {
    if (this.#ready.size === 0) return none;
    const drained: Http2Stream[] = [];
    while (this.#ready.size > 0 && this.#hasRoom()) {
      for (const stream of this.#ready) {
        if (!this.#hasRoom()) break;
        this.#sendFrame(stream);
        if (stream.takeDrain()) drained.push(stream);
      }
    }
    return drained;
  }

  #hasRoom(): boolean {
    return this.#window > 0 && this.#writer.unsentBytes < http2UnsentBytesHigh;
  }

  /** One frame of what waits; the stream stays ready if more can follow. */
  #sendFrame(stream: Http2Stream): void {
    if (stream.sendWindow <= 0) {
      // Its peer has made all windows smaller meanwhile.
      this.#ready.delete(stream);
      return;
    }
    const bytes = Math.min(stream.pendingBytes, stream.sendWindow, this.#window, this.peer.frameBytesMax);
    const isAll = bytes === stream.pendingBytes;
    const isEnd = isAll && stream.endsWithData;
    this.#writer.head(bytes, frameType.data, isEnd ? frameFlag.endStream : 0, stream.id);
    for (let left = bytes; left > 0;) {
      const part = stream.take(left);
      this.#writer.body(part);
      left -= part.byteLength;
    }
    stream.sendWindow -= bytes;
    this.#window -= bytes;
    if (isAll || stream.sendWindow <= 0) this.#ready.delete(stream);
    if (isEnd) stream.sentEnd();
    else if (isAll && stream.hasOutput) this.#sendEnd(stream);
  }

  #sendEnd(stream: Http2Stream): void {
    const { trailers } = stream;
    if (trailers !== undefined) this.headers(stream, trailers, true);
    else this.#writer.head(0, frameType.data, frameFlag.endStream, stream.id);
    stream.sentEnd();
  }
}

function windowOverflow(): Http2Fault {
  return new Http2Fault(errorCode.flowControlError, 'a window above 2³¹ − 1 bytes');
}
