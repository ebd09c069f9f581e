/**
 * The HTTP door: health and readiness for orchestrators, metrics for Prometheus.
 *
 *   GET /health, /api/v1/health   200 {"status":"healthy",…} or 503: does the process live
 *   GET /ready                    200 or 503 with reasons: should it get traffic
 *   GET /metrics                  the registry in Prometheus' text form
 *
 * With TLS these are https. Health and readiness are open to everybody, for kubelets and balancers have no credentials
 * to show; everything else, a route that is not there included, asks for what the process asks for: a client
 * certificate (403 without) and a token or password (401 without). Both are looked at before a body is read.
 *
 * Straight on node:http, which these routes need no framework for. Headers, bodies, connections and every time are
 * bounded. Faults are {"error":"…"}.
 */
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Registry } from 'prom-client';
import { messageOf } from '../../errors.ts';
import {
  httpBodyBytesMax,
  httpConnectionsMax,
  httpHeaderBytesMax,
  httpHeadersMax,
  httpHeadersTimeoutMs,
  httpKeepAliveTimeoutMs,
  httpRequestTimeoutMs,
} from '../../limits.ts';
import { type Authenticator, credentialOfHeader, refusalText } from '../../security/authenticator.ts';
import type { Refusals } from '../../security/figures.ts';
import {
  handshakeFaultOf,
  listenerTlsOf,
  secureContextOf,
  type ServerTlsSource,
  shownCertificate,
} from '../../security/tls.ts';
import type { Door, DoorAddress, DoorLog } from '../door.ts';

export interface HttpDoorOptions {
  readonly host: string;
  readonly port: number;
  /** Undefined: no metrics. */
  readonly registry: Registry | undefined;
  /** Does the process live? */
  readonly isHealthy: () => boolean;
  /** Why the process should get no traffic now; empty when it should. */
  readonly unreadyReasons: () => readonly string[];
  readonly metricsPath?: string | undefined;
  /** Health is served here and at /health. */
  readonly healthPath?: string | undefined;
  /** Readiness is served here and at /ready. */
  readonly readyPath?: string | undefined;
  readonly metrics?: { healthChecked(seconds: number): void } | undefined;
  readonly connectionsMax?: number | undefined;
  readonly bodyBytesMax?: number | undefined;
  readonly log?: DoorLog | undefined;
  /** Undefined: plain text, and everybody may ask. */
  readonly security?: { readonly tls?: ServerTlsSource | undefined; readonly authenticator: Authenticator } | undefined;
  readonly refusals?: Refusals | undefined;
  /** Serve metrics to everybody. */
  readonly isMetricsOpen?: boolean | undefined;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: OutgoingHttpHeaders;
}

interface Route {
  readonly answer: () => Answer | Promise<Answer>;
  /** Whether everybody may ask. */
  readonly isOpen: boolean;
}

