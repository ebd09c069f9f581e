/**
 * One call on the client: one HTTP/2 stream, from its request headers to its status.
 *
 * The status comes from the trailers, or from the response headers when they are all there is; without either, from
 * the HTTP status, the reset code, or the fault of the connection. Exactly one `ended` reaches the listener, after
 * the last message.
 */
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import type { CallListener, CallTransport } from './call-transport.ts';
import { Deadline, type DeadlineWheel } from './deadline-wheel.ts';
import { MessageReader } from './message-reader.ts';
import { framed, type MessageParts } from './method.ts';
import {
  codeOfHttpStatus,
  endOfHeaders,
  endOfReset,
  GrpcError,
  grpcStatus,
  metadataOf,
  type StreamEnd,
  streamEnd,
} from './status.ts';

export interface ClientCallOptions {
  readonly messageBytesMax: number;
  readonly deadlines: DeadlineWheel;
  /** Infinity: none. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  /**
   * If the connection under the stream broke: true, and `report` hears how, now or soon. Streams end before their
   * session says why.
   */
  readonly connectionLost: (report: (end: StreamEnd) => void) => boolean;
}

export class ClientCall implements CallTransport {
  readonly #stream: ClientHttp2Stream;
  readonly #options: ClientCallOptions;
  readonly #listener: CallListener;
  readonly #reader: MessageReader;
  #deadline: Deadline | undefined;
  #onAbort: (() => void) | undefined;
  #status: StreamEnd | undefined;
  #ended = false;

  constructor(stream: ClientHttp2Stream, options: ClientCallOptions, listener: CallListener) {
    this.#stream = stream;
    this.#options = options;
    this.#listener = listener;
    this.#reader = new MessageReader(options.messageBytesMax, undefined, (message, compressed) =>
      this.#onMessage(message, compressed),
    );
    stream.on('response', (headers) => this.#onResponse(headers));
    stream.on('trailers', (headers) => {
      this.#status = endOfHeaders(headers);
    });
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    stream.on('end', () => this.#onRemoteEnd());
    stream.on('drain', () => this.#listener.drain());
    stream.on('close', () => this.#onClose());
    // 'close' follows and says how the call ended.
    stream.on('error', () => undefined);
    this.#watch();
  }

  write(message: MessageParts): boolean {
    if (this.#ended || this.#stream.destroyed) return true;
    return sendAll(this.#stream, framed(message));
  }

  finish(): void {
    if (!this.#ended && !this.#stream.destroyed) this.#stream.end();
  }

  /** The only message and the half-close. */
  writeOnly(message: MessageParts): void {
    this.#stream.cork();
    sendAll(this.#stream, framed(message));
    this.#stream.end();
  }

  fail(error: GrpcError): void {
    this.#settle(streamEnd(error.code, error.details, error.metadata));
    if (!this.#stream.closed) this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    if (!this.#stream.destroyed) this.#stream.resume();
  }

  release(): void {
    // A client counts its own calls: nothing is reserved here.
  }

  #watch(): void {
    const { deadlineMs, deadlines, signal } = this.#options;
    if (deadlineMs !== Infinity) {
      this.#deadline = new Deadline(deadlineMs, () =>
        this.fail(new GrpcError(grpcStatus.DEADLINE_EXCEEDED, 'Deadline exceeded')),
      );
      deadlines.add(this.#deadline);
    }
    if (!signal) return;
    this.#onAbort = () => this.fail(new GrpcError(grpcStatus.CANCELLED, 'cancelled by the caller'));
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  #onResponse(headers: IncomingHttpHeaders): void {
    this.#status = endOfHeaders(headers);
    const httpStatus = Number(headers[':status']);
    if (httpStatus === 200 || this.#status) return;
    const text = `Received HTTP status code ${httpStatus}`;
    this.fail(new GrpcError(codeOfHttpStatus(httpStatus), text, metadataOf(headers)));
  }

  #onData(chunk: Buffer): void {
    if (this.#ended) return;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error;
      this.fail(error);
    }
  }

  #onMessage(message: Buffer, compressed: boolean): void {
    if (compressed) throw new GrpcError(grpcStatus.INTERNAL, 'Received a compressed message that was not asked for');
    if (!this.#ended) this.#listener.message(message, 0);
  }

  #onRemoteEnd(): void {
    if (this.#ended) return;
    this.#listener.remoteEnd();
    if (this.#status) this.#settle(this.#status);
  }

  #onClose(): void {
    if (this.#ended) return;
    if (this.#status) this.#settle(this.#status);
    else if (!this.#options.connectionLost((end) => this.#settle(end))) this.#settle(endOfReset(this.#stream.rstCode));
  }

  #settle(end: StreamEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reader.abandon();
    if (this.#deadline) this.#options.deadlines.remove(this.#deadline);
    if (this.#onAbort) this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#listener.ended(end);
  }
}

function sendAll(stream: ClientHttp2Stream, buffers: readonly Uint8Array[]): boolean {
  const last = buffers.length - 1;
  if (last === 0) return stream.write(buffers[0]);
  stream.cork();
  for (let index = 0; index < last; index++) stream.write(buffers[index]);
  const room = stream.write(buffers[last]);
  stream.uncork();
  return room;
}
