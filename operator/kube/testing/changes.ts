/** Waits for what an informer tells, in order. */
import { EventEmitter, once } from 'node:events';
import type { Change, Informer } from '../informer.ts';

export class Changes<T extends object> {
  readonly seen: Change<T>[] = [];
  readonly #events = new EventEmitter();
  #taken = 0;

  constructor(informer: Informer<T>) {
    informer.subscribe((change) => {
      this.seen.push(change);
      this.#events.emit('change');
    });
  }

  /** The next change that nobody has taken, as `added name`. */
  async next(): Promise<string> {
    while (this.#taken >= this.seen.length) await once(this.#events, 'change');
    const change = this.seen[this.#taken]!;
    this.#taken += 1;
    return `${change.kind} ${change.object.metadata.name}`;
  }

  /** So many of them, sorted: a listing has no order. */
  async take(count: number): Promise<string[]> {
    const taken: string[] = [];
    while (taken.length < count) taken.push(await this.next());
    return taken.sort();
  }
}
