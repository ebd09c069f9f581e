/**
 * Frames as what they mean: sizes and places are checked here, header blocks are put together, and whoever listens hears
 * of nothing that HTTP/2 does not allow to come now.
 */
import { FloodGuard } from './flood-guard.ts';
import type { FrameHandler } from './frame-reader.ts';
import { HeaderAssembly, type HeaderBlock } from './header-assembly.ts';
import { http2UselessFramesBurstMax, http2UselessFramesPerSecondMax } from '../limits.ts';
import { errorCode, frameFlag, frameType, Http2Fault } from './protocol.ts';

/** Each may throw Http2Fault, which ends the connection. */
export interface FrameListener {
  onHeaderBlock(block: HeaderBlock): void;
  /** A DATA frame of `length` bytes, its padding included, then its data in pieces, then its end. */
  onDataBegin(stream: number, length: number): void;
  onData(chunk: Buffer): void;
  onDataEnd(flags: number): void;
  /** `stream` 0: of the connection. */
  onWindowUpdate(stream: number, bytes: number): void;
  onReset(stream: number, code: number): void;
  onSettings(payload: Buffer): void;
  onPing(payload: Buffer): void;
  onPingAnswer(): void;
  onGoAway(lastStream: number): void;
}

const pingBytes = 8;

export class FrameEvents implements FrameHandler {
  readonly #listener: FrameListener;
  readonly #assembly = new HeaderAssembly();
  readonly #useless = new FloodGuard(
    'frames that ask for nothing',
    http2UselessFramesBurstMax,
    http2UselessFramesPerSecondMax,
  );
  #hasSettings = false;
  /** The DATA frame in hand has brought something besides padding. */
  #hasData = false;

  constructor(listener: FrameListener) {
    this.#listener = listener;
  }

  /** True while a header block waits for more of its frames. */
  get isInside(): boolean {
    return this.#assembly.isOpen;
  }

  frame(type: number, flags: number, stream: number, payload: Buffer): void {
    this.#expect(type, flags);
    if (type === frameType.headers) this.#onBlock(this.#assembly.headers(flags, stream, payload));
    else if (type === frameType.continuation) this.#onBlock(this.#assembly.continuation(flags, stream, payload));
    else if (type === frameType.windowUpdate) this.#onWindowUpdate(stream, payload);
    else if (type === frameType.reset) this.#onReset(stream, payload);
    else if (type === frameType.settings) this.#onSettings(flags, stream, payload);
    else if (type === frameType.ping) this.#onPing(flags, stream, payload);
    else if (type === frameType.goAway) this.#onGoAway(stream, payload);
    else if (type === frameType.pushPromise) throw broken('PUSH_PROMISE, which was not asked for');
    else if (type === frameType.priority) this.#onPriority(stream, payload);
    else this.#useless.count();
  }

  dataBegins(stream: number, length: number): void {
    this.#expect(frameType.data, 0);
    this.#hasData = false;
    this.#listener.onDataBegin(stream, length);
  }

  data(chunk: Buffer): void {
    this.#hasData = true;
    this.#listener.onData(chunk);
  }

  dataEnds(flags: number): void {
    // Many clients end each of their calls with a frame that has no data, which is what it says.
    if (!this.#hasData && (flags & frameFlag.endStream) === 0) this.#useless.count();
    this.#listener.onDataEnd(flags);
  }

  #onBlock(block: HeaderBlock | undefined): void {
    if (block !== undefined) this.#listener.onHeaderBlock(block);
  }

  #onWindowUpdate(stream: number, payload: Buffer): void {
    expectBytes(payload, 4, 'WINDOW_UPDATE');
    const bytes = payload.readUInt32BE(0) & 0x7fff_ffff;
    if (bytes === 0) throw broken('WINDOW_UPDATE by nothing');
    this.#listener.onWindowUpdate(stream, bytes);
  }

  #onReset(stream: number, payload: Buffer): void {
    expectBytes(payload, 4, 'RST_STREAM');
    this.#listener.onReset(stream, payload.readUInt32BE(0));
  }

  #onSettings(flags: number, stream: number, payload: Buffer): void {
    if (stream !== 0) throw broken('SETTINGS of a stream');
    this.#useless.count();
    if ((flags & frameFlag.acknowledgement) !== 0) {
      expectBytes(payload, 0, 'the answer to SETTINGS');
      return;
    }
    this.#hasSettings = true;
    this.#listener.onSettings(payload);
  }

  #onPing(flags: number, stream: number, payload: Buffer): void {
    expectBytes(payload, pingBytes, 'PING');
    if (stream !== 0) throw broken('PING of a stream');
    this.#useless.count();
    if ((flags & frameFlag.acknowledgement) === 0) this.#listener.onPing(payload);
    else this.#listener.onPingAnswer();
  }

  #onGoAway(stream: number, payload: Buffer): void {
    if (stream !== 0 || payload.byteLength < 8) throw broken('a malformed GOAWAY');
    this.#useless.count();
    this.#listener.onGoAway(payload.readUInt32BE(0) & 0x7fff_ffff);
  }

  /** RFC 9113 has deprecated priorities, not their frames. */
  #onPriority(stream: number, payload: Buffer): void {
    if (stream === 0) throw broken('PRIORITY without a stream');
    expectBytes(payload, 5, 'PRIORITY');
    this.#useless.count();
  }

  #expect(type: number, flags: number): void {
    this.#assembly.expect(type);
    if (this.#hasSettings) return;
    const isSettings = type === frameType.settings && (flags & frameFlag.acknowledgement) === 0;
    if (!isSettings) throw broken('the first frame is not SETTINGS');
  }
}

function broken(what: string): Http2Fault {
  return new Http2Fault(errorCode.protocolError, what);
}

function expectBytes(payload: Buffer, bytes: number, what: string): void {
  if (payload.byteLength !== bytes) {
    throw new Http2Fault(errorCode.frameSizeError, `${what} of ${payload.byteLength} bytes instead of ${bytes}`);
  }
}
