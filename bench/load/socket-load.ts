/**
 * Requests over plain sockets in any protocol, from a process of its own: the same load for two protocols, which
 * redis-benchmark is not, since it speaks one.
 *
 * The parent encodes pipelines once and says how long each reply is and how it begins; the generator counts bytes. So it
 * costs the same whatever the protocol.
 */
import { type Child, message as nextMessage, startModule } from '../harness/children.ts';
import type { Bench } from '../harness/scenario.ts';

export interface SocketRun {
  readonly port: number;
  /** Each of `pipeline` requests, sent in turn. */
  readonly batches: readonly Buffer[];
  readonly pipeline: number;
  /** Of one request. */
  readonly replyBytes: number;
  /** With which every reply begins. */
  readonly replyFirstByte: number;
  readonly connections: number;
  readonly measuredMs: number;
}

export interface SocketResult {
  readonly requests: number;
  readonly elapsedMs: number;
  readonly p99Ms: number;
  readonly processorUs: number;
  /** Why it is worth nothing. */
  readonly fault?: string;
}

export class SocketLoad {
  readonly #child: Child;
  #headroom = Infinity;

  constructor(bench: Bench) {
    this.#child = startModule(bench.scope, 'load/socket-load-process.ts');
  }

  /** How many times as fast it could have been, by its processor time, in its slowest run. */
  get headroom(): number {
    return this.#headroom;
  }

  /** Rejects where a reply was another than said. */
  async run(load: SocketRun): Promise<SocketResult> {
    this.#child.process.send(load);
    const result = await nextMessage<SocketResult>(this.#child);
    if (result.fault !== undefined) throw new Error(result.fault);
    this.#headroom = Math.min(this.#headroom, (result.elapsedMs * 1_000) / result.processorUs);
    return result;
  }
}
