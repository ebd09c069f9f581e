/**
 * Tries a call again where that is safe, a bounded number of times, with growing and jittered pauses.
 *
 * Safe is what the caller says (`mayRetry`): a read always, a write only where nothing of it was done or doing it
 * twice is doing it once. The pauses are "full jitter" (Brooker, "Exponential Backoff And Jitter", 2015): evenly
 * spread between the smallest and the current bound, so that a thousand clients of a restarted shard do not return
 * together. Nothing is paid on the way without faults: no timer, no wrapper around the result.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { KvcacheError, messageOf } from '../errors.ts';
import { clientAttemptsMax, clientRetryDelayMaxMs, clientRetryDelayMinMs } from '../limits.ts';

export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly attemptsMax: number;
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
}

export const defaultRetryPolicy: RetryPolicy = {
  attemptsMax: clientAttemptsMax,
  delayMinMs: clientRetryDelayMinMs,
  delayMaxMs: clientRetryDelayMaxMs,
};

export interface RetryOptions {
  readonly policy: RetryPolicy;
  /** Wall-clock time (Date.now()) after which no further attempt is made. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly mayRetry: (error: KvcacheError) => boolean;
}

/** The first success, or the last fault as KvcacheError. */
export async function withRetry<Result>(attempt: () => Promise<Result>, options: RetryOptions): Promise<Result> {
  const { policy, deadlineMs, signal, mayRetry } = options;
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (cause) {
      const error = asKvcacheError(cause);
      const delayMs = retryDelayMs(policy, attempts, Math.random());
      if (attempts >= policy.attemptsMax || !mayRetry(error) || Date.now() + delayMs >= deadlineMs) throw error;
      await pause(delayMs, signal);
    }
  }
}

/** The pause after `attempts` attempts; `random` is in [0, 1). */
export function retryDelayMs(policy: RetryPolicy, attempts: number, random: number): number {
  const bound = Math.min(policy.delayMaxMs, policy.delayMinMs * 2 ** attempts);
  return policy.delayMinMs + random * (bound - policy.delayMinMs);
}

/** Resolves after `delayMs`; rejects with CANCELLED as soon as the signal aborts. */
export async function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(delayMs, undefined, signal ? { signal } : undefined);
  } catch (cause) {
    throw new KvcacheError('CANCELLED', 'the call was cancelled by its caller', { cause });
  }
}

function asKvcacheError(cause: unknown): KvcacheError {
  return cause instanceof KvcacheError ? cause : new KvcacheError('ERR', messageOf(cause), { cause });
}
