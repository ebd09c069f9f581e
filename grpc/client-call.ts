/**
 * One call on the client: one HTTP/2 stream, from its request headers to its status.
 *
 * The status comes from the trailers, or from the response headers when they are all there is; without either, from
 * the HTTP status, the reset code, or the fault of the connection. Exactly one `ended` reaches the listener, after
 * the last message.
 */
import type { HeaderFields } from '../http2/header-fields.ts';
import { errorCode } from '../http2/protocol.ts';
import type { Http2Stream, StreamListener } from '../http2/stream.ts';
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
  /** How the call ends if its connection breaks. */
  readonly endOfConnection: () => StreamEnd;
}

export class ClientCall implements CallTransport, StreamListener {
  readonly #stream: Http2Stream;
  readonly #options: ClientCallOptions;
  readonly #listener: CallListener;
  readonly #reader: MessageReader;
  #deadline: Deadline | undefined;
  #onAbort: (() => void) | undefined;
  #status: StreamEnd | undefined;
  #ended = false;

  constructor(stream: Http2Stream, options: ClientCallOptions, listener: CallListener) {
    this.#stream = stream;
    this.#options = options;
    this.#listener = listener;
    this.#reader = new MessageReader(options.messageBytesMax, undefined, (message, compressed) =>
      this.#onMessage(message, compressed),
    );
    stream.listener = this;
    this.#watch();
  }

  write(message: MessageParts): boolean {
    return this.#ended || this.#stream.write(framed(message));
  }

  finish(): void {
    if (!this.#ended) this.#stream.end();
  }

  /** The only message and the half-close. */
  writeOnly(message: MessageParts): void {
    this.#stream.write(framed(message), true);
  }

  fail(error: GrpcError): void {
    this.#settle(streamEnd(error.code, error.details, error.metadata));
    this.#stream.reset(errorCode.cancel);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  release(): void {
    // A client counts its own calls: nothing is reserved here.
  }

  onHeaders(fields: HeaderFields, isEnd: boolean): void {
    this.#status = endOfHeaders(fields) ?? this.#status;
    const httpStatus = Number(fields[':status']);
    // Trailers have no status of HTTP.
    if (httpStatus === 200 || this.#status || (isEnd && fields[':status'] === undefined)) return;
    const text = `Received HTTP status code ${httpStatus}`;
    this.fail(new GrpcError(codeOfHttpStatus(httpStatus), text, metadataOf(fields)));
  }

  onData(chunk: Buffer): void {
    if (this.#ended) return;
    this.#reader.read(chunk, this);
  }

  whereNext(bytesMax: number): Buffer | undefined {
    return this.#reader.whereNext(bytesMax);
  }

  onEnd(): void {
    if (this.#ended) return;
    this.#listener.remoteEnd();
    if (this.#status) this.#settle(this.#status);
  }

  onDrain(): void {
    if (!this.#ended) this.#listener.drain();
  }

  onClose(code: number, isLost: boolean): void {
    if (this.#status) this.#settle(this.#status);
    else this.#settle(isLost ? this.#options.endOfConnection() : endOfReset(code));
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

  #onMessage(message: Buffer, compressed: boolean): void {
    if (compressed) throw new GrpcError(grpcStatus.INTERNAL, 'Received a compressed message that was not asked for');
    if (!this.#ended) this.#listener.message(message, 0);
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
