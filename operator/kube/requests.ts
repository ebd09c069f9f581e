/**
 * Requests that are tried until they succeed, are refused, or run out of time.
 *
 * Tried again: 429 after the time that the server asks for, 5xx that say nothing about the request, and broken
 * connections. Not tried again: what the server has judged (400, 403, 404, 409, 422), and a creation under a generated
 * name, which might then exist twice. Every verb else here is the same done once or twice.
 *
 * `fence` is asked before each attempt of a write leaves, and bounds its time: see lease.ts.
 */
import { kubeAttemptTimeoutMs, kubeRequestTimeoutMs, kubeRetryDelayMaxMs, kubeRetryDelayMinMs } from '../../limits.ts';
import { backoffMs, sleep, type TokenBucket } from './backoff.ts';
import { describe, type Answer, type Exchange, type KubeConnection } from './connection.ts';
import { errorOfAnswer, KubeError } from './kube-error.ts';

/** Who may write, and for how long. */
export interface WriteFence {
  /** How long a write that leaves now may take; 0 or less: none may leave. Read from monotonic clocks, never from a timer. */
  remainingMs(): number;
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** All attempts together. */
  readonly timeoutMs?: number | undefined;
  readonly attemptTimeoutMs?: number | undefined;
  /** 1: no second attempt. */
  readonly attemptsMax?: number | undefined;
}

export interface KubeRequest {
  readonly method: Exchange['method'];
  /** Without the query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string | undefined;
  /** False where a second attempt could do it twice. */
  readonly isRepeatable?: boolean;
}

export interface RequestStatistics {
  /** Attempts by their answer: `GET 200`, `PATCH Connection`. */
  readonly attempts: ReadonlyMap<string, number>;
  readonly retries: number;
  /** Writes that the fence kept from leaving. */
  readonly fenced: number;
}

export function queryText(query: KubeRequest['query'] = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text ? `?${text}` : '';
}

function mayRepeat(error: KubeError, request: KubeRequest): boolean {
  if (error.status === 429) return true;
  if (request.isRepeatable === false) return false;
  return error.reason === 'Connection' || error.reason === 'RequestTimeout' || error.status >= 500;
}

export class RequestRunner {
  readonly connection: KubeConnection;
  readonly #bucket: TokenBucket;
  readonly #attempts = new Map<string, number>();
  #retries = 0;
  #fenced = 0;

  constructor(connection: KubeConnection, bucket: TokenBucket) {
    this.connection = connection;
    this.#bucket = bucket;
  }

  get statistics(): RequestStatistics {
    return { attempts: this.#attempts, retries: this.#retries, fenced: this.#fenced };
  }

  /** The body of a successful answer, and its status. */
  async run(
    request: KubeRequest,
    options: RequestOptions,
    fence: WriteFence | undefined,
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const endsAtMs = performance.now() + (options.timeoutMs ?? kubeRequestTimeoutMs);
    for (let failures = 0; ; failures += 1) {
      let error: KubeError;
      try {
        await this.#waitForTurn(request, options, endsAtMs);
        const answer = await this.#attempt(request, options, fence, endsAtMs);
        if (answer.status >= 200 && answer.status < 300) {
          return { status: answer.status, body: parse(answer.body, describe(request)) };
        }
        error = errorOfAnswer(describe(request), answer.status, answer.body, answer.headers['retry-after']);
      } catch (thrown) {
        if (!(thrown instanceof KubeError)) throw thrown;
        error = thrown;
      }
      // A token that was replaced under us is worth one more try with the new one.
      const isWorthIt = mayRepeat(error, request) || (error.status === 401 && failures === 0);
      if (!isWorthIt || failures + 1 >= (options.attemptsMax ?? Infinity)) throw error;
      const bounds = { minMs: kubeRetryDelayMinMs, maxMs: kubeRetryDelayMaxMs };
      const delayMs = Math.max(error.retryAfterMs ?? 0, backoffMs(failures, bounds));
      if (performance.now() + delayMs >= endsAtMs) throw error;
      this.#retries += 1;
      if (!(await sleep(delayMs, options.signal))) throw error;
    }
  }

  count(method: string, outcome: string | number): void {
    const key = `${method} ${outcome}`;
    this.#attempts.set(key, (this.#attempts.get(key) ?? 0) + 1);
  }

  async #waitForTurn(request: KubeRequest, options: RequestOptions, endsAtMs: number): Promise<void> {
    const waitMs = this.#bucket.reserveMs();
    if (waitMs === 0) return;
    const isInTime = performance.now() + waitMs < endsAtMs;
    if (isInTime && (await sleep(waitMs, options.signal))) return;
    this.#bucket.giveBack();
    throw new KubeError(
      isInTime
        ? `${describe(request)}: cancelled`
        : `${describe(request)}: this process has too many requests of its own under way`,
      { status: 0, reason: isInTime ? 'Cancelled' : 'RequestTimeout' },
    );
  }

  async #attempt(
    request: KubeRequest,
    options: RequestOptions,
    fence: WriteFence | undefined,
    endsAtMs: number,
  ): Promise<Answer> {
    const isWrite = request.method !== 'GET';
    const leftMs = Math.min(endsAtMs - performance.now(), options.attemptTimeoutMs ?? kubeAttemptTimeoutMs);
    const check = fence && isWrite ? () => this.#check(fence, request) : undefined;
    const timeoutMs = Math.max(1, Math.min(leftMs, check?.() ?? Infinity));
    // The server gives up a write at the same time, also one that waits in a queue of its own.
    const query = isWrite
      ? { ...request.query, timeout: `${Math.max(1, Math.floor(timeoutMs / 1_000))}s` }
      : request.query;
    try {
      const answer = await this.connection.exchange({
        method: request.method,
        path: request.path + queryText(query),
        timeoutMs,
        signal: options.signal,
        mayStart: check,
        headers: {
          ...(request.accept ? { accept: request.accept } : {}),
          ...(request.body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
        },
        body: request.body === undefined ? undefined : JSON.stringify(request.body),
      });
      this.count(request.method, answer.status);
      return answer;
    } catch (error) {
      this.count(request.method, error instanceof KubeError ? error.reason : 'Unknown');
      throw error;
    }
  }

  #check(fence: WriteFence, request: KubeRequest): number {
    const remainingMs = fence.remainingMs();
    if (remainingMs > 0) return remainingMs;
    this.#fenced += 1;
    throw new KubeError(`${describe(request)}: not sent, because this process does not hold the lease`, {
      status: 0,
      reason: 'NotLeader',
    });
  }
}

function parse(body: string, request: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch (error) {
    throw new KubeError(`${request}: the answer is not JSON: ${body.slice(0, 200)}`, {
      status: 0,
      reason: 'MalformedAnswer',
      cause: error,
    });
  }
}
