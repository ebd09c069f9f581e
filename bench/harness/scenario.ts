/**
 * What a scenario is: cases, and sides that are measured at each of them in turns.
 *
 *   Scenario ── prepare(bench) ──▶ Plan { sides, cases }        starts what it compares, with its data
 *   rounds.ts:  for round: for case: for side, in an order that rotates: side.measure(case)
 *   summary.ts: medians, spread, and ratios of figures of the same round
 *
 * Everything that a scenario starts goes on `bench.scope` at once, so that it ends with the scenario, with a fault and
 * with Ctrl-C alike.
 */

export type Unit = 'op/s' | 'B/s' | 'B' | 's' | 'ms' | 'µs' | 'share';

/** What a measurement tells, and which way is better. */
export interface Figure {
  readonly name: string;
  readonly unit: Unit;
  readonly better: 'more' | 'less';
}

/** A ratio to show: a side's figure divided by that of another side in the same round. */
export interface Comparison {
  readonly side: string;
  readonly against: string;
  /** The name of one of the case's figures; absent: the first. */
  readonly figure?: string;
  /** What the ratio should reach; shown, never asserted. */
  readonly goal?: Goal;
}

export type Goal = { readonly atLeast: number } | { readonly atMost: number };

/** Where a case lies on what is varied. */
export interface Axis {
  /** What it is, as the axis of a plot is labelled. */
  readonly name: string;
  readonly value: number;
  /** Cases of one series are a line. */
  readonly series: string;
}

export interface Case {
  readonly title: string;
  /** Of cases that differ by how much there is of something. */
  readonly axis?: Axis;
  readonly figures: readonly Figure[];
  readonly comparisons: readonly Comparison[];
}

export type Measured = Readonly<Record<string, number>>;

export interface Side<C extends Case = Case> {
  readonly name: string;
  /** Version, flags and settings, as a reader would need them to do it again. */
  readonly about: string;
  /** A value for every figure of the case, or undefined where the side has no such case. */
  measure(what: C, round: Round): Promise<Measured | undefined>;
}

export interface Round {
  /** -1 for the round that warms up and is not counted. */
  readonly index: number;
  /** How long a measurement of a rate should take. */
  readonly measuredMs: number;
}

export interface Plan<C extends Case = Case> {
  readonly cases: readonly C[];
  readonly sides: readonly Side<C>[];
  /** False where a measurement needs no other before it: what is slow is not done once more for nothing. */
  readonly warmsUp?: boolean;
  /** Fewer than were asked for, where each one starts processes and fills them and the run is to be short. */
  readonly roundsMax?: number | undefined;
  /** Said below the table, after all rounds: the load generator's ceiling, what a figure includes. */
  readonly notes?: () => readonly string[];
}

/** What a scenario is given to work with. */
export interface Bench {
  readonly quick: boolean;
  /** Ends with the scenario, last in first out. */
  readonly scope: AsyncDisposableStack;
  /** A folder of its own, removed with the scope. */
  readonly folder: string;
  /** A file of prompts' block ids, where one was given. */
  readonly tracePath: string | undefined;
  /** Tells of a side that cannot be measured here, and what to do about it. */
  skip(what: string, remedy: string): void;
}

export interface Scenario {
  readonly name: string;
  /** One line for `--list`. */
  readonly summary: string;
  prepare(bench: Bench): Promise<Plan>;
}

/** Of a short run, for plans whose measurements start processes of their own or are many. */
export const freshRoundsQuick = 1;

export const rate: Figure = { name: 'rate', unit: 'op/s', better: 'more' };
export const bandwidth: Figure = { name: 'bandwidth', unit: 'B/s', better: 'more' };
export const p99: Figure = { name: 'p99', unit: 'ms', better: 'less' };
/** Processor time of the side's processes for one operation: it hardly depends on what else the machine does. */
export const processorTime: Figure = { name: 'processor time', unit: 'µs', better: 'less' };
