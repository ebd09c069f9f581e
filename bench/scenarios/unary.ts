/** What scenarios of unary calls share: cases that are messages on a path, and sides that h2-load.ts calls. */
import { processorUs } from '../harness/children.ts';
import { digits } from '../harness/present.ts';
import { bandwidth, type Case, type Measured, p99, processorTime, rate, type Side } from '../harness/scenario.ts';
import type { H2Load } from '../load/h2-load.ts';
import type { SideProcess } from '../sides/side-process.ts';

export interface UnaryCase extends Case {
  /** Bytes of value that a call moves. */
  readonly valueBytes: number;
  readonly inFlight: number;
  readonly connections: number;
  /** What a reply has at least, so that a miss is no fast read. */
  readonly replyBytesMin: number;
}

/** How a side is asked for a case. */
export interface UnaryTarget {
  readonly port: number;
  readonly path: string;
  readonly bodies: readonly Buffer[];
  readonly numberedAt?: number;
  readonly contentType?: string;
}

export const unaryFigures = [rate, p99, processorTime];
export const largeUnaryFigures = [bandwidth, p99, processorTime];

/** `targetOf` is asked before every measurement, and may prepare it; undefined: the side has no such case. */
export function unarySide<C extends UnaryCase>(
  side: Pick<SideProcess, 'name' | 'about' | 'pids'>,
  load: H2Load,
  targetOf: (what: C) => Promise<UnaryTarget | undefined> | UnaryTarget | undefined,
): Side<C> {
  return {
    name: side.name,
    about: side.about,
    async measure(what, { measuredMs }): Promise<Measured | undefined> {
      const target = await targetOf(what);
      if (target === undefined) return undefined;
      const { inFlight, connections, valueBytes, replyBytesMin } = what;
      const beforeUs = processorUs(side.pids) ?? NaN;
      const result = await load.run({ ...target, inFlight, connections, measuredMs });
      const usedUs = (processorUs(side.pids) ?? NaN) - beforeUs;
      const { calls, elapsedMs, p99Ms, bytes } = result;
      if (bytes < calls * replyBytesMin) {
        throw new Error(`replies of ${target.path} have ${Math.round(bytes / calls)} bytes, not ${replyBytesMin}`);
      }
      const perSecond = (calls * 1_000) / elapsedMs;
      return {
        [rate.name]: perSecond,
        [bandwidth.name]: perSecond * valueBytes,
        [p99.name]: p99Ms,
        ...(Number.isNaN(usedUs) ? {} : { [processorTime.name]: usedUs / calls }),
      };
    },
  };
}

export function loadNote(load: H2Load): string {
  return `load: HTTP/2 frames from a process of our own; it could have been ${digits(load.headroom)} times as fast or more in every run (where that is close to 1, it is the limit)`;
}

export function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}
