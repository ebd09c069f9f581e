/**
 * A gRPC client on our own HTTP/2: one channel to one address, over one or more connections.
 *
 * A single HTTP/2 connection carries its calls in one TCP stream, so a large value delays whatever is behind it;
 * callers that mix both give large values a channel of their own, or several connections (calls go around in turn).
 *
 * Calls fail at once while no connection can be made (`UNAVAILABLE`, `neverProcessed`), unless `waitForReady` lets
 * them wait until their deadline. A call that the server provably never began is sent again once by itself.
 */
import type { OutgoingFields } from '../http2/header-fields.ts';
import {
  grpcClientCallsMax,
  grpcConnectionWindowBytes,
  grpcConnectTimeoutMs,
  grpcKeepaliveMs,
  grpcMessageBytesMax,
  grpcReconnectDelayMaxMs,
  grpcReconnectDelayMinMs,
  grpcStreamWindowBytes,
} from '../limits.ts';
import type { ChannelTlsSource } from '../security/tls.ts';
import type { CallListener } from './call-transport.ts';
import { ClientCall } from './client-call.ts';
import { ClientConnection, type ConnectionOptions, type ConnectionState } from './client-connection.ts';
import { DeadlineWheel } from './deadline-wheel.ts';
import { GrpcDuplex } from './duplex.ts';
import type { ClientMethod } from './method.ts';
import { errorOfEnd, GrpcError, type GrpcMetadata, grpcStatus, type StreamEnd, streamEnd } from './status.ts';
import { formatTimeout } from './timeout.ts';

export interface GrpcChannelOptions {
  readonly connections?: number;
  /** What the server may send on one call before we have read it. */
  readonly windowBytes?: number;
  readonly connectionWindowBytes?: number;
  /** Bound on a message that we receive. */
  readonly messageBytesMax?: number;
  /** Calls that have begun and not ended. */
  readonly callsMax?: number;
  readonly connectTimeoutMs?: number;
  readonly reconnectDelayMinMs?: number;
  readonly reconnectDelayMaxMs?: number;
  readonly keepaliveMs?: number;
  /** Undefined: plain text. */
  readonly tls?: ChannelTlsSource | undefined;
  /** Goes with every call, such as its credentials. */
  readonly metadata?: (() => GrpcMetadata) | undefined;
  /** Called when `channel.state` has changed. */
  readonly onState?: (state: ConnectionState) => void;
}

export interface CallOptions {
  /** Wall-clock time (Date.now()) by which the call must have ended. */
  readonly deadlineMs?: number | undefined;
  readonly metadata?: GrpcMetadata | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Wait for a connection until the deadline instead of failing at once. */
  readonly waitForReady?: boolean | undefined;
}

const none: CallOptions = {};

export class GrpcChannel {
  readonly target: string;
  readonly #options: GrpcChannelOptions;
  readonly #connections: readonly ClientConnection[];
  readonly #deadlines = new DeadlineWheel();
  readonly #waiting = new Set<() => void>();
  #state: ConnectionState = 'idle';
  #next = 0;
  #calls = 0;

  /** @param target host:port */
  constructor(target: string, options: GrpcChannelOptions = {}) {
    this.target = target;
    this.#options = options;
    const connectionOptions: ConnectionOptions = {
      streamWindowBytes: options.windowBytes ?? grpcStreamWindowBytes,
      connectionWindowBytes: options.connectionWindowBytes ?? grpcConnectionWindowBytes,
      connectTimeoutMs: options.connectTimeoutMs ?? grpcConnectTimeoutMs,
      reconnectDelayMinMs: options.reconnectDelayMinMs ?? grpcReconnectDelayMinMs,
      reconnectDelayMaxMs: options.reconnectDelayMaxMs ?? grpcReconnectDelayMaxMs,
      keepaliveMs: options.keepaliveMs ?? grpcKeepaliveMs,
      tls: options.tls,
      onState: () => this.#onConnectionState(),
    };
    const count = Math.max(1, options.connections ?? 1);
    this.#connections = Array.from({ length: count }, () => new ClientConnection(target, connectionOptions));
  }

  /** The best state that any of its connections is in. */
  get state(): ConnectionState {
    return this.#state;
  }

  /** Calls that have begun and not ended. */
  get calls(): number {
    return this.#calls;
  }

  /** Begins to connect where no call has asked for it yet. */
  connect(): void {
    this.#connections[0]!.connect();
  }