function json(status: number, value: object): Answer {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(value)}\n` };
}

export class HttpDoor implements Door {
  readonly protocol = 'http';
  readonly #options: HttpDoorOptions;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #server: Server;
  /** Of TLS: connections whose handshake may still be under way. */
  readonly #sockets = new Set<Socket>();
  #stopFollowing: (() => void) | undefined;

  constructor(options: HttpDoorOptions) {
    this.#options = options;
    const { registry } = options;
    const health: Route = { answer: () => this.#health(), isOpen: true };
    const ready: Route = { answer: () => this.#ready(), isOpen: true };
    const routes = new Map<string, Route>([
      ['/health', health],
      [options.healthPath ?? '/api/v1/health', health],
      ['/ready', ready],
      [options.readyPath ?? '/ready', ready],
    ]);
    if (registry) {
      const isOpen = options.isMetricsOpen ?? false;
      routes.set(options.metricsPath ?? '/metrics', { answer: () => metricsOf(registry), isOpen });
    }
    this.#routes = routes;
    this.#server = this.#createServer();
    this.#server.maxHeadersCount = httpHeadersMax;
    this.#server.maxConnections = options.connectionsMax ?? httpConnectionsMax;
  }

  listen(): Promise<DoorAddress> {
    const server = this.#server;
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.off('error', reject);
        server.on('error', (error) => this.#options.log?.warn({ error: messageOf(error) }, 'HTTP listener'));
        resolve({ host, port: (server.address() as AddressInfo).port });
      });
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
    this.#boundBody(request, response);
    let answer: Answer;
    try {
      answer = await this.#answer(request);
    } catch (error) {
      this.#options.log?.warn({ path: request.url, error: messageOf(error) }, 'HTTP request failed');
      answer = json(500, { error: `failed to answer: ${messageOf(error)}` });
    }
    if (response.headersSent || response.destroyed) return;
    const headers: OutgoingHttpHeaders = {
      ...answer.headers,
      'content-type': answer.type,
      'content-length': Buffer.byteLength(answer.body),
      'cache-control': 'no-store',
    };
    if (answer.status === 405) headers['allow'] = 'GET, HEAD';
    response.writeHead(answer.status, headers);
    response.end(request.method === 'HEAD' ? undefined : answer.body);
  }

  #answer(request: IncomingMessage): Answer | Promise<Answer> {
    const path = (request.url ?? '').split('?', 1)[0]!;
    const route = this.#routes.get(path);
    const refusal = route?.isOpen ? undefined : this.#refusal(request);
    if (refusal) return refusal;
    if (!route) return json(404, { error: `not found: ${request.method} ${path}` });
    if (request.method !== 'GET' && request.method !== 'HEAD') return json(405, { error: 'method not allowed' });
    return route.answer();
  }

  /** The connection is not kept: what is left of a body that nobody wants would have to be read first. */
  #refusal({ headers, socket }: IncomingMessage): Answer | undefined {
    const { security, refusals } = this.#options;
    if (security === undefined) return undefined;
    const { tls, authenticator } = security;
    if (tls !== undefined && !isCertified(socket, tls)) {
      refusals?.add('http', 'certificate');
      const error = 'this needs a client certificate that is accepted here';
      return { ...json(403, { error }), headers: { connection: 'close' } };
    }
    const admission = authenticator.check(credentialOfHeader(headers.authorization));
    if (admission.kind === 'admitted') return undefined;
    refusals?.add('http', admission.reason);
    return {
      ...json(401, { error: refusalText }),
      headers: { connection: 'close', 'www-authenticate': authenticator.challenges },
    };
  }

  /** No route takes a body yet: it is read and thrown away, up to its bound. */
  #boundBody(request: IncomingMessage, response: ServerResponse): void {
    const bytesMax = this.#options.bodyBytesMax ?? httpBodyBytesMax;
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.byteLength;
      if (bytes > bytesMax) response.destroy();
    });
    request.on('error', () => response.destroy());
  }

  #health(): Answer {
    const startedMs = performance.now();
    const answer = this.#options.isHealthy()
      ? json(200, { status: 'healthy', message: 'service is running' })
      : json(503, { status: 'unhealthy', message: 'service is not running' });
    this.#options.metrics?.healthChecked((performance.now() - startedMs) / 1_000);
    return answer;
  }

  #ready(): Answer {
    const reasons = this.#options.unreadyReasons();
    return reasons.length === 0 ? json(200, { status: 'ready' }) : json(503, { status: 'not ready', reasons });
  }
}

function isCertified(socket: Socket, { clientAuthentication }: ServerTlsSource): boolean {
  if (clientAuthentication === 'none' || !(socket instanceof TLSSocket)) return true;
  const { kind } = shownCertificate(socket);
  return kind === 'verified' || (kind === 'none' && clientAuthentication === 'optional');
}

async function metricsOf(registry: Registry): Promise<Answer> {
  return { status: 200, type: registry.contentType, body: await registry.metrics() };
}
