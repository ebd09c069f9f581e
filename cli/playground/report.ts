/** What a run of the playground tells at its end: one object for programs, two tables for people. */
import { roundedBytes } from '../../settings/units.ts';
import type { Timing } from './timings.ts';

/** The calls that a run times. */
export const operations = ['lookup', 'read', 'write'] as const;
export type Operation = (typeof operations)[number];

/** Blocks, summed over all prompts and iterations. */
export interface Counts {
  /** Full blocks of the prompts. */
  blocks: number;
  /** Found by the first lookup of their prompt. */
  cached: number;
  /** Writes that the server acknowledged; a block that several prompts miss at one time is written once. */
  written: number;
  /** Read back. */
  read: number;
  /** Read back and other than written, in any byte or field. */
  mismatched: number;
  /** Never read back, however often they were tried. */
  errors: number;
  /** Rounds that were needed again: a call had failed, or a block was missing though it was written. */
  retried: number;
}

export type PerOperation<Value> = Readonly<Record<Operation, Value>>;

export interface PlaygroundReport extends Readonly<Counts> {
  readonly prompts: number;
  /** Blocks of the file that differ from all others, the tokens before them included. */
  readonly distinct: number;
  readonly iterations: number;
  readonly concurrency: number;
  readonly bufferBytes: number;
  /** cached / blocks, 0 to 1. */
  readonly hitRate: number;
  readonly seconds: number;
  readonly calls: PerOperation<number>;
  readonly p50Ms: PerOperation<number>;
  readonly p90Ms: PerOperation<number>;
  readonly p100Ms: PerOperation<number>;
  /** Median of the time that the server says it spent; 0 where it does not say. */
  readonly serverP50Ms: PerOperation<number>;
  readonly bytes: PerOperation<number>;
  /** Over the time in which at least one call of the kind was under way. */
  readonly bytesPerSecond: PerOperation<number>;
}

export interface RunFacts {
  readonly prompts: number;
  readonly distinct: number;
  readonly iterations: number;
  readonly concurrency: number;
  readonly bufferBytes: number;
  readonly tookMs: number;
}

export function reportOf(facts: RunFacts, counts: Counts, timings: PerOperation<Timing>): PlaygroundReport {
  const { tookMs, ...rest } = facts;
  const each = (field: keyof Timing): PerOperation<number> => ({
    lookup: timings.lookup[field],
    read: timings.read[field],
    write: timings.write[field],
  });
  return {
    ...counts,
    ...rest,
    hitRate: counts.blocks === 0 ? 0 : counts.cached / counts.blocks,
    seconds: Math.round(tookMs) / 1000,
    calls: each('count'),
    p50Ms: each('p50Ms'),
    p90Ms: each('p90Ms'),
    p100Ms: each('p100Ms'),
    serverP50Ms: each('serverP50Ms'),
    bytes: each('bytes'),
    bytesPerSecond: each('bytesPerSecond'),
  };
}

/** True if every block came back as it was written. */
export function isClean(report: PlaygroundReport): boolean {
  return report.mismatched === 0 && report.errors === 0;
}

export const timingHead = ['call', 'count', 'p50 ms', 'p90 ms', 'p100 ms', 'server p50 ms', 'bytes', 'per second'];

export function timingRows(report: PlaygroundReport): string[][] {
  return operations.map((operation) => [
    operation,
    String(report.calls[operation]),
    report.p50Ms[operation].toFixed(2),
    report.p90Ms[operation].toFixed(2),
    report.p100Ms[operation].toFixed(2),
    report.serverP50Ms[operation].toFixed(2),
    operation === 'lookup' ? '' : roundedBytes(report.bytes[operation]),
    operation === 'lookup' ? '' : `${roundedBytes(report.bytesPerSecond[operation])}/s`,
  ]);
}

export const countHead = ['blocks', 'distinct', 'cached', 'written', 'read', 'mismatched', 'errors', 'hit rate'];

export function countRows(report: PlaygroundReport): string[][] {
  const { blocks, distinct, cached, written, read, mismatched, errors, hitRate } = report;
  return [
    [...[blocks, distinct, cached, written, read, mismatched, errors].map(String), `${(hitRate * 100).toFixed(1)} %`],
  ];
}

/** The one line that a run ends with. */
export function verdict(report: PlaygroundReport): string {
  const { read, mismatched, errors, seconds } = report;
  if (isClean(report)) return `${read} blocks read and verified byte by byte in ${seconds.toFixed(1)} s`;
  return `${mismatched} blocks came back wrong and ${errors} did not come back`;
}
