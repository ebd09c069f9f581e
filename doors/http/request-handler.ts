/**
 * One request from its head to its answer, in the order that lets nobody cost more than they may:
 *
 *   route by path → certificate and credentials → method → origin → body, bounded → schema → handler → answer
 *
 * Nothing is read of the body of a request that is refused before it.
 */
import { once } from 'node:events';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { type Acknowledgement, acknowledgements, type CommandContext } from '../../commands/command.ts';
import { messageOf } from '../../errors.ts';
import type { ByteBudget } from '../../grpc/byte-budget.ts';
import {
  commandDeadlineDefaultMs,
  httpBodyBytesMax,
  httpJsonDepthMax,
  httpLingerMs,
  httpValueBytesMax,
} from '../../limits.ts';
import type { DoorLog } from '../door.ts';
import { type Answer, invalidRequest, json } from './answer.ts';
import { hasBody, jsonDepth, receiveBody, tooMuchInFlight } from './body.ts';
import type { Gatekeeper } from './gatekeeper.ts';
import { faultsOf, type Route, type RouteCall } from './route.ts';
import type { RouteTable } from './route-table.ts';

const acknowledgementHeader = 'kvcache-acknowledgement';
const noBytes: Buffer = Buffer.alloc(0);

export interface RequestHandlerParts {
  readonly gatekeeper: Gatekeeper;
  readonly budget: ByteBudget;
  readonly bodyBytesMax?: number | undefined;
  readonly log?: DoorLog | undefined;
}

export class RequestHandler {
  readonly #parts: RequestHandlerParts;

  constructor(parts: RequestHandlerParts) {
    this.#parts = parts;
  }

  async handle(table: RouteTable, request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => response.destroy());
    let answer: Answer | undefined;
    try {
      answer = await this.#answer(table, request, response);
    } catch (error) {
      this.#parts.log?.warn({ path: request.url, error: messageOf(error) }, 'HTTP request failed');
      answer = json(500, { error: `failed to answer: ${messageOf(error)}` });
    }
    if (answer === undefined || response.destroyed) return;
    await this.#send(answer, request, response);
  }

  /** Undefined: there is nobody to answer. */
  async #answer(table: RouteTable, request: IncomingMessage, response: ServerResponse): Promise<Answer | undefined> {
    const url = request.url ?? '/';
    const queryAt = url.indexOf('?');
    const path = queryAt < 0 ? url : url.slice(0, queryAt);
    const match = table.find(request.method ?? 'GET', path);
    const isOpen = match.kind === 'found' ? match.route.isOpen === true : table.isOpen(path);
    const admission = this.#parts.gatekeeper.admit(request, isOpen);
    if (admission.kind === 'refused') return admission.answer;
    if (match.kind === 'unknown') return json(404, { error: `not found: ${request.method} ${path}` });
    if (match.kind === 'malformed') return invalidRequest(`the path ${path} is not percent-encoded`);
    if (match.kind === 'otherMethods') {
      return json(405, { error: 'method not allowed' }, { allow: match.allowed.join(', ') });
    }
    // What watches the process is answered whatever else is going on.
    if (!isOpen && !this.#parts.budget.fits(1)) return tooMuchInFlight;
    const acknowledgement = acknowledgementOf(request);
    if (acknowledgement === 'unknown') {
      return invalidRequest(`${acknowledgementHeader} must be ${acknowledgements.join(', ')}`);
    }
    const context: CommandContext = {
      session: {
        door: 'http',
        peer: request.socket.remoteAddress ?? '',
        tenant: '',
        ...(admission.identity !== undefined && { identity: admission.identity }),
      },
      deadlineMs: Date.now() + commandDeadlineDefaultMs,
      acknowledgement,
      signal: signalOf(response),
    };
    const query = new URLSearchParams(queryAt < 0 ? '' : url.slice(queryAt + 1));
    const { route, parameter } = match;
    return this.#withBody(route, request, (body) =>
      called(route, { parameter, query: Object.fromEntries(query), body, headers: request.headers, context }),
    );
  }

  async #withBody(
    route: Route,
    request: IncomingMessage,
    handle: (body: Buffer) => Answer | Promise<Answer>,
  ): Promise<Answer | undefined> {
    if (route.body === undefined) return handle(noBytes);
    const { budget, bodyBytesMax } = this.#parts;
    const bytesMax = bodyBytesMax ?? (route.body.kind === 'json' ? httpBodyBytesMax : httpValueBytesMax);
    const received = await receiveBody(request, bytesMax, budget);
    if (received.kind === 'aborted') return undefined;
    if (received.kind === 'refused') return received.answer;
    try {
      return await handle(received.bytes);
    } finally {
      received.release();
    }
  }

  async #send(answer: Answer, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : answer.body;
    const isUnread = hasBody(request) && !request.complete;
    const headers: OutgoingHttpHeaders = {
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(isUnread && { connection: 'close' }),
      ...answer.headers,
      'content-type': answer.type,
      'content-length': body.byteLength,
    };
    const { budget } = this.#parts;
    budget.add(body.byteLength);
    response.once('close', () => budget.release(body.byteLength));
    response.writeHead(answer.status, headers);
    if (request.method !== 'HEAD') response.write(body);
    // A connection that is closed with unread bytes is reset, and its peer may never see what was answered.
    if (isUnread && answer.status !== 401 && answer.status !== 403) {
      request.resume();
      await Promise.race([once(request, 'close'), delay(httpLingerMs, undefined, { ref: false })]);
    }
    response.end();
  }
}

/** Checks what the route declares, then asks it. */
function called(route: Route, call: RouteCall<Record<string, string>, Buffer>): Answer | Promise<Answer> {
  const query = route.query?.safeParse(call.query);
  if (query?.success === false) return invalidRequest(faultsOf(query.error));
  const asked = { ...call, query: query?.data ?? {} };
  if (route.body?.kind !== 'json') return route.handle(asked);
  const parsed = parsedJson(call.body);
  if ('fault' in parsed) return invalidRequest(parsed.fault);
  const body = route.body.schema.safeParse(parsed.value);
  if (!body.success) return invalidRequest(faultsOf(body.error));
  return route.handle({ ...asked, body: body.data });
}

function parsedJson(bytes: Buffer): { readonly value: unknown } | { readonly fault: string } {
  if (bytes.byteLength === 0) return { fault: 'a body of JSON is expected, and there is none' };
  if (jsonDepth(bytes, httpJsonDepthMax) > httpJsonDepthMax) {
    return { fault: `arrays and objects of the body are more than ${httpJsonDepthMax} deep` };
  }
  try {
    return { value: JSON.parse(bytes.toString('utf8')) as unknown };
  } catch (error) {
    return { fault: `the body is no JSON: ${messageOf(error)}` };
  }
}

function acknowledgementOf({ headers }: IncomingMessage): Acknowledgement | undefined | 'unknown' {
  const asked = headers[acknowledgementHeader];
  if (asked === undefined) return undefined;
  return acknowledgements.find((level) => level === asked) ?? 'unknown';
}

/** Aborted when the client goes away before its answer. */
function signalOf(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) controller.abort();
  });
  return controller.signal;
}
