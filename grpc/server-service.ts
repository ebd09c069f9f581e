/**
 * Services written for grpc-js, served by our server: reflection, health, anything made for `server.addService`.
 *
 * Handlers get call objects with grpc-js's members (request, metadata, cancelled, getPeer, getDeadline, getPath,
 * getHost, sendMetadata, and for streams Node's object streams with a 'cancelled' event). Interceptors, channelz,
 * authentication contexts and load reports of grpc-js are not there.
 */
import { EventEmitter } from 'node:events';
import { Duplex } from 'node:stream';
import {
  type MethodDefinition,
  Metadata,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { CallListener } from './call-transport.ts';
import type { ServerCall } from './server-call.ts';
import { grpcErrorOf, noMessage, secondMessage } from './server-unary.ts';
import { GrpcError, type GrpcMetadata, grpcStatus } from './status.ts';

type Definition = MethodDefinition<unknown, unknown>;
type Respond = (error: unknown, value?: unknown, trailer?: Metadata) => void;
type Implementation = (call: unknown, respond?: Respond) => void;

const transportHeaders = ['grpc-timeout', 'grpc-encoding', 'grpc-accept-encoding', 'accept-encoding', 'te'];

/** A listener for a new call of each of the service's methods, by path. */
export function servings(
  definition: ServiceDefinition,
  implementation: UntypedServiceImplementation,
): Map<string, (call: ServerCall) => CallListener> {
  const found = new Map<string, (call: ServerCall) => CallListener>();
  for (const [name, method] of Object.entries(definition) as [string, Definition][]) {
    const handler = implementation[name] ?? implementation[method.originalName ?? name];
    if (!handler) continue;
    const bound = (handler as Implementation).bind(implementation);
    found.set(method.path, (call) =>
      method.requestStream || method.responseStream
        ? new StreamServing(method, bound, call)
        : new CallbackServing(method, bound, call),
    );
  }
  return found;
}

function metadataOfCall(call: ServerCall): Metadata {
  const metadata = Metadata.fromHttp2Headers(call.headers);
  for (const name of [...transportHeaders, 'content-type']) metadata.remove(name);
  return metadata;
}

function plainMetadata(metadata: Metadata): GrpcMetadata {
  const plain: Record<string, string> = {};
  for (const [name, value] of Object.entries(metadata.toHttp2Headers())) {
    if (value !== undefined) plain[name] = Array.isArray(value) ? value.join(',') : String(value);
  }
  return plain;
}

function respondTo(call: ServerCall, method: Definition): Respond {
  return (error, value, trailer) => {
    if (trailer) call.setTrailers(plainMetadata(trailer));
    if (error) {
      const metadata = (error as { metadata?: unknown }).metadata;
      if (metadata instanceof Metadata) call.setTrailers(plainMetadata(metadata));
      call.fail(grpcErrorOf(error));
      return;
    }
    try {
      call.answer(method.responseSerialize(value));
    } catch {
      call.fail(new GrpcError(grpcStatus.INTERNAL, 'Error serializing response'));
    }
  };
}

/** grpc-js's ServerUnaryCall. */
class UnaryCall extends EventEmitter {
  readonly request: unknown;
  readonly metadata: Metadata;
  readonly #call: ServerCall;

  constructor(call: ServerCall, request: unknown) {
    super();
    this.#call = call;
    this.request = request;
    this.metadata = metadataOfCall(call);
  }

  get cancelled(): boolean {
    return this.#call.cancelled;
  }

  getPeer(): string {
    return this.#call.peer;
  }

  getDeadline(): number {
    return this.#call.deadlineMs;
  }

  getPath(): string {
    return this.#call.path;
  }

  getHost(): string {
    return this.#call.headers[':authority'] ?? '';
  }

  sendMetadata(metadata: Metadata): void {
    this.#call.sendHeaders(plainMetadata(metadata));
  }
}

class CallbackServing implements CallListener {
  readonly #method: Definition;
  readonly #handler: Implementation;
  readonly #call: ServerCall;
  #message: Buffer | undefined;
  #reservedBytes = 0;
  #handed: UnaryCall | undefined;

  constructor(method: Definition, handler: Implementation, call: ServerCall) {
    this.#method = method;
    this.#handler = handler;
    this.#call = call;
  }

  message(message: Buffer, reservedBytes: number): void {
    this.#reservedBytes += reservedBytes;
    if (this.#message) this.#call.fail(secondMessage(this.#method.path));
    else this.#message = message;
  }

  remoteEnd(): void {
    if (!this.#message) {
      this.#call.fail(noMessage(this.#method.path));
      return;
    }
    try {
      this.#handed = new UnaryCall(this.#call, deserialized(this.#method, this.#message));
      this.#handler(this.#handed, respondTo(this.#call, this.#method));
    } catch (error) {
      this.#call.fail(grpcErrorOf(error));
    }
  }

  drain(): void {
    // A single answer is handed over whole.
  }

  ended(): void {
    this.#call.release(this.#reservedBytes);
    this.#reservedBytes = 0;
    if (this.#call.cancelled) this.#handed?.emit('cancelled', 'cancelled');
  }
}

/** grpc-js's ServerReadableStream, ServerWritableStream and ServerDuplexStream in one. */
class StreamCall extends Duplex {
  readonly metadata: Metadata;
  request: unknown;
  readonly #call: ServerCall;
  readonly #method: Definition;
  #afterDrain: (() => void) | undefined;

  constructor(call: ServerCall, method: Definition) {
    super({ objectMode: true, autoDestroy: true });
    this.#call = call;
    this.#method = method;
    this.metadata = metadataOfCall(call);
    // As in grpc-js: emitting 'error' ends the call with that status.
    this.on('error', (error) => call.fail(grpcErrorOf(error)));
  }

  get cancelled(): boolean {
    return this.#call.cancelled;
  }

  getPeer(): string {
    return this.#call.peer;
  }

  getDeadline(): number {
    return this.#call.deadlineMs;
  }

  getPath(): string {
    return this.#call.path;
  }

  getHost(): string {
    return this.#call.headers[':authority'] ?? '';
  }

  sendMetadata(metadata: Metadata): void {
    this.#call.sendHeaders(plainMetadata(metadata));
  }

  /** The callback's turn comes when the stream below has room. */
  drained(): void {
    const after = this.#afterDrain;
    this.#afterDrain = undefined;
    after?.();
  }

  override end(...parameters: unknown[]): this {
    const [first, ...rest] = parameters;
    if (first instanceof Metadata) {
      this.#call.setTrailers(plainMetadata(first));
      return super.end(...(rest as []));
    }
    return super.end(...(parameters as []));
  }

  override _read(): void {
    this.#call.resume();
  }

  override _write(message: unknown, _encoding: string, callback: (error?: Error | null) => void): void {
    let room: boolean;
    try {
      room = this.#call.write(this.#method.responseSerialize(message));
    } catch {
      callback(new GrpcError(grpcStatus.INTERNAL, 'Error serializing response'));
      return;
    }
    if (room) callback();
    else this.#afterDrain = callback;
  }

  override _final(callback: (error?: Error | null) => void): void {
    // A method with a single answer ends by its callback.
    if (this.#method.responseStream) this.#call.finish();
    callback();
  }
}

class StreamServing implements CallListener {
  readonly #method: Definition;
  readonly #handler: Implementation;
  readonly #call: ServerCall;
  readonly #stream: StreamCall;
  #messages = 0;

  constructor(method: Definition, handler: Implementation, call: ServerCall) {
    this.#method = method;
    this.#handler = handler;
    this.#call = call;
    this.#stream = new StreamCall(call, method);
    if (method.requestStream) this.#invoke();
  }

  message(message: Buffer, reservedBytes: number): void {
    this.#call.release(reservedBytes);
    try {
      const request = deserialized(this.#method, message);
      this.#messages++;
      if (!this.#method.requestStream) this.#takeOnly(request);
      else if (!this.#stream.push(request)) this.#call.pause();
    } catch (error) {
      this.#call.fail(grpcErrorOf(error));
    }
  }

  remoteEnd(): void {
    if (this.#method.requestStream) this.#stream.push(null);
    else if (this.#messages === 0) this.#call.fail(noMessage(this.#method.path));
    else this.#invoke();
  }

  drain(): void {
    this.#stream.drained();
  }

  ended(): void {
    if (this.#call.cancelled) this.#stream.emit('cancelled', 'cancelled');
    this.#stream.destroy();
  }

  #takeOnly(request: unknown): void {
    if (this.#messages > 1) this.#call.fail(secondMessage(this.#method.path));
    this.#stream.request = request;
  }

  #invoke(): void {
    try {
      if (this.#method.responseStream) this.#handler(this.#stream);
      else this.#handler(this.#stream, respondTo(this.#call, this.#method));
    } catch (error) {
      this.#call.fail(grpcErrorOf(error));
    }
  }
}

function deserialized(method: Definition, message: Buffer): unknown {
  try {
    return method.requestDeserialize(message);
  } catch {
    throw new GrpcError(grpcStatus.INTERNAL, 'Error deserializing request');
  }
}
