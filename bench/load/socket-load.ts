/**
 * Requests over plain sockets in any protocol, from a process of its own: the same load for two protocols, which
 * redis-benchmark is not, since it speaks one.
 *
 * The parent encodes pipelines once and says how long each reply is and how it begins; the generator counts bytes. So it
 * costs the same whatever the protocol.
 */
import type { Bench } from '../harness/scenario.ts';
import { LoadProcess, type LoadResult } from './load-process.ts';

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

export interface SocketResult extends LoadResult {
  readonly requests: number;
  readonly p99Ms: number;
  /** Why it is worth nothing. */
  readonly fault?: string;
}

export class SocketLoad extends LoadProcess<SocketRun, SocketResult> {
  constructor(bench: Bench) {
    super(bench, 'load/socket-load-process.ts');
  }

  protected faultOf({ fault }: SocketResult): string | undefined {
    return fault;
  }
}
