/**
 * Keys that wait for a worker.
 *
 *   add ──► waiting (a set in order of arrival) ──► running (one worker a key) ──► done
 *              ▲         added while running: once more afterwards ──┘   │
 *              └── later (delayed by the caller, or after a failure) ◄───┘
 *
 * A key is in the queue once, however often it is added, and no two workers ever have the same. A failure delays that key
 * alone: 5 ms, doubled each time up to 1,000 s, forgotten at the first success. So one object that always fails costs its
 * worker a moment from time to time and starves nobody; a worker that hangs holds its own key and one of the places.
 *
 * The queue carries keys and no events: whoever works on a key reads the whole state then.
 */
import { messageOf } from '../../errors.ts';
import {
  workQueueDrainMs,
  workQueueKeysMax,
  workQueueRetryDelayMaxMs,
  workQueueRetryDelayMinMs,
  workQueueWorkersMax,
} from '../../limits.ts';

/** What a worker wants next for its key: nothing, or another look after a time. */
export interface WorkResult {
  readonly again?: { readonly afterMs: number } | undefined;
}

export interface WorkLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface WorkQueueOptions {
  /** For logs and metrics. */
  readonly name: string;
  readonly workers: number;
  /** Throws: try again later. The signal comes when the queue stops. */
  readonly work: (key: string, signal: AbortSignal) => Promise<WorkResult | void>;
  readonly log: WorkLog;
  readonly retryDelayMinMs?: number;
  readonly retryDelayMaxMs?: number;
  /** All keys there are, added again in every interval, spread over it. */
  readonly resync?: { readonly intervalMs: number; readonly keys: () => Iterable<string> } | undefined;
  /** A key's work took so long; for a histogram. */
  readonly onWorked?: (seconds: number, outcome: 'done' | 'failed') => void;
}

export interface WorkQueueStatistics {
  readonly waiting: number;
  readonly running: number;
  readonly later: number;
  readonly adds: number;
  readonly retries: number;
  readonly done: number;
  readonly failed: number;
  /** Not taken, because too many keys are in the queue; the next resync brings them. */
  readonly refused: number;
  /** Of the work that has been under way for the longest. */
  readonly longestRunningMs: number;
}

interface Later {
  readonly timer: NodeJS.Timeout;
  readonly dueMs: number;
}

export class WorkQueue {
  readonly name: string;
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  /** When each began. */
  readonly #running = new Map<string, number>();
  readonly #later = new Map<string, Later>();
  readonly #failures = new Map<string, number>();
  readonly #stopping = new AbortController();
  readonly #counts = { adds: 0, retries: 0, done: 0, failed: 0, refused: 0 };
  readonly #drained = Promise.withResolvers<void>();
  #resync: NodeJS.Timeout | undefined;
  #isStarted = false;

  constructor(options: WorkQueueOptions) {
    const { workers } = options;
    if (!Number.isInteger(workers) || workers < 1 || workers > workQueueWorkersMax) {
      throw new RangeError(`workers must be a whole number between 1 and ${workQueueWorkersMax}, not ${workers}`);
    }
    this.name = options.name;
    this.#options = options;
  }

