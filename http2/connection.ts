/**
 * An HTTP/2 connection, of a server or a client, over any socket: RFC 9113 without push and priorities.
 *
 *   socket ─▶ SocketIntake ─▶ FrameReader ─▶ FrameEvents ─▶ Http2Connection ─▶ Http2Stream ─▶ its listener
 *   socket ◀─ FrameWriter ◀─────────────────── Outbox ◀──────────────────────── Http2Stream ◀─ whoever answers
 *
 * Why not node:http2: a small call costs 30 µs there, of which the call is 5: two objects of C++ and a Duplex with its
 * events for every stream, and a crossing between the languages for every frame. Here a call is one object, its frames
 * are written next to those of other calls, and what one turn of the event loop has to say is one write.
 *
 * A peer that breaks the protocol, or does too often what costs more here than there, is told so by GOAWAY and loses the
 * connection. What it may make us hold is bounded by the windows, by the number of streams, by the bounds on header
 * blocks, and by no longer reading from a peer that does not read.
 */
import type { Duplex } from 'node:stream';
import {
  grpcKeepaliveMs,
  grpcLastWordsMs,
  http2HeaderListBytesMax,
  http2FrameBytesMax,
  http2ResetsBurstMax,
  http2ResetsPerSecondMax,
  http2UnsentBytesMax,
} from '../limits.ts';
import type { Http2Listener, Http2Options } from './connection-options.ts';
import { FloodGuard } from './flood-guard.ts';
import { FrameEvents, type FrameListener } from './frame-events.ts';
import { FrameReader } from './frame-reader.ts';
import type { HeaderBlock } from './header-assembly.ts';
import type { HeaderFields, OutgoingFields } from './header-fields.ts';
import { type HeadersOwner, IncomingHeaders } from './incoming-headers.ts';
import { Inflow, type InflowOwner } from './inflow.ts';
import { Outbox } from './outbox.ts';
import type { SocketReader } from '../socket-reads.ts';
import { clientPreface, errorCode, Http2Fault, initialWindowBytes, settingId, streamIdMax } from './protocol.ts';
import { type IntakeOwner, SocketIntake } from './socket-intake.ts';
import { StreamTable } from './stream-table.ts';
import { Http2Stream, type StreamOwner } from './stream.ts';

const pingPayload = Buffer.alloc(8);

