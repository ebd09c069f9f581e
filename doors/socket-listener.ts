/**
 * The listener of a door that speaks over plain sockets: TLS, certificates, a bound on connections, connections that are
 * looked at now and then, and an end that lets them finish. What is said on a connection is its door's business.
 *
 * A socket is known from the beginning, a connection only when its handshake is done: a door that ends waits for the
 * former, and counts and asks the latter. Beyond the bound on connections a client is told so, which takes a socket for a
 * moment; those have a bound of their own, and further ones are closed as they come.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createSecureServer, TLSSocket } from 'node:tls';
import type { Executor, Session } from '../commands/command.ts';
import { messageOf } from '../errors.ts';
import { listenBacklogMax, socketConnectionsMax, socketKeepaliveMs, socketRefusedMax } from '../limits.ts';
import type { Authenticator } from '../security/authenticator.ts';
import type { Refusals } from '../security/figures.ts';
import {
  handshakeFaultOf,
  listenerTlsOf,
  secureContextOf,
  type ServerTlsSource,
  shownCertificate,
} from '../security/tls.ts';
import { readAgain, type SocketReader, SocketReads } from '../socket-reads.ts';
import type { DoorAddress, DoorLog } from './door.ts';
import { type SocketBounds, socketBounds } from './socket-bounds.ts';

export interface ListenedConnection extends SocketReader {
  /** True while neither a request nor a reply is on its way, and it has not been ended. */
  readonly isIdle: boolean;
  readonly lastReadAtMs: number;
  watchForStall(): void;
  /** Answers what it has read and ends. */
  end(): void;
}

/** What a door over plain sockets is given, whatever it speaks. */
export interface SocketDoorOptions {
  readonly host: string;
  readonly port: number;
  readonly executor: Executor;
  readonly authenticator: Authenticator;
  /** Undefined: plain text. */
  readonly tls?: ServerTlsSource | undefined;
  readonly refusals?: Refusals | undefined;
  readonly log?: DoorLog | undefined;
  readonly connectionsMax?: number | undefined;
  /** A connection from which nothing comes for so long is ended; 0 for never. Read at every look. */
  readonly idleTimeoutMs?: (() => number) | undefined;
  readonly inFlightBytesMax?: number | undefined;
  /** For tests. */
  readonly bounds?: Partial<SocketBounds> | undefined;
}

/** What a listener leaves to its door. */
export interface SocketProtocol {
  readonly door: 'resp' | 'tcp';
  /** What a client is told whose connection is one too many. */
  readonly tooMany: Buffer;
  /** Begins to serve a connection, which is told what its socket reads. */
  readonly accept: (socket: Socket, session: Session) => ListenedConnection;
  /** Called at every look. */
  readonly onSweep?: (nowMs: number) => void;
}

export interface ListenerStatistics {
  readonly connections: number;
  /** Since the start. */
  readonly accepted: number;
  readonly refused: number;
  readonly endedIdle: number;
}

export class SocketListener {
  accepted = 0;
  refused = 0;
  endedIdle = 0;
  readonly connectionsMax: number;
  readonly #options: SocketDoorOptions;
  readonly #protocol: SocketProtocol;
  readonly #bounds: SocketBounds;
  readonly #server: Server;
  readonly #connections = new Set<ListenedConnection>();
  /** Also those whose handshake is under way. */
  readonly #sockets = new Set<Socket>();
  #sweeper: NodeJS.Timeout | undefined;
  #stopFollowing: (() => void) | undefined;
  #onAllClosed: (() => void) | undefined;

  constructor(options: SocketDoorOptions, protocol: SocketProtocol) {
    this.#options = options;
    this.#protocol = protocol;
    this.#bounds = { ...socketBounds, ...options.bounds };
    this.connectionsMax = options.connectionsMax ?? socketConnectionsMax;
    this.#server = this.#createServer();
    this.#server.maxConnections = this.connectionsMax + socketRefusedMax;
    this.#server.on('drop', () => (this.refused += 1));
  }

  get connections(): number {
    return this.#connections.size;
  }

