/**
 * When a pass runs: one at a time, an interval after the last, sooner when somebody waits for it, later when only a
 * person can mend what is wrong. Passes that are asked for while one runs are one pass, right after it.
 */
import type { Clock } from '../clock.ts';

export interface PassLoopOptions<Trouble> {
  readonly clock: Clock;
  readonly intervalMs: number;
  /** Distance between the beginnings of hastened passes. */
  readonly hastenedGapMs: number;
  /** A turn that comes so much too late is reported to `onOverslept`. */
  readonly oversleptMs: number;
  /** Never rejects; resolves to what kept it from doing everything. */
  readonly pass: () => Promise<Trouble | undefined>;
  /** The pause after a pass that met trouble. */
  readonly pauseMs: (trouble: Trouble) => number;
  readonly onOverslept: () => void;
}

export class PassLoop<Trouble> {
  readonly #options: PassLoopOptions<Trouble>;
  #running: Promise<Trouble | undefined> | undefined;
  #queued: Promise<Trouble | undefined> | undefined;
  #startedAtMs = 0;
  #dueAtMs = 0;
  #isHastened = false;
  #isStarted = false;
  #isStopped = false;
  #cancelTimer: (() => void) | undefined;

  constructor(options: PassLoopOptions<Trouble>) {
    this.#options = options;
  }

  /** Begins with a pass now; again, if it has begun before. */
  start(): void {
    this.#isStarted = true;
    this.#schedule(0);
  }

  /** Resolves with the outcome of a pass that begins after the call. */
  run(): Promise<Trouble | undefined> {
    if (this.#running === undefined) return this.#begin();
    this.#queued ??= this.#running.then(async () => await this.#begin());
    return this.#queued;
  }

  /** Sees to it that a pass begins soon. */
  hasten(): void {
    this.#isHastened = true;
    if (this.#running !== undefined || !this.#isStarted) return;
    const nowMs = this.#options.clock.now();
    const delayMs = Math.max(0, this.#startedAtMs + this.#options.hastenedGapMs - nowMs);
    if (nowMs + delayMs < this.#dueAtMs) this.#schedule(delayMs);
  }

  /** Begins no further pass by itself. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer?.();
  }

  /** Resolves when no pass runs. */
  async idle(): Promise<void> {
    await this.#running;
  }

  #begin(): Promise<Trouble | undefined> {
    this.#queued = undefined;
    this.#cancelTimer?.();
    this.#isHastened = false;
    this.#startedAtMs = this.#options.clock.now();
    this.#running = this.#options.pass().then((trouble) => {
      this.#running = undefined;
      const hastenedMs = this.#isHastened ? this.#options.hastenedGapMs : this.#options.intervalMs;
      this.#schedule(trouble === undefined ? hastenedMs : this.#options.pauseMs(trouble));
      return trouble;
    });
    return this.#running;
  }

  #schedule(delayMs: number): void {
    this.#cancelTimer?.();
    if (this.#isStopped || !this.#isStarted) return;
    const { clock, oversleptMs, onOverslept } = this.#options;
    const dueAtMs = clock.now() + delayMs;
    this.#dueAtMs = dueAtMs;
    this.#cancelTimer = clock.after(delayMs, () => {
      if (clock.now() - dueAtMs > oversleptMs) onOverslept();
      void this.run();
    });
  }
}
