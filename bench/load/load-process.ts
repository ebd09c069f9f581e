/**
 * A load generator in a process of its own: it is given a run by message and answers with its result.
 *
 * Its processor time comes with every result, because a generator that is busy all the time measures itself.
 */
import { type Child, message as nextMessage, startModule } from '../harness/children.ts';
import type { Bench } from '../harness/scenario.ts';

export interface LoadResult {
  readonly elapsedMs: number;
  readonly processorUs: number;
}

export abstract class LoadProcess<Run extends object, Result extends LoadResult> {
  readonly #child: Child;
  #headroom = Infinity;

  /** `module`: the file of the process, seen from bench/. */
  constructor(bench: Bench, module: string) {
    this.#child = startModule(bench.scope, module);
  }

  /** How many times as fast it could have been, by its processor time, in its slowest run. */
  get headroom(): number {
    return this.#headroom;
  }

  /** Rejects where the result is worth nothing. */
  async run(load: Run): Promise<Result> {
    this.#child.process.send(load);
    const result = await nextMessage<Result>(this.#child);
    const fault = this.faultOf(result, load);
    if (fault !== undefined) throw new Error(fault);
    this.#headroom = Math.min(this.#headroom, (result.elapsedMs * 1_000) / result.processorUs);
    return result;
  }

  /** Why a result is worth nothing: a rate of refusals would be a fine figure. */
  protected abstract faultOf(result: Result, load: Run): string | undefined;
}