  get statistics(): ListenerStatistics {
    const { connections, accepted, refused, endedIdle } = this;
    return { connections, accepted, refused, endedIdle };
  }

  /** The one that the system chose, once it listens. */
  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? this.#options.port;
  }

  listen(): Promise<DoorAddress> {
    const { host, port, log } = this.#options;
    const { door } = this.#protocol;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: listenBacklogMax }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => log?.warn({ error: messageOf(error), door }, 'listener'));
        this.#sweeper = setInterval(() => this.#sweep(), this.#bounds.sweepIntervalMs).unref();
        resolve({ host, port: this.port });
      });
    });
  }

  async close(graceMs: number): Promise<void> {
    if (!this.#server.listening) return;
    clearInterval(this.#sweeper);
    this.#stopFollowing?.();
    this.#server.close();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onAllClosed = resolve;
    for (const connection of this.#connections) connection.end();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, graceMs);
    if (this.#sockets.size > 0) await promise;
    clearTimeout(timer);
  }

  #createServer(): Server {
    // A client may end its side and still read what it has asked for.
    const options = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: socketKeepaliveMs };
    const { tls, refusals } = this.#options;
    const { door } = this.#protocol;
    if (tls === undefined) {
      return createServer({ ...options, pauseOnConnect: true }, (socket) => this.#acceptPlain(socket, options));
    }
    const server = createSecureServer({ ...options, ...listenerTlsOf(tls) }, (socket) => this.#acceptSecure(socket));
    server.on('connection', (socket: Socket) => this.#track(socket));
    server.on('tlsClientError', (error, socket) => refusals?.add(door, handshakeFaultOf(error, socket)));
    this.#stopFollowing = tls.onChange((current) => server.setSecureContext(secureContextOf(current)));
    return server;
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#onAllClosed?.();
    });
  }

  #acceptPlain(accepted: Socket, options: { readonly allowHalfOpen: boolean }): void {
    const reads = new SocketReads();
    const socket = readAgain(accepted, reads, options);
    this.#track(socket);
    reads.reader = this.#accept(socket);
  }

  #acceptSecure(socket: TLSSocket): void {
    const reader = this.#accept(socket);
    if (reader !== undefined) socket.on('data', (chunk) => reader.receive(chunk as Buffer));
  }

  /** Undefined if it is not to be served. */
  #accept(socket: Socket): ListenedConnection | undefined {
    const { refusals, tls, log } = this.#options;
    const { door, accept } = this.#protocol;
    const peer = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
    socket.on('error', (error) => log?.debug({ peer, door, error: error.message }, 'client'));
    if (this.#connections.size >= this.connectionsMax) {
      this.#refuse(socket);
      return undefined;
    }
    const shown = socket instanceof TLSSocket ? shownCertificate(socket) : undefined;
    if (shown?.kind === 'unverified' && tls?.clientAuthentication !== 'none') {
      refusals?.add(door, 'certificate');
      socket.destroy();
      return undefined;
    }
    this.accepted += 1;
    const identity = shown?.kind === 'verified' ? shown.name : undefined;
    const connection = accept(socket, { door, peer, tenant: '', ...(identity !== undefined && { identity }) });
    this.#connections.add(connection);
    socket.once('close', () => this.#connections.delete(connection));
    return connection;
  }

  /** What it still sends is read, or the reset that its end would be took the answer from it; but not for long. */
  #refuse(socket: Socket): void {
    this.refused += 1;
    socket.end(this.#protocol.tooMany);
    socket.resume();
    const linger = setTimeout(() => socket.destroy(), this.#bounds.refusedLingerMs);
    socket.once('close', () => clearTimeout(linger));
  }

  #sweep(): void {
    const now = Date.now();
    this.#protocol.onSweep?.(now);
    const idleTimeoutMs = this.#options.idleTimeoutMs?.() ?? 0;
    for (const connection of this.#connections) {
      connection.watchForStall();
      if (idleTimeoutMs === 0 || !connection.isIdle || now - connection.lastReadAtMs < idleTimeoutMs) continue;
      this.endedIdle += 1;
      connection.end();
    }
  }
}
