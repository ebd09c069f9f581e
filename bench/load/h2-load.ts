/**
 * Unary calls over HTTP/2 from a process of its own: `inFlight` calls at any time, each beginning when another ends.
 *
 * The parent sends messages as they go on the wire, encoded once; the generator sends them around. Its processor time
 * comes with every result, because a generator that is busy all the time measures itself.
 */
import { startModule, message as nextMessage, type Child } from '../harness/children.ts';
import type { Bench } from '../harness/scenario.ts';

export interface H2Run {
  readonly port: number;
  readonly path: string;
  readonly contentType?: string;
  /** Bodies of requests, sent in turn. */
  readonly bodies: readonly Buffer[];
  /** Where each body has the first bytes of a varint, of five or more: there every call writes a number of its own. */
  readonly numberedAt?: number;
  readonly inFlight: number;
  readonly connections: number;
  readonly measuredMs: number;
  /** It goes on until there were so many, however long that takes: what fills a side must not leave keys out. */
  readonly callsMin?: number;
}

export interface H2Result {
  readonly calls: number;
  readonly failed: number;
  readonly bytes: number;
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly processorUs: number;
}

export class H2Load {
  readonly #child: Child;
  /** Calls a second that its processor time would have allowed, over those that it made. */
  #headroom = Infinity;

  constructor(bench: Bench) {
    this.#child = startModule(bench.scope, 'load/h2-load-process.ts');
  }

  get headroom(): number {
    return this.#headroom;
  }

  /** Rejects where a call failed: a rate of refusals would be a fine figure and worth nothing. */
  async run(load: H2Run): Promise<H2Result> {
    this.#child.process.send(load);
    const result = await nextMessage<H2Result>(this.#child);
    if (result.failed > 0) throw new Error(`${result.failed} of ${result.calls} calls of ${load.path} failed`);
    this.#headroom = Math.min(this.#headroom, (result.elapsedMs * 1_000) / result.processorUs);
    return result;
  }
}
