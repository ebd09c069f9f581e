/**
 * A gRPC server on our own HTTP/2 (../http2/).
 *
 * Why not grpc-js's: its server keeps 64 KiB flow-control windows (one round trip for every 64 KiB of a block),
 * joins every large message, and spends most of a small call in interceptors and in node:http2; `docs/performance.md`
 * has the figures. This file keeps connections, their bounds and the way a server ends.
 *
 * Bounds: connections, streams a connection, header bytes, message bytes, bytes in flight over all calls, resets. A
 * connection that has open calls and answers no ping is dropped; a call stuck inside a message is cancelled.
 */
import { type AddressInfo, createServer, type Server, type ServerOpts, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import {
  grpcConnectionsMax,
  grpcConnectionWindowBytes,
  grpcInFlightBytesMax,
  grpcKeepaliveMs,
  grpcLastWordsMs,
  grpcMessageBytesMax,
  grpcStallMaxMs,
  grpcStreamsPerConnectionMax,
  grpcStreamWindowBytes,
  listenBacklogMax,
} from '../limits.ts';
import { Http2Connection } from '../http2/connection.ts';
import type { HeaderFields } from '../http2/header-fields.ts';
import type { Http2Stream } from '../http2/stream.ts';
import {
  type HandshakeFault,
  handshakeFaultOf,
  listenerTlsOf,
  secureContextOf,
  type ServerTlsSource,
  type ShownCertificate,
  shownCertificate,
} from '../security/tls.ts';
import { readAgain, type SocketReader, SocketReads } from '../socket-reads.ts';
import { ByteBudget } from './byte-budget.ts';
import type { CallListener } from './call-transport.ts';
import { DeadlineWheel } from './deadline-wheel.ts';
import { GrpcDuplex } from './duplex.ts';
import type { ServerMethod } from './method.ts';
import { type CallEnvironment, ServerCall } from './server-call.ts';
import { ServerConnection } from './server-connection.ts';
import { servings } from './server-service.ts';
import { grpcErrorOf, type UnaryHandler, UnaryServing } from './server-unary.ts';
import { GrpcError, grpcStatus } from './status.ts';

/** Ends by `stream.end()` or `stream.fail()`; if it returns a promise, also when that is settled. */
export type BidiHandler<Request, Response> = (
  stream: GrpcDuplex<Response, Request>,
  call: ServerCall,
) => void | Promise<void>;

export interface GrpcServerOptions {
  readonly messageBytesMax?: number;
  readonly connectionsMax?: number;
  readonly streamsPerConnectionMax?: number;
  readonly inFlightBytesMax?: number;
  readonly streamWindowBytes?: number;
  readonly connectionWindowBytes?: number;
  /** How often connections are looked at: signs of life, and calls that are stuck. */
  readonly keepaliveMs?: number;
  readonly stallMaxMs?: number;
  /** Connections are moved on gently after this time, plus or minus a tenth. Undefined: never. */
  readonly maxConnectionAgeMs?: number | undefined;
  /** Undefined: plain text. */
  readonly tls?: ServerTlsSource | undefined;
  /**
   * Looks at every call before a byte of its body is read. Answers who the client is, as far as it is known; throws
   * GrpcError for a call that is not to be served.
   */
  readonly authorize?: ((call: ServerCall, certificate: string | undefined) => string | undefined) | undefined;
  /** Told of connections on which TLS did not come about, and of certificates that no authority of ours has signed. */
  readonly onHandshakeFault?: ((fault: HandshakeFault) => void) | undefined;
}

export interface GrpcServerStatistics {
  readonly connections: number;
  /** Calls that have begun and not ended. */
  readonly streams: number;
  readonly bytesInFlight: number;
  /** Connections and calls refused at a bound since the start. */
  readonly refused: number;
}

export class GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #environment: CallEnvironment;
  readonly #servings = new Map<string, (call: ServerCall) => CallListener>();
  readonly #connections = new Set<ServerConnection>();
  #server: Server | undefined;
  /** Of TLS: connections whose handshake may still be under way. */
  readonly #sockets = new Set<Socket>();
  #stopFollowing: (() => void) | undefined;
  #keepalive: NodeJS.Timeout | undefined;
  #streams = 0;
  #connectionsRefused = 0;
  #closing = false;

  constructor(options: GrpcServerOptions = {}) {
    this.#options = options;
    this.#environment = {
      messageBytesMax: options.messageBytesMax ?? grpcMessageBytesMax,
      budget: new ByteBudget(options.inFlightBytesMax ?? grpcInFlightBytesMax),
      deadlines: new DeadlineWheel(),
    };
  }

  get statistics(): GrpcServerStatistics {
    return {
      connections: this.#connections.size,
      streams: this.#streams,
      bytesInFlight: this.#environment.budget.used,
      refused: this.#connectionsRefused + this.#environment.budget.refused,
    };
  }

  /** Serves a unary method the short way. */
  addUnary<Request, Response>(method: ServerMethod<Request, Response>, handler: UnaryHandler<Request, Response>): void {
    this.#add(method.path, (call) => {
      if (method.memory !== undefined) call.receiveIn(method.memory);
      return new UnaryServing(method, handler, call);
    });
  }

  /** Serves a method with streams in both directions the short way. */
  addBidi<Request, Response>(method: ServerMethod<Request, Response>, handler: BidiHandler<Request, Response>): void {
    this.#add(method.path, (call) => {
      if (method.memory !== undefined) call.receiveIn(method.memory);
      const stream = new GrpcDuplex<Response, Request>('server', call, {
        serialize: method.responseSerialize,
        deserialize: method.requestDeserialize,
      });
      void (async (): Promise<void> => {
        try {
          const served = handler(stream, call);
          if (!(served instanceof Promise)) return;
          await served;
          stream.end();
        } catch (error) {
          stream.fail(grpcErrorOf(error));
        }
      })();
      return stream.listener;
    });
  }

  /** Serves a service written for grpc-js: generated definitions, reflection, health. */
  addService(definition: ServiceDefinition, implementation: UntypedServiceImplementation): void {
    for (const [path, serve] of servings(definition, implementation)) this.#add(path, serve);
  }

  /** Resolves with the port; rejects if the address is taken. */
  listen(host: string, port: number): Promise<number> {
    const server = this.#createServer();
    this.#server = server;
    server.maxConnections = this.#options.connectionsMax ?? grpcConnectionsMax;
    server.on('drop', () => this.#connectionsRefused++);
    this.#keepalive = setInterval(() => this.#inspect(), this.#options.keepaliveMs ?? grpcKeepaliveMs);
    this.#keepalive.unref();
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, backlog: listenBacklogMax }, () => {
        server.off('error', reject);
        server.on('error', () => undefined);
        resolve((server.address() as AddressInfo).port);
      });
    });
  }

  /** Refuses new calls (GOAWAY), lets those in flight finish for so long, then ends every connection. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    clearInterval(this.#keepalive);
    this.#stopFollowing?.();
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    for (const connection of this.#connections) connection.drain();
    const drained = Promise.all([...this.#connections].map(({ closed }) => closed));
    const listening = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    await within(drained, graceMs);
    for (const connection of this.#connections) connection.failCalls();
    await within(drained, grpcLastWordsMs);
    for (const connection of this.#connections) connection.destroy();
    for (const socket of this.#sockets) socket.destroy();
    await listening;
  }

  #add(path: string, serve: (call: ServerCall) => CallListener): void {
    if (this.#servings.has(path)) throw new Error(`The method ${path} is already served`);
    this.#servings.set(path, serve);
  }

  #createServer(): Server {
    const { tls } = this.#options;
    if (tls !== undefined) return this.#createTlsServer(tls);
    return createServer({ noDelay: true, pauseOnConnect: true }, (socket) => this.#onPlainConnection(socket));
  }

  #createTlsServer(tls: ServerTlsSource): TlsServer {
    const options: ServerOpts = { noDelay: true };
    const server = createTlsServer({ ...options, ...listenerTlsOf(tls), ALPNProtocols: [alpnOfHttp2] });
    this.#stopFollowing = tls.onChange((current) => server.setSecureContext(secureContextOf(current)));
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('tlsClientError', (error, socket) => this.#options.onHandshakeFault?.(handshakeFaultOf(error, socket)));
    server.on('secureConnection', (socket) => this.#onSecureConnection(socket, tls));
    return server;
  }

  #onSecureConnection(socket: TLSSocket, { clientAuthentication }: ServerTlsSource): void {
    if (socket.alpnProtocol !== alpnOfHttp2) {
      // It may not have asked for anything: then it means to speak another protocol too.
      socket.destroy();
      return;
    }
    const shown: ShownCertificate = clientAuthentication === 'none' ? { kind: 'none' } : shownCertificate(socket);
    if (shown.kind === 'unverified') this.#options.onHandshakeFault?.('certificate');
    this.#onConnection(socket, shown);
  }

  #onPlainConnection(accepted: Socket): void {
    const reads = new SocketReads();
    reads.reader = this.#onConnection(readAgain(accepted, reads, { allowHalfOpen: false }), { kind: 'none' });
  }

  #onConnection(socket: Socket, shown: ShownCertificate): SocketReader {
    const http2 = new Http2Connection(
      socket,
      {
        role: 'server',
        streamWindowBytes: this.#options.streamWindowBytes ?? grpcStreamWindowBytes,
        connectionWindowBytes: this.#options.connectionWindowBytes ?? grpcConnectionWindowBytes,
        streamsMax: this.#options.streamsPerConnectionMax ?? grpcStreamsPerConnectionMax,
        account: this.#environment.budget,
      },
      {
        stream: (stream, fields) => this.#onStream(stream, fields, connection),
        closed: () => {
          this.#connections.delete(connection);
          connection.forget();
        },
      },
    );
    const connection = new ServerConnection(http2, socket, this.#options.maxConnectionAgeMs, shown);
    this.#connections.add(connection);
    http2.open();
    if (this.#closing) connection.drain();
    return http2;
  }

  #onStream(stream: Http2Stream, fields: HeaderFields, connection: ServerConnection): void {
    const isGrpc = fields['content-type']?.startsWith('application/grpc') === true;
    if (fields[':method'] !== 'POST' || !isGrpc) {
      stream.sendHeaders({ ':status': isGrpc ? '405' : '415' }, true);
      stream.stop();
      return;
    }
    this.#serve(new ServerCall(stream, fields, connection.peer, this.#environment), connection);
  }

  #serve(call: ServerCall, connection: ServerConnection): void {
    this.#streams++;
    connection.calls.add(call);
    call.onClosed = (): void => {
      this.#streams--;
      connection.calls.delete(call);
    };
    const refusal = this.#refusal(call, connection);
    const serve = this.#servings.get(call.path);
    if (refusal) {
      call.fail(refusal);
    } else if (!serve) {
      call.fail(new GrpcError(grpcStatus.UNIMPLEMENTED, `The server does not implement the method ${call.path}`));
    } else if (!this.#environment.budget.fits(0)) {
      call.fail(this.#environment.budget.refusal());
    } else {
      call.start(serve(call));
    }
  }

  #refusal(call: ServerCall, { shown }: ServerConnection): GrpcError | undefined {
    if (shown.kind === 'unverified') {
      return new GrpcError(grpcStatus.UNAUTHENTICATED, 'the client certificate is not accepted here');
    }
    const certificate = shown.kind === 'verified' ? shown.name : undefined;
    call.identity = certificate;
    const { authorize } = this.#options;
    if (authorize === undefined) return undefined;
    try {
      call.identity = authorize(call, certificate);
      return undefined;
    } catch (error) {
      return grpcErrorOf(error);
    }
  }

  #inspect(): void {
    for (const connection of this.#connections) {
      connection.inspect(this.#options.stallMaxMs ?? grpcStallMaxMs);
    }
  }
}

const alpnOfHttp2 = 'h2';

/** Resolves with the promise or after the time, whichever is first. */
async function within(promise: Promise<unknown>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([promise, timeout]);
  clearTimeout(timer);
}
