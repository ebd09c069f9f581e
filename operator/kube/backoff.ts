/**
 * Waiting: delays that grow, with jitter so that many waiters do not return at one moment; a sleep that a signal ends;
 * and a token bucket, which bounds what all waiters together may begin.
 */

export interface BackoffBounds {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Doubles with every failure, drawn between half of it and all of it. `failures` counts from 0. */
export function backoffMs(
  failures: number,
  { minMs, maxMs }: BackoffBounds,
  random: () => number = Math.random,
): number {
  const full = Math.min(maxMs, minMs * 2 ** Math.min(failures, 40));
  return full * (0.5 + random() / 2);
}

/** Resolves after the time, or at once when the signal comes: true when the whole time has passed. */
export function sleep(timeMs: number, signal?: AbortSignal): Promise<boolean> {
  if (signal?.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const done = (isWhole: boolean): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      resolve(isWhole);
    };
    const onAbort = (): void => done(false);
    const timer = setTimeout(() => done(true), timeMs);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

export interface TokenBucketOptions {
  readonly burst: number;
  readonly perSecond: number;
  readonly now?: () => number;
}

/** `burst` at once, `perSecond` after that. */
export class TokenBucket {
  readonly #burst: number;
  readonly #perMs: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAtMs: number;

  constructor({ burst, perSecond, now = () => performance.now() }: TokenBucketOptions) {
    this.#burst = burst;
    this.#perMs = perSecond / 1_000;
    this.#now = now;
    this.#tokens = burst;
    this.#filledAtMs = now();
  }

  /** Takes a token if there is one. */
  take(): boolean {
    this.#fill();
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Takes a token in advance and says how long the taker has to wait for it. */
  reserveMs(): number {
    this.#fill();
    this.#tokens -= 1;
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.#perMs;
  }

  /** Gives back what was reserved and not used. */
  giveBack(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + 1);
  }

  #fill(): void {
    const now = this.#now();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#filledAtMs) * this.#perMs);
    this.#filledAtMs = now;
  }
}
