/**
 * An HTTP proxy in front of Azurite that does to requests what networks and services do, by rule, and counts them.
 *
 * Rules are asked in the order they were added; the first that matches decides. A request that no rule matches is passed
 * on as it is. Signatures stay valid, because they cover path and headers and not the address.
 */
import { EventEmitter, once } from 'node:events';
import { createServer, request as sendRequest } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type ProxiedOperation =
  | 'createContainer'
  | 'deleteContainer'
  | 'list'
  | 'stageBlock'
  | 'commitBlockList'
  | 'blockList'
  | 'setMetadata'
  | 'putBlob'
  | 'getBlob'
  | 'properties'
  | 'deleteBlob'
  | 'other';

export type Fault =
  /** Answers instead of the server. */
  | { readonly kind: 'status'; readonly status: number; readonly code?: string; readonly retryAfterSeconds?: number }
  /** Never answers. */
  | { readonly kind: 'hang' }
  /** Cuts the connection before the server hears of the request. */
  | { readonly kind: 'cut' }
  /** Cuts the connection when the server has done it, in place of the answer. */
  | { readonly kind: 'cutAfter' }
  /** Keeps the whole request until `release`, then passes it on, even if the client has gone. */
  | { readonly kind: 'hold' };

export interface FaultRuleOptions {
  readonly operations?: readonly ProxiedOperation[];
  readonly path?: RegExp;
  /** Applies so many times and then no more; for ever without. */
  readonly times?: number;
  readonly fault: Fault;
}

export class FaultRule {
  hits = 0;
  readonly options: FaultRuleOptions;
  readonly #events = new EventEmitter();
  #released = false;

  constructor(options: FaultRuleOptions) {
    this.options = options;
  }

  matches(operation: ProxiedOperation, path: string): boolean {
    const { operations, path: pattern, times } = this.options;
    if (times !== undefined && this.hits >= times) return false;
    return (operations?.includes(operation) ?? true) && (pattern?.test(path) ?? true);
  }

  noteHit(): void {
    this.hits += 1;
    this.#events.emit('hit');
  }

  /** Resolves when the rule has applied at least once. */
  async hit(): Promise<void> {
    if (this.hits === 0) await once(this.#events, 'hit');
  }

  /** Lets requests that are held go on, and later ones pass. */
  release(): void {
    this.#released = true;
    this.#events.emit('release');
  }

  async released(): Promise<void> {
    if (!this.#released) await once(this.#events, 'release');
  }
}

export class FaultProxy {
  readonly counts = new Map<ProxiedOperation, number>();
  readonly #server: Server;
  readonly #targetPort: number;
  #rules: FaultRule[] = [];

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = createServer((request, response) => this.#handle(request, response));
  }

  static async start(targetPort: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(targetPort);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Requests of these kinds that have arrived, faulty ones included. */
  count(...operations: readonly ProxiedOperation[]): number {
    return operations.reduce((sum, operation) => sum + (this.counts.get(operation) ?? 0), 0);
  }

  /** Requests that change something. */
  writes(): number {
    return this.count(
      'createContainer',
      'deleteContainer',
      'stageBlock',
      'commitBlockList',
      'setMetadata',
      'putBlob',
      'deleteBlob',
    );
  }

  reads(): number {
    return this.count('list', 'blockList', 'getBlob', 'properties');
  }

  addRule(options: FaultRuleOptions): FaultRule {
    const rule = new FaultRule(options);
    this.#rules.push(rule);
    return rule;
  }

  removeRules(): void {
    this.#rules = [];
  }

  async close(): Promise<void> {
    for (const rule of this.#rules) rule.release();
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? '/';
    const operation = operationOf(request.method ?? 'GET', path);
    this.counts.set(operation, (this.counts.get(operation) ?? 0) + 1);
    const rule = this.#rules.find((candidate) => candidate.matches(operation, path));
    // Whoever cuts a connection in a test does not want to hear that it is cut.
    request.on('error', () => response.destroy());
    if (rule === undefined) {
      this.#pass(request, response);
      return;
    }
    const { fault } = rule.options;
    if (fault.kind === 'status') answer(request, response, fault);
    else if (fault.kind === 'cut') request.socket.destroy();
    else if (fault.kind === 'cutAfter') this.#pass(request, response, true);
    else if (fault.kind === 'hold') void this.#hold(request, response, rule);
    else request.resume();
    rule.noteHit();
  }

  #pass(request: IncomingMessage, response: ServerResponse, cutsAnswer = false): void {
    request.pipe(this.#forward(request, response, cutsAnswer));
  }

  async #hold(request: IncomingMessage, response: ServerResponse, rule: FaultRule): Promise<void> {
    const body = await Array.fromAsync(request as AsyncIterable<Buffer>);
    await rule.released();
    this.#forward(request, response, false).end(Buffer.concat(body));
  }

  #forward(request: IncomingMessage, response: ServerResponse, cutsAnswer: boolean) {
    const forwarded = sendRequest({
      host: '127.0.0.1',
      port: this.#targetPort,
      method: request.method,
      path: request.url,
      headers: request.headers,
      agent: false,
    });
    forwarded.on('response', (answered) => {
      if (cutsAnswer) {
        answered.resume();
        answered.on('end', () => request.socket.destroy());
        return;
      }
      response.writeHead(answered.statusCode ?? 502, answered.rawHeaders);
      answered.pipe(response);
      answered.on('error', () => response.destroy());
    });
    forwarded.on('error', () => request.socket.destroy());
    return forwarded;
  }
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { status, code = 'InjectedFault', retryAfterSeconds }: Extract<Fault, { kind: 'status' }>,
): void {
  request.resume();
  request.on('end', () => {
    const headers: Record<string, string> = { 'content-type': 'application/xml', 'x-ms-error-code': code };
    if (retryAfterSeconds !== undefined) headers['retry-after'] = String(retryAfterSeconds);
    response.writeHead(status, headers);
    response.end(
      `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>injected</Message></Error>`,
    );
  });
}

/** Azure's REST operations, told apart by method and query. */
function operationOf(method: string, url: string): ProxiedOperation {
  const query = new URL(url, 'http://proxy').searchParams;
  const comp = query.get('comp');
  if (query.get('restype') === 'container') {
    if (comp === 'list') return 'list';
    if (comp !== null) return 'other';
    if (method === 'PUT') return 'createContainer';
    return method === 'DELETE' ? 'deleteContainer' : 'other';
  }
  switch (`${method} ${comp ?? ''}`) {
    case 'PUT block':
      return 'stageBlock';
    case 'PUT blocklist':
      return 'commitBlockList';
    case 'GET blocklist':
      return 'blockList';
    case 'PUT metadata':
      return 'setMetadata';
    case 'PUT ':
      return 'putBlob';
    case 'GET ':
      return 'getBlob';
    case 'HEAD ':
      return 'properties';
    case 'DELETE ':
      return 'deleteBlob';
    default:
      return 'other';
  }
}
