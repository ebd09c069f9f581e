/**
 * The HTTP door: health and readiness for orchestrators, metrics for Prometheus.
 *
 *   GET /health, /api/v1/health   200 {"status":"healthy",…} or 503: does the process live
 *   GET /ready                    200 or 503 with reasons: should it get traffic
 *   GET /metrics                  the registry in Prometheus' text form
 *
 * Straight on node:http, which these routes need no framework for. Headers, bodies, connections and every time are
 * bounded. Faults are {"error":"…"}.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
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
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

type Route = () => Answer | Promise<Answer>;

function json(status: number, value: object): Answer {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(value)}\n` };
}

export class HttpDoor implements Door {
  readonly protocol = 'http';
  readonly #options: HttpDoorOptions;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #server: Server;

  constructor(options: HttpDoorOptions) {
    this.#options = options;
    const { registry } = options;
    const routes = new Map<string, Route>([
      ['/health', () => this.#health()],
      [options.healthPath ?? '/api/v1/health', () => this.#health()],
      ['/ready', () => this.#ready()],
      [options.readyPath ?? '/ready', () => this.#ready()],
    ]);
    if (registry) routes.set(options.metricsPath ?? '/metrics', () => metricsOf(registry));
    this.#routes = routes;
    this.#server = createServer(
      {
        maxHeaderSize: httpHeaderBytesMax,
        headersTimeout: httpHeadersTimeoutMs,
        requestTimeout: httpRequestTimeoutMs,
        keepAliveTimeout: httpKeepAliveTimeoutMs,
        connectionsCheckingInterval: httpKeepAliveTimeoutMs,
      },
      (request, response) => void this.#serve(request, response),
    );
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
      const timer = setTimeout(() => server.closeAllConnections(), graceMs);
      server.close(() => {
        clearTimeout(timer);
        resolve();
      });
      server.closeIdleConnections();
    });
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
    const headers: Record<string, string | number> = {
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
    if (!route) return json(404, { error: `not found: ${request.method} ${path}` });
    if (request.method !== 'GET' && request.method !== 'HEAD') return json(405, { error: 'method not allowed' });
    return route();
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

async function metricsOf(registry: Registry): Promise<Answer> {
  return { status: 200, type: registry.contentType, body: await registry.metrics() };
}