export class Http2Connection
  implements StreamOwner, HeadersOwner, InflowOwner, FrameListener, IntakeOwner, SocketReader
{
  readonly #socket: Duplex;
  readonly #options: Http2Options;
  readonly #listener: Http2Listener;
  readonly #isServer: boolean;
  readonly #intake: SocketIntake;
  readonly #outbox: Outbox;
  readonly #inflow: Inflow;
  readonly #events = new FrameEvents(this);
  readonly #reader: FrameReader;
  readonly #headers: IncomingHeaders;
  readonly #resets = new FloodGuard('streams that had to be reset', http2ResetsBurstMax, http2ResetsPerSecondMax);
  readonly #streams: StreamTable;
  readonly #pings: (() => void)[] = [];
  #isReady = false;
  /** New streams are refused; the connection ends with its last stream. */
  #isRefusing = false;
  #isDraining = false;
  #isEnding = false;
  #isClosed = false;
  #lastWords: NodeJS.Timeout | undefined;
  #error: unknown;

  constructor(socket: Duplex, options: Http2Options, listener: Http2Listener) {
    this.#socket = socket;
    this.#options = options;
    this.#listener = listener;
    this.#isServer = options.role === 'server';
    this.#streams = new StreamTable(this.#isServer, options.firstStreamId);
    this.#headers = new IncomingHeaders(this, this.#streams, this.#isServer);
    this.#inflow = new Inflow(this, options.streamWindowBytes, options.connectionWindowBytes);
    this.#intake = new SocketIntake(socket, this);
    this.#outbox = new Outbox(socket, options.account);
    this.#reader = new FrameReader(this.#events, http2FrameBytesMax, this.#isServer ? clientPreface : undefined);
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('drain', () => this.#onDrain());
    socket.on('error', (error) => {
      this.#error ??= error;
    });
    socket.on('close', () => this.#onClosed());
    this.#introduce();
  }

  /** Begins to send: the socket is connected, and has agreed on HTTP/2. */
  open(): void {
    this.#outbox.open();
  }

  /** True while new streams may begin here. */
  get isUsable(): boolean {
    return !this.#isClosed && !this.#isDraining && !this.#socket.destroyed && !this.#socket.writableEnded;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** True once the peer has said what it takes. */
  get isReady(): boolean {
    return this.#isReady;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** In the middle of a frame or of a header block: a peer that stays there answers no ping either. */
  get isReceiving(): boolean {
    return this.#reader.isInside || this.#events.isInside;
  }

  /** Not yet taken by the system, what waits for a window aside. */
  get unsentBytes(): number {
    return this.#outbox.unsentBytes;
  }

  /** Begins a client's stream, now or when the server has room for it. Only while `isUsable`. */
  request(fields: OutgoingFields): Http2Stream {
    const stream = this.#newStream();
    this.#streams.open(stream);
    stream.sendHeaders(fields);
    this.#retireIfExhausted();
    return stream;
  }

  /** Calls back when the peer has answered. */
  ping(answered: () => void): void {
    this.#pings.push(answered);
    this.#outbox.ping(pingPayload, false);
  }

  /**
   * Takes no new streams and ends with the last one. A server tells its client twice: first without refusing what is on
   * its way already, then, when the client's answer proves that it knows, with the last stream that was taken up.
   */
  drain(): void {
    if (this.#isDraining || this.#isClosed) return;
    this.#isDraining = true;
    if (!this.#isServer) {
      this.#endIfDrained();
      return;
    }
    this.#outbox.goAway(streamIdMax, errorCode.noError);
    this.ping(() => {
      this.#isRefusing = true;
      this.#outbox.goAway(this.#streams.lastTaken, errorCode.noError);
      this.#endIfDrained();
    });
  }

  /** Ends the connection and, with it, its streams. */
  destroy(): void {
    this.#socket.destroy();
  }

  // ── What its streams ask for ────────────────────────────────────────────────────────────────────────────────────

  sendAtOnce(stream: Http2Stream, parts: readonly Uint8Array[], bytes: number, isEnd: boolean): boolean {
    return this.#outbox.sendAtOnce(stream, parts, bytes, isEnd);
  }

  send(stream: Http2Stream): void {
    this.#outbox.send(stream);
  }

  sendHeaders(stream: Http2Stream, fields: OutgoingFields, isEnd: boolean): void {
    this.#outbox.headers(stream, fields, isEnd);
  }

  sendReset(stream: Http2Stream, code: number): void {
    this.#outbox.reset(stream.id, code);
    stream.close(code, false);
  }

  windowUpdate(stream: number, bytes: number): void {
    this.#outbox.windowUpdate(stream, bytes);
  }

  received(stream: Http2Stream, bytes: number, isOpen: boolean): void {
    this.#inflow.taken(stream, bytes, isOpen);
  }

  held(bytes: number): void {
    this.#outbox.hold(bytes);
  }

  dropped(bytes: number): void {
    this.#outbox.release(bytes);
  }

  forget(stream: Http2Stream): void {
    this.#streams.remove(stream);
    this.#outbox.forget(stream);
    if (this.#isClosed) return;
    this.#beginWaiting();
    this.#endIfDrained();
  }

  // Its faults count as a peer's own resets do: else it could have as many streams as it likes begun in vain.
  refuse(stream: Http2Stream, code: number): void {
    this.sendReset(stream, code);
    this.#resets.count();
  }

  refuseRequest(id: number, code: number): void {
    this.#outbox.reset(id, code);
    this.#resets.count();
  }

  // ── Frames ──────────────────────────────────────────────────────────────────────────────────────────────────────

  onHeaderBlock(block: HeaderBlock): void {
    this.#headers.take(block);
  }

  onRequest(id: number, fields: HeaderFields, isEnd: boolean): void {
    const { streamsMax = Infinity } = this.#options;
    if (this.#isRefusing || this.#streams.size >= streamsMax) {
      this.refuseRequest(id, errorCode.refusedStream);
      return;
    }
    const stream = this.#newStream();
    stream.hasReceivedHeaders = true;
    this.#streams.take(id, stream);
    this.#listener.stream?.(stream, fields);
    if (isEnd && !stream.isClosed) stream.receiveEnd();
  }

  onVainHeaders(): void {
    this.#resets.count();
  }

  onDataBegin(id: number, length: number): void {
    this.#inflow.begin(this.#streams.known(id, 'DATA'), length);
  }

  onData(chunk: Buffer): void {
    this.#inflow.data(chunk);
  }

  onDataEnd(flags: number): void {
    this.#inflow.end(flags);
  }

  onWindowUpdate(id: number, bytes: number): void {
    if (id === 0) {
      this.#outbox.grow(bytes);
      return;
    }
    const stream = this.#streams.known(id, 'WINDOW_UPDATE');
    if (stream !== undefined && !this.#outbox.growStream(stream, bytes))
      this.refuse(stream, errorCode.flowControlError);
  }

  onReset(id: number, code: number): void {
    const stream = this.#streams.known(id, 'RST_STREAM');
    if (this.#isServer) this.#resets.count();
    stream?.receiveReset(code);
  }

  onSettings(payload: Buffer): void {
    this.#outbox.takeSettings(payload, this.#streams);
    const { peer } = this.#outbox;
    this.#streams.allow(peer.streamsMax);
    this.#beginWaiting();
    if (this.#isReady) return;
    this.#isReady = true;
    this.#listener.ready?.();
  }

  onPing(payload: Buffer): void {
    this.#outbox.ping(payload, true);
  }

  onPingAnswer(): void {
    this.#pings.shift()?.();
  }

  onGoAway(lastStream: number): void {
    this.#isDraining = true;
    this.#listener.goAway?.();
    if (this.#isServer) this.#isRefusing = true;
    else this.#streams.refuseBeyond(lastStream);
    this.#endIfDrained();
  }

  // ── The socket ──────────────────────────────────────────────────────────────────────────────────────────────────

  #introduce(): void {
    const { streamWindowBytes, streamsMax } = this.#options;
    if (!this.#isServer) this.#outbox.preface();
    this.#outbox.settings([
      ...(this.#isServer ? [] : [[settingId.enablePush, 0] as const]),
      ...(streamsMax === undefined ? [] : [[settingId.maxConcurrentStreams, streamsMax] as const]),
      [settingId.initialWindowSize, streamWindowBytes],
      [settingId.maxFrameSize, http2FrameBytesMax],
      [settingId.maxHeaderListSize, http2HeaderListBytesMax],
    ]);
    const { extraWindowBytes } = this.#inflow;
    if (extraWindowBytes > 0) this.#outbox.windowUpdate(0, extraWindowBytes);
  }

  /** What the socket has read, where it does not say so by an event itself. */
  receive(chunk: Buffer): void {
    this.#intake.take(chunk);
  }

  /** Where the next bytes of the socket belong, if that is known. */
  whereNext(): Buffer | undefined {
    return this.#intake.isWaiting ? undefined : this.#inflow.whereNext(this.#reader.dataLeft);
  }

  /** Who does not read what it is sent is not read from. */
  get mayRead(): boolean {
    return this.#outbox.unsentBytes <= http2UnsentBytesMax;
  }

  read(chunk: Buffer): void {
    if (this.#isClosed) return;
    this.#outbox.gather();
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof Http2Fault)) throw error;
      this.#fail(error);
    } finally {
      this.#outbox.flush();
    }
  }

  #onDrain(): void {
    this.#outbox.flush();
    this.#intake.resume();
  }

  /** The peer broke the protocol: it is told why, and the connection ends. */
  #fail(fault: Http2Fault): void {
    this.#error ??= fault;
    this.#isDraining = true;
    this.#outbox.goAway(this.#streams.lastTaken, fault.code, fault.message);
    this.#end();
    this.#destroyIn(grpcLastWordsMs);
  }

  #endIfDrained(): void {
    if (!this.#isDraining || !this.#streams.isEmpty) return;
    // A server ends when its client knows that it does: what is on its way is still answered.
    if (this.#isServer && !this.#isRefusing && this.#error === undefined) return;
    this.#end();
  }

  /** Closes the socket when it has taken what there is to say; the peer has a moment to close its side first. */
  #end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#reader.stop();
    this.#outbox.end();
    // Not at once: what a slow reader has not read yet is lost when it sends to a socket that is gone. A server has read
    // to their ends what its client's streams had to say, or they would not have ended.
    this.#socket.end(() => {
      if (this.#lastWords === undefined) this.#destroyIn(this.#isServer ? grpcKeepaliveMs : grpcLastWordsMs);
    });
  }

  /** A connection that is gone leaves no timer: it would hold what was read and written until it fires. */
  #destroyIn(delayMs: number): void {
    if (this.#isClosed) return;
    clearTimeout(this.#lastWords);
    this.#lastWords = setTimeout(() => this.#socket.destroy(), delayMs);
    this.#lastWords.unref();
  }

  #onClosed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#lastWords);
    this.#reader.stop();
    this.#outbox.close();
    this.#listener.closed(this.#error);
    this.#streams.lose();
  }

  #beginWaiting(): void {
    this.#streams.beginWaiting(this.#outbox.peer.windowBytes);
    this.#retireIfExhausted();
  }

  /** After 2³⁰ calls a client's numbers are used up: it goes on as if its server had asked for a new connection. */
  #retireIfExhausted(): void {
    if (!this.#isServer && !this.#isDraining && this.#streams.isExhausted) this.onGoAway(streamIdMax);
  }

  /** Until the peer knows our settings, the window that every stream begins with is its right. */
  #newStream(): Http2Stream {
    const receiveWindow = Math.max(initialWindowBytes, this.#options.streamWindowBytes);
    return new Http2Stream(this, this.#outbox.peer.windowBytes, receiveWindow);
  }
}
