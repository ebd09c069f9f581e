/**
 * One call on the server: one HTTP/2 stream, from its headers to its close.
 *
 *   headers → messages → half-close          what the client sends
 *   headers → messages → trailers            what we send; without messages the trailers alone
 *
 * The call owns the stream's framing, its deadline, its bytes in flight and its one status. Whoever serves the method
 * hears messages through `CallListener` and answers through `CallTransport`. After the status is sent, whatever the
 * client still sends is thrown away, and a client that goes on sending is told to stop.
 *
 * A call is cancelled when the client resets it, its connection breaks, or its deadline passes, before the status
 * was sent. Statuses and texts are those of grpc-js, so that clients cannot tell the servers apart.
 */
import { bytesOf } from '../byte-parts.ts';
import type { HeaderFields, OutgoingFields } from '../http2/header-fields.ts';
import { errorCode } from '../http2/protocol.ts';
import type { Http2Stream, StreamListener } from '../http2/stream.ts';
import type { ReceiveMemory } from '../receive-memory.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { CallListener, CallTransport } from './call-transport.ts';
import { Deadline, type DeadlineWheel } from './deadline-wheel.ts';
import { acceptedEncodings, inflated, isMessageEncoding, type MessageEncoding } from './inflate.ts';
import { MessageReader } from './message-reader.ts';
import { framed, type MessageParts } from './method.ts';
import {
  encodeGrpcMessage,
  endOfReset,
  GrpcError,
  type GrpcMetadata,
  grpcStatus,
  okEnd,
  type StreamEnd,
  streamEnd,
} from './status.ts';
import { parseTimeout } from './timeout.ts';

/** What all calls of a server share. */
export interface CallEnvironment {
  readonly messageBytesMax: number;
  readonly budget: ByteBudget;
  readonly deadlines: DeadlineWheel;
}

const okTrailers: OutgoingFields = { 'grpc-status': '0' };
const responseHeaders: OutgoingFields = {
  ':status': '200',
  'content-type': 'application/grpc',
  'grpc-accept-encoding': acceptedEncodings,
};

export class ServerCall implements CallTransport, StreamListener {
  readonly path: string;
  /** As the client sent them. */
  readonly headers: HeaderFields;
  /** address:port of the client. */
  readonly peer: string;
  /** Who the client has proven to be, if the server asks for that. */
  identity: string | undefined;
  /** Called once, when the call's stream is over. */
  onClosed: (() => void) | undefined;
  /** Wall-clock time after which the client no longer waits; Infinity if it named none. */
  readonly deadlineMs: number;
  readonly #stream: Http2Stream;
  readonly #environment: CallEnvironment;
  readonly #reader: MessageReader;
  readonly #encoding: MessageEncoding | undefined;
  #listener: CallListener | undefined;
  #deadline: Deadline | undefined;
  #abort: AbortController | undefined;
  /** Messages still being inflated, in order. */
  #inflating: Promise<void> | undefined;
  #writtenBytes = 0;
  #extraTrailers: GrpcMetadata | undefined;
  #end: StreamEnd | undefined;
  #remoteEnded = false;
  #cancelled = false;
  #receivedBytes = 0;
  #messages = 0;

