/**
 * The RESP door: Redis' protocol on one port, over an executor that is given to it. The same on router and shard, but for
 * the cluster that it shows.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createSecureServer, TLSSocket } from 'node:tls';
import type { Executor, Session } from '../../commands/command.ts';
import { messageOf } from '../../errors.ts';
import { respConnectionsMax, respInFlightBytesMax, respKeepaliveMs, respSweepIntervalMs } from '../../limits.ts';
import type { Authenticator } from '../../security/authenticator.ts';
import type { Refusals } from '../../security/figures.ts';
import {
  handshakeFaultOf,
  listenerTlsOf,
  secureContextOf,
  type ServerTlsSource,
  shownCertificate,
} from '../../security/tls.ts';
import type { Door, DoorAddress, DoorLog } from '../door.ts';
import type { RuntimeConfig } from '../runtime-config.ts';
import { Catalogue } from './catalogue.ts';
import { Client, ClientRegistry } from './client.ts';
import type { ClusterNodes } from './cluster-nodes.ts';
import { Connection, type ConnectionHost } from './connection.ts';
import type { DoorParts } from './door-parts.ts';
import { DoorFigures } from './figures.ts';
import { InFlightBudget } from './in-flight-budget.ts';
import { ReplyWriter } from './reply-writer.ts';
import { sessionCommands } from './session/session-commands.ts';

export interface RespDoorOptions {
  readonly host: string;
  readonly port: number;
  readonly executor: Executor;
  readonly settings: RuntimeConfig;
  readonly cluster: ClusterNodes;
  readonly authenticator: Authenticator;
  /** Undefined: plain text. */
  readonly tls?: ServerTlsSource | undefined;
  readonly refusals?: Refusals | undefined;
  readonly log?: DoorLog | undefined;
  readonly connectionsMax?: number | undefined;
  /** A connection from which nothing comes for so long is ended; 0 for never. Read at every look. */
  readonly idleTimeoutMs?: (() => number) | undefined;
  readonly inFlightBytesMax?: number | undefined;
}

export interface RespStatistics {
  readonly connections: number;
  readonly bytesInFlight: number;
  readonly figures: DoorFigures;
}

const tooManyClients = '-ERR max number of clients reached\r\n';

export class RespDoor implements Door, ConnectionHost {
  readonly protocol = 'resp';
  readonly parts: DoorParts;
  readonly writer = new ReplyWriter();
  readonly #options: RespDoorOptions;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  /** Of TLS: connections whose handshake is under way. */
  readonly #sockets = new Set<Socket>();
  #dirty: Connection[] = [];
  #sweeper: NodeJS.Timeout | undefined;
  #stopFollowing: (() => void) | undefined;
  #onAllClosed: (() => void) | undefined;

  constructor(options: RespDoorOptions) {
    this.#options = options;
    this.parts = {
      ...options,
      refusals: options.refusals,
      log: options.log,
      catalogue: new Catalogue(sessionCommands),
      clients: new ClientRegistry(),
      budget: new InFlightBudget(options.inFlightBytesMax ?? respInFlightBytesMax),
      figures: new DoorFigures(),
      port: () => this.#port,
      connectionsMax: options.connectionsMax ?? respConnectionsMax,
    };
    this.#server = this.#createServer();
  }

  get statistics(): RespStatistics {
    return { connections: this.#connections.size, bytesInFlight: this.parts.budget.used, figures: this.parts.figures };
  }

  listen(): Promise<DoorAddress> {
    const server = this.#server;
    const { host, port, log } = this.#options;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.off('error', reject);
        server.on('error', (error) => log?.warn({ error: messageOf(error) }, 'RESP listener'));
        this.#sweeper = setInterval(() => this.#sweep(), respSweepIntervalMs).unref();
        resolve({ host, port: this.#port });
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
      for (const connection of this.#connections) connection.destroy();
      for (const socket of this.#sockets) socket.destroy();
    }, graceMs);
    if (this.#sockets.size > 0) await promise;
    clearTimeout(timer);
  }

  flushLater(connection: Connection): void {
    if (connection.isDirty) return;
    connection.isDirty = true;
    this.#dirty.push(connection);
    // After all promises that are settled in this turn: everything that they answer leaves together.
    if (this.#dirty.length === 1) process.nextTick(() => this.#flushAll());
  }

  #flushAll(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const connection of dirty) connection.flush();
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? this.#options.port;
  }

  #createServer(): Server {
    // A client may end its side and still read what it has asked for.
    const options = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: respKeepaliveMs };
    const { tls, refusals } = this.#options;
    if (tls === undefined) {
      const server = createServer(options, (socket) => this.#accept(socket));
      server.on('connection', (socket) => this.#track(socket));
      return server;
    }
    const server = createSecureServer({ ...options, ...listenerTlsOf(tls) }, (socket) => this.#accept(socket));
    server.on('connection', (socket: Socket) => this.#track(socket));
    server.on('tlsClientError', (error, socket) => refusals?.add('resp', handshakeFaultOf(error, socket)));
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

  #accept(socket: Socket): void {
    const { figures, clients, connectionsMax, authenticator, refusals } = this.parts;
    if (this.#connections.size >= connectionsMax) {
      figures.connectionsRefused += 1;
      socket.on('error', () => socket.destroy());
      socket.end(tooManyClients);
      socket.resume();
      return;
    }
    const shown = socket instanceof TLSSocket ? shownCertificate(socket) : undefined;
    if (shown?.kind === 'unverified' && this.#options.tls?.clientAuthentication !== 'none') {
      refusals?.add('resp', 'certificate');
      socket.destroy();
      return;
    }
    const peer = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
    const identity = shown?.kind === 'verified' ? shown.name : undefined;
    const session: Session = { door: 'resp', peer, tenant: '', ...(identity !== undefined && { identity }) };
    const local = { host: plainAddress(socket.localAddress ?? ''), port: socket.localPort ?? this.#port };
    figures.connectionsAccepted += 1;
    const connection = new Connection(socket, this);
    const client = new Client(clients.nextId(), connection, session, !authenticator.isRequired, local);
    clients.add(client);
    this.#connections.add(connection);
    socket.once('close', () => {
      clients.remove(client);
      this.#connections.delete(connection);
    });
    connection.start(client);
  }

  #sweep(): void {
    const now = Date.now();
    this.parts.figures.sample(now);
    const idleTimeoutMs = this.#options.idleTimeoutMs?.() ?? 0;
    for (const connection of this.#connections) {
      connection.watchForStall();
      if (idleTimeoutMs === 0 || !connection.isIdle || now - connection.lastReadAtMs < idleTimeoutMs) continue;
      this.parts.figures.endedIdle += 1;
      connection.destroy();
    }
  }
}

/** IPv4 addresses of sockets that speak both are written as IPv6. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
