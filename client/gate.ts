/**
 * A bound on how much may be under way at one time, in any unit: bytes, calls. Who comes when it is full waits, first
 * come, first served, so that a large request is never starved by small ones that would still fit.
 *
 * Invariant: `used` ≤ `max`, except while one request larger than `max` runs alone.
 */
import { KvcacheError } from '../errors.ts';

interface Waiter {
  readonly amount: number;
  readonly admit: () => void;
}

export class Gate {
  readonly #max: number;
  #used = 0;
  readonly #waiting: Set<Waiter> = new Set();

  constructor(max: number) {
    this.#max = max;
  }

  /** Takes `amount` at once where it fits and nobody waits. False: nothing was taken, `enter` would wait. */
  tryEnter(amount: number): boolean {
    if (this.#waiting.size > 0 || !this.#fits(amount)) return false;
    this.#used += amount;
    return true;
  }

  /** Takes `amount` as soon as it fits. Rejects with CANCELLED when the signal aborts first. */
  async enter(amount: number, signal?: AbortSignal): Promise<void> {
    if (this.tryEnter(amount)) return;
    if (signal?.aborted) throw cancelled();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { amount, admit: resolve };
    const giveUp = (): void => {
      this.#waiting.delete(waiter);
      reject(cancelled());
      // The one that gave up may have been all that held up the smaller ones behind it.
      this.#admitWaiters();
    };
    this.#waiting.add(waiter);
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  }

  /** Gives back what `enter` or `tryEnter` took. */
  leave(amount: number): void {
    this.#used -= amount;
    if (this.#used < 0) throw new Error(`a gate was left by ${-this.#used} more than entered it`);
    this.#admitWaiters();
  }

  #fits(amount: number): boolean {
    return this.#used + amount <= this.#max || this.#used === 0;
  }

  #admitWaiters(): void {
    for (const waiter of this.#waiting) {
      if (!this.#fits(waiter.amount)) return;
      this.#waiting.delete(waiter);
      this.#used += waiter.amount;
      waiter.admit();
    }
  }
}

function cancelled(): KvcacheError {
  return new KvcacheError('CANCELLED', 'the call was cancelled by its caller');
}
