/**
 * One HTTP exchange with the API server, over connections that stay open and stay few.
 *
 *   requests   one pool of at most `kubeConnectionsMax` kept connections
 *   watches    a connection each, closed with the watch
 *
 * Straight on node:https, rather than the generated clients of @kubernetes/client-node, which open a pool for every request
 * (fifty listings left fifty TLS connections open) and put no bound on the time of one. Three things matter here:
 *
 *   1. Every exchange has an end: a server that was cut off without a reset answers nothing, and says nothing.
 *   2. After a time-out no idle connection is trusted: they lead to the same hole. The pool is replaced.
 *   3. `mayStart` is asked when the connection stands, right before the bytes leave and in the same turn of the event loop:
 *      a process that was stopped for a minute while its connection was being made must not write on.
 *
 * HTTP/1.1 rather than HTTP/2: one lost packet or one stuck connection then holds up one request and not all of them.
 */
import { createHash } from 'node:crypto';
import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  request as requestHttp,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { messageOf } from '../../errors.ts';
import { kubeAnswerBytesMax, kubeConnectionsMax, kubeTcpKeepaliveMs } from '../../limits.ts';
import type { Access, Credentials, TlsMaterial } from './credentials.ts';
import { KubeError } from './kube-error.ts';

export interface Exchange {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Throws where the request must not leave. */
  readonly mayStart?: (() => void) | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A watch: the answer's head has come, its body comes for minutes. */
export interface OpenAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly stream: IncomingMessage;
}

interface Pool {
  readonly requests: HttpAgent;
  readonly watches: HttpAgent;
}

export interface ConnectionStatistics {
  /** Connections that stand or are being made now, watches included. */
  readonly sockets: number;
  /** Made since the start. */
  readonly connected: number;
  /** Pools given up after a time-out or for new certificates. */
  readonly poolsReplaced: number;
}

export interface KubeConnectionOptions {
  readonly credentials: Credentials;
  readonly userAgent: string;
  readonly connectionsMax?: number;
}

export class KubeConnection {
  readonly credentials: Credentials;
  readonly #userAgent: string;
  readonly #connectionsMax: number;
  readonly #sockets = new Set<Socket>();
  #pool: Pool | undefined;
  #poolKey = '';
  #connected = 0;
  #poolsReplaced = 0;

  constructor(options: KubeConnectionOptions) {
    this.credentials = options.credentials;
    this.#userAgent = options.userAgent;
    this.#connectionsMax = options.connectionsMax ?? kubeConnectionsMax;
  }