  /** Resolves when a connection stands; rejects with GrpcError at the deadline or when the channel is closed. */
  async ready(deadlineMs = Infinity, signal?: AbortSignal): Promise<void> {
    while (this.#state !== 'ready') {
      if (this.#state === 'closed') throw new GrpcError(grpcStatus.UNAVAILABLE, 'the channel is closed', {}, true);
      if (signal?.aborted) throw new GrpcError(grpcStatus.CANCELLED, 'cancelled by the caller', {}, true);
      const leftMs = deadlineMs - Date.now();
      if (leftMs <= 0) {
        const text = `no connection to ${this.target} in time: ${this.#connections[0]!.lastFault}`;
        throw new GrpcError(grpcStatus.DEADLINE_EXCEEDED, text, {}, true);
      }
      for (const connection of this.#connections) connection.connect();
      await this.#stateChange(leftMs, signal);
    }
  }

  /** Rejects with GrpcError for every status but OK. */
  async unary<Request, Response>(
    method: ClientMethod<Request, Response>,
    request: Request,
    options: CallOptions = none,
  ): Promise<Response> {
    if (options.waitForReady && this.#state !== 'ready') await this.ready(options.deadlineMs, options.signal);
    try {
      return await this.#unaryOnce(method, request, options);
    } catch (error) {
      // Only a connection that was taken for good can do this: the next attempt goes to a new one, or fails at once.
      if (!(error instanceof GrpcError) || !error.neverProcessed || this.#state === 'closed') throw error;
      if (error.code !== grpcStatus.UNAVAILABLE || this.#state === 'backoff') throw error;
      return await this.#unaryOnce(method, request, options);
    }
  }

  /** Opens a stream; faults, those of connecting included, arrive at its `closed`. */
  bidi<Request, Response>(
    method: ClientMethod<Request, Response>,
    options: CallOptions = none,
  ): GrpcDuplex<Request, Response> {
    const codec = { serialize: method.requestSerialize, deserialize: method.responseDeserialize };
    let call: ClientCall | undefined;
    // The stream reports to the duplex and the duplex writes to the stream: one of them has to come first.
    const stream: GrpcDuplex<Request, Response> = new GrpcDuplex(
      'client',
      {
        write: (message) => call?.write(message) ?? true,
        finish: () => call?.finish(),
        fail: (error) => call?.fail(error),
        pause: () => call?.pause(),
        resume: () => call?.resume(),
        release: () => undefined,
      },
      codec,
    );
    const begun = this.#begin(method.path, options, stream.listener);
    if (begun instanceof ClientCall) call = begun;
    else stream.listener.ended(begun);
    return stream;
  }

  /** Ends every connection and call. */
  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  #unaryOnce<Request, Response>(
    method: ClientMethod<Request, Response>,
    request: Request,
    options: CallOptions,
  ): Promise<Response> {
    const message = method.requestSerialize(request);
    return new Promise((resolve, reject) => {
      let answer: Buffer | undefined;
      const begun = this.#begin(method.path, options, {
        message: (bytes) => {
          answer = bytes;
        },
        remoteEnd: () => undefined,
        drain: () => undefined,
        ended: (end) => {
          if (end.code !== grpcStatus.OK) reject(errorOfEnd(end));
          else if (!answer) reject(new GrpcError(grpcStatus.INTERNAL, 'the answer has no message'));
          else resolveWith(method.responseDeserialize, answer, resolve, reject);
        },
      });
      if (begun instanceof ClientCall) begun.writeOnly(message);
      else reject(errorOfEnd(begun));
    });
  }

  #begin(path: string, options: CallOptions, listener: CallListener): ClientCall | StreamEnd {
    const { deadlineMs = Infinity, metadata, signal } = options;
    if (signal?.aborted) return streamEnd(grpcStatus.CANCELLED, 'cancelled by the caller', {}, true);
    const leftMs = deadlineMs - Date.now();
    if (leftMs <= 0) return streamEnd(grpcStatus.DEADLINE_EXCEEDED, 'Deadline exceeded', {}, true);
    const callsMax = this.#options.callsMax ?? grpcClientCallsMax;
    if (this.#calls >= callsMax) {
      return streamEnd(grpcStatus.RESOURCE_EXHAUSTED, `more than ${callsMax} calls at once`, {}, true);
    }
    const headers = requestHeaders(path, this.target, this.#options.tls === undefined ? 'http' : 'https', leftMs, {
      ...this.#options.metadata?.(),
      ...metadata,
    });
    const opened = this.#choose().open(headers);
    if ('code' in opened) return opened;
    this.#calls++;
    return new ClientCall(
      opened.stream,
      {
        messageBytesMax: this.#options.messageBytesMax ?? grpcMessageBytesMax,
        deadlines: this.#deadlines,
        deadlineMs,
        signal,
        endOfConnection: opened.endOfConnection,
      },
      {
        message: (message, reserved) => listener.message(message, reserved),
        remoteEnd: () => listener.remoteEnd(),
        drain: () => listener.drain(),
        ended: (end) => {
          this.#calls--;
          listener.ended(end);
        },
      },
    );
  }

  /** In turn, but a connection that cannot take the call only if none can. */
  #choose(): ClientConnection {
    const count = this.#connections.length;
    for (let step = 0; step < count; step++) {
      const connection = this.#connections[(this.#next + step) % count]!;
      if (connection.state === 'backoff' || connection.state === 'closed') continue;
      this.#next = (this.#next + step + 1) % count;
      return connection;
    }
    return this.#connections[0]!;
  }

  #onConnectionState(): void {
    const order: readonly ConnectionState[] = ['ready', 'connecting', 'idle', 'backoff', 'closed'];
    const state = order.find((item) => this.#connections.some((connection) => connection.state === item)) ?? 'idle';
    if (state === this.#state) return;
    this.#state = state;
    for (const wake of this.#waiting) wake();
    this.#options.onState?.(state);
  }

  /** Resolves at the next change of state, when the time is over, or when the caller cancels. */
  #stateChange(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = timeoutMs === Infinity ? undefined : setTimeout(done, timeoutMs);
      this.#waiting.add(done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }
}

function requestHeaders(
  path: string,
  authority: string,
  scheme: 'http' | 'https',
  leftMs: number,
  metadata: GrpcMetadata,
): OutgoingFields {
  return {
    ':method': 'POST',
    ':scheme': scheme,
    ':authority': authority,
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...(leftMs !== Infinity && { 'grpc-timeout': formatTimeout(leftMs) }),
    ...metadata,
  };
}

function resolveWith<Response>(
  deserialize: (bytes: Buffer) => Response,
  bytes: Buffer,
  resolve: (response: Response) => void,
  reject: (error: GrpcError) => void,
): void {
  let response: Response;
  try {
    response = deserialize(bytes);
  } catch {
    reject(new GrpcError(grpcStatus.INTERNAL, 'Error deserializing response'));
    return;
  }
  resolve(response);
}