  constructor(stream: Http2Stream, headers: HeaderFields, peer: string, environment: CallEnvironment) {
    this.#stream = stream;
    this.headers = headers;
    this.path = headers[':path'] ?? '';
    this.peer = peer;
    this.#environment = environment;
    this.#reader = new MessageReader(environment.messageBytesMax, environment.budget, (message, compressed, reserved) =>
      this.#onMessage(message, compressed, reserved),
    );
    const timeout = headers['grpc-timeout'];
    const timeoutMs = timeout === undefined ? undefined : parseTimeout(timeout);
    this.deadlineMs = timeoutMs === undefined ? Infinity : Date.now() + timeoutMs;
    const encoding = headers['grpc-encoding'];
    this.#encoding = encoding !== undefined && isMessageEncoding(encoding) ? encoding : undefined;
    stream.listener = this;
  }

  /** True once nobody waits for the answer any more. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** Aborts when the call is cancelled. Made on first use. */
  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController();
      if (this.#cancelled) this.#abort.abort();
    }
    return this.#abort.signal;
  }

  /** True if the status is decided: writes go nowhere. */
  get ended(): boolean {
    return this.#end !== undefined || this.#stream.isClosed;
  }

  /** Bytes that have moved: a call that is `busy` with one message and hardly moves is stuck. */
  get progress(): number {
    return this.#receivedBytes + this.#writtenBytes - this.#stream.pendingBytes;
  }

  /** How often it was done with a message, in or out. */
  get completed(): number {
    return this.#messages + this.#stream.timesSent;
  }

  /** In the middle of a message, in or out. */
  get busy(): boolean {
    return this.#reader.partial || this.#stream.pendingBytes > 0;
  }

  /** Messages that are still to come get their memory here. */
  receiveIn(memory: ReceiveMemory): void {
    this.#reader.memory = memory;
  }

  /** Begins to read. What is wrong with the headers is answered here and the listener hears only `ended`. */
  start(listener: CallListener): void {
    this.#listener = listener;
    const fault = this.#headerFault();
    if (fault) {
      this.fail(fault);
      return;
    }
    if (this.deadlineMs !== Infinity) {
      this.#deadline = new Deadline(this.deadlineMs, () => this.#onDeadline());
      this.#environment.deadlines.add(this.#deadline);
    }
  }

  /** Sends the response headers, if they are not out already; `extra` adds to them. */
  sendHeaders(extra?: GrpcMetadata): void {
    if (this.ended || this.#stream.hasSentHeaders) return;
    this.#stream.sendHeaders(extra ? { ...responseHeaders, ...extra } : responseHeaders);
  }

  /** Adds to the trailers that will carry the status. */
  setTrailers(metadata: GrpcMetadata): void {
    this.#extraTrailers = { ...this.#extraTrailers, ...metadata };
  }

  write(message: MessageParts): boolean {
    if (this.ended) return true;
    this.sendHeaders();
    return this.#send(framed(message));
  }

  finish(): void {
    this.#finish(okEnd);
  }

  fail(error: GrpcError): void {
    this.#finish(streamEnd(error.code, error.details, error.metadata));
  }

  /** One message and OK: the whole of a unary answer in as few steps as HTTP/2 takes. */
  answer(message: MessageParts): void {
    if (this.ended) return;
    this.sendHeaders();
    this.#send(framed(message));
    this.#finish(okEnd);
  }

  /** Resets the stream without a status. */
  cancel(): void {
    this.#stream.reset(errorCode.cancel);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  release(reservedBytes: number): void {
    this.#environment.budget.release(reservedBytes);
  }

  onHeaders(): void {
    // Trailers of a request say nothing in gRPC.
  }

  onData(chunk: Buffer): void {
    if (this.#end) return;
    this.#receivedBytes += chunk.byteLength;
    this.#reader.read(chunk, this);
  }

  whereNext(bytesMax: number): Buffer | undefined {
    return this.#end === undefined ? this.#reader.whereNext(bytesMax) : undefined;
  }

  /** The client has sent everything. A stream that was reset or lost does not come here: its write must not be done. */
  onEnd(): void {
    this.#remoteEnded = true;
    if (this.#end) return;
    if (this.#inflating) this.#inOrder(() => this.#listener?.remoteEnd());
    else if (this.#reader.partial) this.fail(new GrpcError(grpcStatus.INTERNAL, 'The request ends inside a message'));
    else this.#listener?.remoteEnd();
  }

  onDrain(): void {
    this.#listener?.drain();
  }

  onClose(code: number): void {
    if (this.#deadline) this.#environment.deadlines.remove(this.#deadline);
    this.#reader.abandon();
    const end = this.#end ?? endOfReset(code || errorCode.cancel);
    if (!this.#end) {
      this.#cancelled = true;
      this.#abort?.abort();
    }
    this.#listener?.ended(end);
    this.#listener = undefined;
    this.onClosed?.();
  }

  #headerFault(): GrpcError | undefined {
    const timeout = this.headers['grpc-timeout'];
    if (timeout !== undefined && this.deadlineMs === Infinity) {
      return new GrpcError(grpcStatus.INTERNAL, `Invalid grpc-timeout value "${timeout}"`);
    }
    const encoding = this.headers['grpc-encoding'];
    if (encoding !== undefined && encoding !== 'identity' && this.#encoding === undefined) {
      const text = `Received message compressed with unsupported encoding "${encoding}"`;
      return new GrpcError(grpcStatus.UNIMPLEMENTED, text);
    }
    return undefined;
  }

  #send(parts: readonly Uint8Array[]): boolean {
    this.#writtenBytes += bytesOf(parts);
    return this.#stream.write(parts);
  }

  #finish(end: StreamEnd): void {
    if (this.ended) return;
    this.#end = end;
    const stream = this.#stream;
    const trailers = this.#trailersOf(end);
    if (!this.#remoteEnded) this.#reader.abandon();
    if (stream.hasSentHeaders) stream.end(trailers);
    else stream.sendHeaders({ ...responseHeaders, ...trailers }, true);
    // The status is out and the client still sends: what comes is thrown away, so that it does not hold up the connection.
    if (!this.#remoteEnded) stream.stop();
  }

  #trailersOf(end: StreamEnd): OutgoingFields {
    if (end === okEnd && !this.#extraTrailers) return okTrailers;
    return {
      ...this.#extraTrailers,
      ...end.metadata,
      'grpc-status': String(end.code),
      ...(end.details !== '' && { 'grpc-message': encodeGrpcMessage(end.details) }),
    };
  }

  #onMessage(message: Buffer, compressed: boolean, reserved: number): void {
    this.#messages += 1;
    if (compressed) {
      if (!this.#encoding) {
        this.release(reserved);
        throw new GrpcError(grpcStatus.INTERNAL, 'Received a compressed message without a grpc-encoding');
      }
      const encoding = this.#encoding;
      this.#inOrder(() => this.#inflate(message, encoding, reserved));
    } else if (this.#inflating) {
      this.#inOrder(() => this.#deliver(message, reserved));
    } else {
      this.#deliver(message, reserved);
    }
  }

  #deliver(message: Buffer, reserved: number): void {
    if (this.ended) this.release(reserved);
    else this.#listener?.message(message, reserved);
  }

  async #inflate(compressed: Buffer, encoding: MessageEncoding, reserved: number): Promise<void> {
    try {
      const { messageBytesMax, budget } = this.#environment;
      const message = await inflated(compressed, encoding, messageBytesMax, budget);
      this.#deliver(message, message.byteLength);
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error;
      this.fail(error);
    } finally {
      this.release(reserved);
    }
  }

  /** After what is being inflated; the stream is held meanwhile, so that the waiting line stays short. */
  #inOrder(step: () => void | Promise<void>): void {
    this.#stream.pause();
    const before = this.#inflating ?? Promise.resolve();
    const mine: Promise<void> = before.then(step).then(() => {
      if (this.#inflating !== mine) return;
      this.#inflating = undefined;
      this.resume();
    });
    this.#inflating = mine;
    mine.catch(() => this.#stream.reset(errorCode.internalError));
  }

  #onDeadline(): void {
    this.#cancelled = true;
    this.#abort?.abort();
    this.fail(new GrpcError(grpcStatus.DEADLINE_EXCEEDED, 'Deadline exceeded'));
  }
}