  get statistics(): ConnectionStatistics {
    return { sockets: this.#sockets.size, connected: this.#connected, poolsReplaced: this.#poolsReplaced };
  }

  /** The whole answer, whatever its status. Rejects with a `KubeError` where there is none. */
  async exchange(exchange: Exchange): Promise<Answer> {
    const access = await this.#access(exchange);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const request = this.#send(exchange, access, false, reject);
    const timer = setTimeout(() => {
      request.destroy(timeoutError(exchange));
      this.#distrustIdle();
    }, exchange.timeoutMs);
    request.on('response', (response) => {
      collect(response, exchange).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        (error: unknown) => {
          request.destroy();
          reject(connectionError(exchange, error));
        },
      );
    });
    try {
      const answer = await promise;
      if (answer.status === 401) this.credentials.refuse();
      return answer;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The head of an answer whose body goes on; the time-out is for the head. The signal ends the body too. */
  async open(exchange: Exchange): Promise<OpenAnswer> {
    const access = await this.#access(exchange);
    const { promise, resolve, reject } = Promise.withResolvers<OpenAnswer>();
    const request = this.#send(exchange, access, true, reject);
    const timer = setTimeout(() => {
      request.destroy(timeoutError(exchange));
      this.#distrustIdle();
    }, exchange.timeoutMs);
    request.on('response', (stream) => {
      resolve({ status: stream.statusCode ?? 0, headers: stream.headers, stream });
    });
    try {
      const answer = await promise;
      if (answer.status === 401) this.credentials.refuse();
      return answer;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends every connection, those of requests under way as well. */
  close(): void {
    this.#pool?.requests.destroy();
    this.#pool?.watches.destroy();
    this.#pool = undefined;
    this.#poolKey = '';
  }

  async #access(exchange: Exchange): Promise<Access> {
    if (exchange.signal?.aborted) throw connectionError(exchange, exchange.signal.reason);
    try {
      return await this.credentials.access();
    } catch (error) {
      throw new KubeError(`${describe(exchange)}: no credentials: ${messageOf(error)}`, {
        status: 0,
        reason: 'Connection',
        cause: error,
      });
    }
  }

  #send(exchange: Exchange, access: Access, isWatch: boolean, reject: (error: KubeError) => void): ClientRequest {
    const { server } = this.credentials;
    const isTls = server.protocol === 'https:';
    const pool = this.#poolFor(access, isTls);
    const body = exchange.body === undefined ? undefined : Buffer.from(exchange.body);
    const options: RequestOptions = {
      method: exchange.method,
      host: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port || (isTls ? 443 : 80),
      path: `${server.pathname.replace(/\/$/, '')}${exchange.path}`,
      agent: access.agent ?? (isWatch ? pool.watches : pool.requests),
      headers: {
        accept: 'application/json',
        'user-agent': this.#userAgent,
        ...access.headers,
        ...exchange.headers,
        ...(body ? { 'content-length': body.byteLength } : {}),
      },
      ...(exchange.signal ? { signal: exchange.signal } : {}),
    };
    const request = isTls ? requestHttps(options) : requestHttp(options);
    request.on('error', (error) => reject(connectionError(exchange, error)));
    let isAnswered = false;
    request.once('response', () => {
      isAnswered = true;
    });
    // Once the head is here, a break shows in the body, whose last part may still be on its way to its reader.
    request.once('close', () => {
      if (!isAnswered) reject(connectionError(exchange, new Error('closed before it was answered')));
    });
    request.once('socket', (socket) => {
      this.#count(socket);
      whenConnected(socket, isTls, () => {
        try {
          exchange.mayStart?.();
        } catch (error) {
          request.destroy(error as Error);
          return;
        }
        request.end(body);
      });
    });
    return request;
  }

  #count(socket: Socket): void {
    if (this.#sockets.has(socket)) return;
    this.#connected += 1;
    this.#sockets.add(socket);
    socket.setKeepAlive(true, kubeTcpKeepaliveMs);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  #poolFor({ tls }: Access, isTls: boolean): Pool {
    const key = keyOfTls(tls);
    if (this.#pool && key === this.#poolKey) return this.#pool;
    if (this.#pool) this.#retire(this.#pool);
    const common = { keepAliveMsecs: kubeTcpKeepaliveMs, ...(isTls ? definedOf(tls) : {}) };
    const create = isTls ? (options: object) => new HttpsAgent(options) : (options: object) => new HttpAgent(options);
    this.#pool = {
      requests: create({ ...common, keepAlive: true, maxSockets: this.#connectionsMax }),
      watches: create({ ...common, keepAlive: false }),
    };
    this.#poolKey = key;
    return this.#pool;
  }

  /** What is under way finishes; nothing is kept. */
  #retire(pool: Pool): void {
    this.#poolsReplaced += 1;
    pool.requests.maxFreeSockets = 0;
    for (const sockets of Object.values(pool.requests.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy();
    }
  }

  #distrustIdle(): void {
    if (!this.#pool) return;
    this.#retire(this.#pool);
    this.#pool = undefined;
  }
}

/** Certificates are replaced while the process runs; connections made with the old ones are then left to end. */
function keyOfTls(tls: TlsMaterial): string {
  const hash = createHash('sha256');
  for (const part of [tls.ca, tls.cert, tls.key, tls.servername, String(tls.rejectUnauthorized)]) {
    hash.update(part ?? '').update('\0');
  }
  return hash.digest('hex');
}

function definedOf(tls: TlsMaterial): object {
  return Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined));
}

function whenConnected(socket: Socket, isTls: boolean, go: () => void): void {
  const isSecure = socket instanceof TLSSocket ? socket.getProtocol() !== null : !isTls;
  if (!socket.connecting && isSecure) go();
  else socket.once(isTls ? 'secureConnect' : 'connect', go);
}

async function collect(response: IncomingMessage, exchange: Exchange): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > kubeAnswerBytesMax) {
      throw new KubeError(`${describe(exchange)}: the answer is above ${kubeAnswerBytesMax} bytes`, {
        status: 0,
        reason: 'MalformedAnswer',
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes).toString('utf8');
}

/** `GET /api/v1/pods`, without the query, for messages. */
export function describe(exchange: Pick<Exchange, 'method' | 'path'>): string {
  return `${exchange.method} ${exchange.path.split('?', 1)[0]}`;
}

function timeoutError(exchange: Exchange): KubeError {
  return new KubeError(`${describe(exchange)}: no answer within ${Math.round(exchange.timeoutMs)} ms`, {
    status: 0,
    reason: 'RequestTimeout',
  });
}

function connectionError(exchange: Exchange, error: unknown): KubeError {
  if (error instanceof KubeError) return error;
  const isCancelled = exchange.signal?.aborted === true;
  return new KubeError(`${describe(exchange)}: ${isCancelled ? 'cancelled' : messageOf(error)}`, {
    status: 0,
    reason: isCancelled ? 'Cancelled' : 'Connection',
    cause: error,
  });
}
