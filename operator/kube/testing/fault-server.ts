/**
 * A server that speaks the wire format of the Kubernetes API and misbehaves as told: for faults that a healthy
 * kube-apiserver does not show on demand. Each test scripts what its requests are answered.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { KubeClient } from '../client.ts';
import { fixedCredentials } from '../credentials.ts';

/** One request and the ways to treat it. */
export class FaultRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse, body: string) {
    const url = new URL(request.url ?? '/', 'http://server');
    this.method = request.method ?? '';
    this.path = url.pathname;
    this.query = url.searchParams;
    this.headers = request.headers;
    this.body = body;
    this.#response = response;
  }

  get isWatch(): boolean {
    return this.query.get('watch') === 'true';
  }

  answer(status: number, body: object | string, headers: Readonly<Record<string, string>> = {}): void {
    this.#response.writeHead(status, { 'content-type': 'application/json', ...headers });
    this.#response.end(typeof body === 'string' ? body : JSON.stringify(body));
  }

  /** A fault as the API server tells it. */
  refuse(status: number, reason: string, extra: object = {}, headers: Readonly<Record<string, string>> = {}): void {
    const message = `${reason} for a test`;
    this.answer(
      status,
      { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: status, reason, message, ...extra },
      headers,
    );
  }

  /** A page of a listing. */
  list(items: readonly object[], resourceVersion: string, next?: string): void {
    this.answer(200, { kind: 'List', apiVersion: 'v1', metadata: { resourceVersion, continue: next }, items });
  }

  reset(): void {
    this.#response.socket?.resetAndDestroy();
  }

  /** Opens the answer of a watch; `send` writes to it. */
  open(): this {
    this.#response.writeHead(200, { 'content-type': 'application/json' });
    this.#response.flushHeaders();
    return this;
  }

  /** Events as lines, or any text as it is. */
  send(...events: readonly (object | string)[]): this {
    for (const event of events) this.#response.write(typeof event === 'string' ? event : `${JSON.stringify(event)}\n`);
    return this;
  }

  end(): void {
    this.#response.end();
  }
}

export class FaultServer {
  readonly requests: FaultRequest[] = [];
  readonly #server: Server;
  #connections = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** A request that `serve` does nothing about is a request that is never answered. */
  static async start(serve: (request: FaultRequest, count: number) => void): Promise<FaultServer> {
    const server = createServer((request, response) => {
      void buffer(request).then((body) => {
        const told = new FaultRequest(request, response, body.toString('utf8'));
        started.requests.push(told);
        serve(told, started.requests.length);
      });
    });
    const started = new FaultServer(server);
    server.on('connection', () => (started.#connections += 1));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return started;
  }

  /** Made since the start. */
  get connections(): number {
    return this.#connections;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get client(): KubeClient {
    return new KubeClient({ credentials: fixedCredentials(`http://127.0.0.1:${this.port}`) });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** A ConfigMap as the server would return it. */
export function storedConfigMap(
  name: string,
  resourceVersion: string,
  namespace = 'here',
  uid = `uid-${name}`,
): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, uid, resourceVersion } };
}

export function bookmark(resourceVersion: string): object {
  return { type: 'BOOKMARK', object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { resourceVersion } } };
}