  get statistics(): WorkQueueStatistics {
    const now = performance.now();
    let longestRunningMs = 0;
    for (const beganMs of this.#running.values()) longestRunningMs = Math.max(longestRunningMs, now - beganMs);
    return {
      ...this.#counts,
      waiting: this.#waiting.size,
      running: this.#running.size,
      later: this.#later.size,
      longestRunningMs,
    };
  }

  /** How often in a row the key has failed. */
  failuresOf(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Work on the key soon. A key that runs now runs once more, for what it has read may be old. */
  add(key: string): void {
    if (!this.#take(key)) return;
    this.#counts.adds += 1;
    this.#cancelLater(key);
    this.#waiting.add(key);
    this.#pump();
  }

  /** Work on the key after a time, or sooner if it is due sooner anyway. */
  addAfter(key: string, afterMs: number): void {
    if (afterMs <= 0) {
      this.add(key);
      return;
    }
    if (!this.#take(key)) return;
    const dueMs = performance.now() + afterMs;
    const planned = this.#later.get(key);
    if (this.#waiting.has(key) || (planned && planned.dueMs <= dueMs)) return;
    this.#cancelLater(key);
    // Timers count in 32 bits; a later look than that is a later look anyway.
    const timer = setTimeout(() => this.add(key), Math.min(afterMs, 2 ** 31 - 1));
    timer.unref();
    this.#later.set(key, { timer, dueMs });
  }

  /** Forgets that the key has failed, as when its object is gone. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** Keys may be added before; the work begins here. */
  start(): void {
    this.#isStarted = true;
    const { resync } = this.#options;
    if (resync && !this.#resync) {
      this.#resync = setInterval(() => this.#addAll(resync.intervalMs, resync.keys()), resync.intervalMs).unref();
    }
    this.#pump();
  }

  /** Begins nothing more and waits for what runs: true when all of it has ended in time. */
  async stop(drainMs = workQueueDrainMs): Promise<boolean> {
    this.#stopping.abort();
    clearInterval(this.#resync);
    for (const { timer } of this.#later.values()) clearTimeout(timer);
    this.#later.clear();
    this.#waiting.clear();
    if (this.#running.size === 0) return true;
    const patience = Promise.withResolvers<void>();
    const timer = setTimeout(patience.resolve, drainMs);
    await Promise.race([this.#drained.promise, patience.promise]);
    clearTimeout(timer);
    return this.#running.size === 0;
  }

  #take(key: string): boolean {
    if (this.#stopping.signal.aborted) return false;
    if (this.#waiting.has(key) || this.#later.has(key) || this.#running.has(key)) return true;
    if (this.#waiting.size + this.#later.size < workQueueKeysMax) return true;
    this.#counts.refused += 1;
    return false;
  }

  #cancelLater(key: string): void {
    const planned = this.#later.get(key);
    if (!planned) return;
    clearTimeout(planned.timer);
    this.#later.delete(key);
  }

  #pump(): void {
    if (!this.#isStarted || this.#stopping.signal.aborted) return;
    for (const key of this.#waiting) {
      if (this.#running.size >= this.#options.workers) return;
      if (this.#running.has(key)) continue;
      this.#waiting.delete(key);
      this.#running.set(key, performance.now());
      void this.#work(key);
    }
  }

  async #work(key: string): Promise<void> {
    const beganMs = performance.now();
    let outcome: 'done' | 'failed' = 'done';
    try {
      const result = await this.#options.work(key, this.#stopping.signal);
      this.#failures.delete(key);
      this.#counts.done += 1;
      if (result?.again) this.addAfter(key, Math.max(1, result.again.afterMs));
    } catch (error) {
      outcome = 'failed';
      this.#counts.failed += 1;
      this.#retry(key, error);
    }
    this.#running.delete(key);
    this.#options.onWorked?.((performance.now() - beganMs) / 1_000, outcome);
    if (this.#stopping.signal.aborted && this.#running.size === 0) this.#drained.resolve();
    this.#pump();
  }

  #retry(key: string, error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const { retryDelayMinMs = workQueueRetryDelayMinMs, retryDelayMaxMs = workQueueRetryDelayMaxMs } = this.#options;
    const failures = this.failuresOf(key);
    this.#failures.set(key, failures + 1);
    this.#counts.retries += 1;
    const afterMs = Math.min(retryDelayMaxMs, retryDelayMinMs * 2 ** Math.min(failures, 40));
    const fields = { queue: this.name, key, failures: failures + 1, afterMs, error: messageOf(error) };
    this.#options.log.warn(fields, 'reconcile failed, trying again');
    this.addAfter(key, afterMs);
  }

  #addAll(intervalMs: number, keys: Iterable<string>): void {
    for (const key of keys) this.addAfter(key, Math.random() * intervalMs);
  }
}
