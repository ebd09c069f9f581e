/**
 * How we insist on an operation on Blob: several attempts with growing, jittered pauses, a time limit for each, and one
 * circuit breaker for all, so that an outage costs the shard one probe at a time instead of every caller's patience.
 *
 *   places in flight (reads only) → attempts and pauses → breaker → one attempt within its time limit
 *
 * The SDK's own retries are off: they know neither the breaker nor our counters, and hide that a conditional write that
 * "fails" may have been done by its first attempt.
 */
import {
  BrokenCircuitError,
  BulkheadRejectedError,
  ConsecutiveBreaker,
  DelegateBackoff,
  ExponentialBackoff,
  bulkhead,
  circuitBreaker,
  handleType,
  retry,
} from 'cockatiel';
import type { BulkheadPolicy, CircuitBreakerPolicy, IRetryBackoffContext, RetryPolicy } from 'cockatiel';

import { KvcacheError } from '../../errors.ts';
import {
  blobAttemptTimeoutMs,
  blobAttemptsMax,
  blobBreakerFailuresMax,
  blobBreakerOpenMaxMs,
  blobBreakerOpenMinMs,
  blobReadAttemptTimeoutMs,
  blobReadAttemptsMax,
  blobReadsInFlightMax,
  blobReadsQueuedMax,
  blobRetryDelayMaxMs,
  blobRetryDelayMinMs,
} from '../../limits.ts';
import { TransientFault, classify, done, failure } from './blob-outcome.ts';
import type { BlobFailure, BlobOutcome } from './blob-outcome.ts';

/** All optional; the defaults are the bounds of limits.ts. Tests shorten them. */
export interface ResilienceOptions {
  readonly attemptsMax?: number;
  readonly attemptTimeoutMs?: number;
  readonly readAttemptsMax?: number;
  readonly readAttemptTimeoutMs?: number;
  readonly retryDelayMinMs?: number;
  readonly retryDelayMaxMs?: number;
  readonly breakerOpenMinMs?: number;
  readonly breakerOpenMaxMs?: number;
  readonly readsInFlightMax?: number;
  /** In [0, 1). */
  readonly random?: () => number;
}

export type OperationClass = 'read' | 'write';

export class Resilience {
  readonly #breaker: CircuitBreakerPolicy;
  readonly #retries: Record<OperationClass, RetryPolicy>;
  readonly #timeoutsMs: Record<OperationClass, number>;
  readonly #places: BulkheadPolicy;

  constructor(options: ResilienceOptions = {}) {
    const transient = handleType(TransientFault);
    const backoff = new DelegateBackoff((context: IRetryBackoffContext<unknown>) => pauseMs(context, options));
    this.#retries = {
      read: retry(transient, { backoff, maxAttempts: (options.readAttemptsMax ?? blobReadAttemptsMax) - 1 }),
      write: retry(transient, { backoff, maxAttempts: (options.attemptsMax ?? blobAttemptsMax) - 1 }),
    };
    this.#timeoutsMs = {
      read: options.readAttemptTimeoutMs ?? blobReadAttemptTimeoutMs,
      write: options.attemptTimeoutMs ?? blobAttemptTimeoutMs,
    };
    this.#breaker = circuitBreaker(transient, {
      breaker: new ConsecutiveBreaker(blobBreakerFailuresMax),
      halfOpenAfter: new ExponentialBackoff({
        initialDelay: options.breakerOpenMinMs ?? blobBreakerOpenMinMs,
        maxDelay: options.breakerOpenMaxMs ?? blobBreakerOpenMaxMs,
      }),
    });
    this.#places = bulkhead(options.readsInFlightMax ?? blobReadsInFlightMax, blobReadsQueuedMax);
  }

  /** Runs `attempt` until it has an answer, within the bounds. Never rejects for what the store or the network does. */
  async run<T>(
    operationClass: OperationClass,
    attempt: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<BlobOutcome<T>> {
    try {
      if (operationClass === 'write') return await this.#insist('write', attempt, signal);
      return await this.#places.execute(() => this.#insist('read', attempt, signal), signal);
    } catch (error) {
      if (signal?.aborted === true) return failure('aborted', 'the caller gave up');
      if (error instanceof TransientFault) return failure('unavailable', error.message);
      if (error instanceof BrokenCircuitError)
        return failure('unavailable', 'Blob failed repeatedly; waiting a little');
      if (error instanceof BulkheadRejectedError) return failure('unavailable', 'too many reads of Blob wait already');
      throw error;
    }
  }

  async #insist<T>(
    operationClass: OperationClass,
    attempt: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<BlobOutcome<T>> {
    return await this.#retries[operationClass].execute(
      () => this.#breaker.execute(() => this.#attemptOnce(operationClass, attempt, signal)),
      signal,
    );
  }

  async #attemptOnce<T>(
    operationClass: OperationClass,
    attempt: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<BlobOutcome<T>> {
    // Not AbortSignal.timeout and AbortSignal.any: thousands of reads a second would leave as many timers behind.
    const timeoutMs = this.#timeoutsMs[operationClass];
    const limit = new AbortController();
    const giveUp = () => limit.abort();
    const timer = setTimeout(giveUp, timeoutMs);
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      if (signal?.aborted === true) return failure('aborted', 'the caller gave up');
      return done(await attempt(limit.signal));
    } catch (error) {
      if (signal?.aborted === true) return failure('aborted', 'the caller gave up');
      if (limit.signal.aborted) throw new TransientFault(`no answer within ${timeoutMs} ms`, undefined, error);
      if (error instanceof KvcacheError || error instanceof TypeError || error instanceof RangeError) throw error;
      const verdict: TransientFault | BlobFailure = classify(error);
      if (verdict instanceof TransientFault) throw verdict;
      return verdict;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
    }
  }
}

/** Exponential with equal jitter, and never sooner than the server asked for (within our bound). */
function pauseMs(context: IRetryBackoffContext<unknown>, options: ResilienceOptions): number {
  const min = options.retryDelayMinMs ?? blobRetryDelayMinMs;
  const max = options.retryDelayMaxMs ?? blobRetryDelayMaxMs;
  const random = options.random ?? Math.random;
  const ceiling = Math.min(max, min * 2 ** context.attempt);
  const jittered = ceiling / 2 + (ceiling / 2) * random();
  const error = 'error' in context.result ? context.result.error : undefined;
  const asked = error instanceof TransientFault ? error.retryAfterMs : undefined;
  return asked === undefined ? jittered : Math.min(max, Math.max(asked, jittered));
}
