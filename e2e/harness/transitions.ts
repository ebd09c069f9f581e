/** Every status that a condition has had since the recording began: a flip too short for polling is seen all the same. */
import type { Cache, CacheObject } from './cache.ts';
import { conditionOf } from './cache.ts';
import { eventually, notYet, type WaitOptions } from './wait.ts';

export class Transitions {
  readonly #stop = new AbortController();
  readonly #type: string;
  /** Status and reason, without repetitions. */
  readonly seen: string[] = [];

  constructor(cache: Cache, type: string) {
    this.#type = type;
    const selector = { fields: `metadata.name=${cache.name}` };
    cache.kube.watch('KVCache', cache.namespace, selector, this.#stop.signal, (object) => {
      const condition = conditionOf(object as CacheObject, type);
      if (condition === undefined) return;
      if (this.seen.at(-1) !== condition.status) this.seen.push(condition.status);
    });
  }

  /** Resolves when these statuses have been seen one after the other, from the first state on. */
  async until(statuses: readonly string[], options?: WaitOptions): Promise<void> {
    await eventually(
      `${this.#type} goes ${statuses.join(', ')}`,
      () => isSubsequence(statuses, this.seen) || notYet(this.seen),
      options,
    );
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }
}

function isSubsequence(wanted: readonly string[], all: readonly string[]): boolean {
  let next = 0;
  for (const one of all) if (one === wanted[next]) next++;
  return next === wanted.length;
}
