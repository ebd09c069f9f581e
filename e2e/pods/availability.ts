/** What clients saw over time: operations that went well and those that did not, and the longest silence between. */

export interface AvailabilityReport {
  readonly done: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly errorRate: number;
  readonly longestOutageMs: number;
}

export class Availability {
  readonly #nowMs: () => number;
  #done = 0;
  #faults: Record<string, number> = {};
  #lastDoneMs: number;
  #longestOutageMs = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#lastDoneMs = nowMs();
  }

  /** One operation's outcome: its fault's code, or undefined if it went well. */
  note(fault: string | undefined): void {
    if (fault !== undefined) {
      this.#faults[fault] = (this.#faults[fault] ?? 0) + 1;
      return;
    }
    this.#done++;
    const now = this.#nowMs();
    this.#longestOutageMs = Math.max(this.#longestOutageMs, now - this.#lastDoneMs);
    this.#lastDoneMs = now;
  }

  report(): AvailabilityReport {
    const failed = Object.values(this.#faults).reduce((sum, count) => sum + count, 0);
    const all = this.#done + failed;
    return {
      done: this.#done,
      faults: { ...this.#faults },
      errorRate: all === 0 ? 0 : failed / all,
      // A silence that still lasts counts too.
      longestOutageMs: Math.round(Math.max(this.#longestOutageMs, this.#nowMs() - this.#lastDoneMs)),
    };
  }

  reset(): void {
    this.#done = 0;
    this.#faults = {};
    this.#longestOutageMs = 0;
    this.#lastDoneMs = this.#nowMs();
  }
}
