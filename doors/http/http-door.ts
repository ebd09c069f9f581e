/**
 * The HTTP door: S1's REST API, runtime configuration, the dashboard with its data, health and readiness for
 * orchestrators, metrics for Prometheus, and an OpenAPI document of it all.
 *
 *   listen()        what watches the process is there at once (watching-routes.ts); the API answers 503
 *   serve(routes)   the rest joins, once there is an executor behind it
 *   drain()         the API answers 503 again, and what is under way finishes
 *   close()         the rest ends
 *
 * With TLS these are https. Health and readiness are open to everybody, for kubelets and balancers have no credentials
 * to show, and so are the dashboard's files, which hold nothing; everything else, a route that is not there included,
 * asks for what the process asks for: a client certificate (403 without) and a token or password (401 without).
 *
 * Straight on node:http. A framework (fastify) was weighed: it brings routing, JSON schemas and hooks, of which routing
 * is forty lines here; schemas must be zod's, which settings and documents use already; and what this door needs most,
 * bounds on bytes in flight over all requests, refusals before a body is read, and TLS files that are followed, would
 * be ours in either case. Headers, bodies, connections and every time are bounded. Faults are {"error":"…"}.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { messageOf } from '../../errors.ts';
import { ByteBudget } from '../../grpc/byte-budget.ts';
import {
  httpConnectionsMax,
  httpHeaderBytesMax,
  httpHeadersMax,
  httpHeadersTimeoutMs,
  httpInFlightBytesMax,
  httpKeepAliveTimeoutMs,
  httpRequestTimeoutMs,
  httpStallMaxMs,
  listenBacklogMax,
} from '../../limits.ts';
import type { Refusals } from '../../security/figures.ts';
import { handshakeFaultOf, listenerTlsOf, secureContextOf } from '../../security/tls.ts';
import type { Door, DoorAddress, DoorLog } from '../door.ts';
import { json } from './answer.ts';
import { Gatekeeper, type HttpSecurity } from './gatekeeper.ts';
import { RequestHandler } from './request-handler.ts';
import type { Route } from './route.ts';
import { RouteTable } from './route-table.ts';
import { type Watched, watchingRoutes } from './watching-routes.ts';

export interface HttpDoorOptions extends Watched {
  readonly host: string;
  readonly port: number;
  readonly connectionsMax?: number | undefined;
  readonly bodyBytesMax?: number | undefined;
  readonly inFlightBytesMax?: number | undefined;
  readonly stallMaxMs?: number | undefined;
  readonly log?: DoorLog | undefined;
  /** Undefined: plain text, and everybody may ask. */
  readonly security?: HttpSecurity | undefined;
  readonly refusals?: Refusals | undefined;
}

export class HttpDoor implements Door {
  readonly protocol = 'http';
  readonly #options: HttpDoorOptions;
  readonly #watching: readonly Route[];
  readonly #budget: ByteBudget;
  readonly #handler: RequestHandler;
  readonly #server: Server;
  /** Of TLS: connections whose handshake may still be under way. */
  readonly #sockets = new Set<Socket>();
  #table: RouteTable;
  #underWay = 0;
  #onIdle: (() => void) | undefined;
  #stopFollowing: (() => void) | undefined;

  constructor(options: HttpDoorOptions) {
    this.#options = options;
    this.#watching = watchingRoutes(options);
    this.#table = new RouteTable([...this.#watching, ...awayRoutes('the service is starting')]);
    const { bodyBytesMax, log } = options;
    this.#budget = new ByteBudget(options.inFlightBytesMax ?? httpInFlightBytesMax);
    const gatekeeper = new Gatekeeper(options.security, options.refusals);
    this.#handler = new RequestHandler({ gatekeeper, budget: this.#budget, bodyBytesMax, log });
    this.#server = this.#createServer();
    this.#server.maxHeadersCount = httpHeadersMax;
    // Of an answer that is not read, too: bytes that nobody takes must not stay for ever.
    this.#server.timeout = options.stallMaxMs ?? httpStallMaxMs;
    this.#server.maxConnections = options.connectionsMax ?? httpConnectionsMax;
  }

  /** Of bodies and answers. */
  get bytesInFlight(): number {
    return this.#budget.used;
  }

  /** Requests that are not answered yet. */
  get underWay(): number {
    return this.#underWay;
  }

  /** What watches the process; part of the document. */
  get watching(): readonly Route[] {
    return this.#watching;
  }

  listen(): Promise<DoorAddress> {
    const server = this.#server;
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, backlog: listenBacklogMax }, () => {
        server.off('error', reject);
        server.on('error', (error) => this.#options.log?.warn({ error: messageOf(error) }, 'HTTP listener'));
        resolve({ host, port: (server.address() as AddressInfo).port });
      });
    });
  }

  /** From now on these are served beside what watches the process. */
  serve(routes: readonly Route[]): void {
    this.#table = new RouteTable([...this.#watching, ...routes]);
  }

  /** Takes nothing new but health, readiness and metrics; resolves when what is under way is done, or after so long. */
  drain(graceMs: number): Promise<void> {
    this.#table = new RouteTable([...this.#watching, ...awayRoutes('the service is stopping')]);
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  close(graceMs: number): Promise<void> {
    const server = this.#server;
    if (!server.listening) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        server.closeAllConnections();
        for (const socket of this.#sockets) socket.destroy();
      }, graceMs);
      this.#stopFollowing?.();
      server.close(() => {
        clearTimeout(timer);
        resolve();
      });
      server.closeIdleConnections();
    });
  }

  #createServer(): Server {
    const options: ServerOptions = {
      maxHeaderSize: httpHeaderBytesMax,
      headersTimeout: httpHeadersTimeoutMs,
      requestTimeout: httpRequestTimeoutMs,
      keepAliveTimeout: httpKeepAliveTimeoutMs,
      connectionsCheckingInterval: httpKeepAliveTimeoutMs,
    };
    const serve = (request: IncomingMessage, response: ServerResponse): void => void this.#serve(request, response);
    const tls = this.#options.security?.tls;
    if (tls === undefined) return createServer(options, serve);
    const server = createSecureServer({ ...options, ...listenerTlsOf(tls, true) }, serve);
    this.#stopFollowing = tls.onChange((current) => server.setSecureContext(secureContextOf(current)));
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('tlsClientError', (error, socket) =>
      this.#options.refusals?.add('http', handshakeFaultOf(error, socket)),
    );
    return server;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#underWay++;
    try {
      await this.#handler.handle(this.#table, request, response);
    } catch (error) {
      this.#options.log?.warn({ path: request.url, error: messageOf(error) }, 'HTTP answer failed');
      response.destroy();
    } finally {
      this.#underWay--;
      if (this.#underWay === 0) this.#onIdle?.();
    }
  }
}

/** In the API's place while there is no executor. */
function awayRoutes(reason: string): Route[] {
  const answer = json(503, { error: reason }, { 'retry-after': '1' });
  return (['GET', 'POST', 'PUT', 'DELETE'] as const).map((method) => ({
    method,
    path: '/api/{rest}',
    operation: `away${method}`,
    tag: 'away',
    summary: '',
    answers: {},
    handle: () => answer,
  }));
}
