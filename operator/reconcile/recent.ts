/** Answers that are kept for a while, each asked for once at a time; a failure is not kept. */
import { recentAnswersMax } from '../../limits.ts';

export class Recent<T> {
  readonly #maxAgeMs: number;
  readonly #answers = new Map<string, { readonly atMs: number; readonly answer: Promise<T> }>();

  constructor(maxAgeMs: number) {
    this.#maxAgeMs = maxAgeMs;
  }

  /** The next `get` asks. */
  forget(key: string): void {
    this.#answers.delete(key);
  }

  get(key: string, ask: () => Promise<T>): Promise<T> {
    const nowMs = performance.now();
    const known = this.#answers.get(key);
    if (known !== undefined && nowMs - known.atMs < this.#maxAgeMs) return known.answer;
    const answer = ask();
    this.#answers.delete(key);
    this.#answers.set(key, { atMs: nowMs, answer });
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= recentAnswersMax) break;
      this.#answers.delete(oldest);
    }
    answer.catch(() => {
      if (this.#answers.get(key)?.answer === answer) this.#answers.delete(key);
    });
    return answer;
  }
}
