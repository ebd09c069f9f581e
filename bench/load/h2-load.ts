/**
 * Unary calls over HTTP/2 from a process of its own: `inFlight` calls at any time, each beginning when another ends.
 *
 * The parent sends messages as they go on the wire, encoded once; the generator sends them around.
 */
import type { Bench } from '../harness/scenario.ts';
import { LoadProcess, type LoadResult } from './load-process.ts';

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

export interface H2Result extends LoadResult {
  readonly calls: number;
  readonly failed: number;
  readonly bytes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export class H2Load extends LoadProcess<H2Run, H2Result> {
  constructor(bench: Bench) {
    super(bench, 'load/h2-load-process.ts');
  }

  protected faultOf({ failed, calls }: H2Result, { path }: H2Run): string | undefined {
    return failed > 0 ? `${failed} of ${calls} calls of ${path} failed` : undefined;
  }
}
