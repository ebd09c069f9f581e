/** Who waits until how much of a segment is in Blob. */
import { KvcacheError } from '../../errors.ts';

interface Waiter {
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class CommitWaiters {
  readonly #waiters = new Map<number, Set<Waiter>>();

  get size(): number {
    let size = 0;
    for (const waiters of this.#waiters.values()) size += waiters.size;
    return size;
  }

  /** Segments that somebody waits for. */
  ids(): number[] {
    return [...this.#waiters.keys()];
  }

  async wait(id: number, bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { bytes, resolve, reject };
    let waiters = this.#waiters.get(id);
    if (waiters === undefined) this.#waiters.set(id, (waiters = new Set()));
    waiters.add(waiter);
    const giveUp = () => reject(new KvcacheError('CANCELLED', 'the caller gave up waiting for Blob'));
    signal?.addEventListener('abort', giveUp, { once: true });
    if (signal?.aborted === true) giveUp();
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', giveUp);
      waiters.delete(waiter);
      if (waiters.size === 0 && this.#waiters.get(id) === waiters) this.#waiters.delete(id);
    }
  }

  /** Lets go everybody whom this much satisfies. */
  settle(id: number, committedBytes: number): void {
    for (const waiter of this.#waiters.get(id) ?? []) {
      if (waiter.bytes <= committedBytes) waiter.resolve();
    }
  }

  reject(id: number, error: Error): void {
    for (const waiter of this.#waiters.get(id) ?? []) waiter.reject(error);
  }

  rejectAll(error: Error): void {
    for (const id of this.ids()) this.reject(id, error);
  }
}
