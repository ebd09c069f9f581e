/**
 * The rounds: every case on every side, side by side in time, so that a machine that slows down slows all of them.
 *
 * Within a round the sides of a case follow each other directly, and who begins rotates from round to round: whatever a
 * side leaves behind, such as a warm disk or a queue of dirty pages, falls on each of the others in turn.
 *
 * A side that fails at a case is not tried at it again; the fault goes into the result, and the others go on.
 */
import type { Case, Measured, Plan, Side } from './scenario.ts';

export interface CaseSamples {
  readonly case: Case;
  /** By side, a place a round; undefined where the side has no such case. */
  readonly samples: ReadonlyMap<string, (Measured | undefined)[]>;
}

export interface Fault {
  readonly side: string;
  readonly case: string;
  readonly message: string;
}

export interface RoundsResult {
  readonly cases: readonly CaseSamples[];
  readonly faults: readonly Fault[];
}

export interface RoundsOptions {
  readonly rounds: number;
  readonly measuredMs: number;
  /** Aborted: no further measurement begins. */
  readonly signal: AbortSignal;
  /** Called after every measurement. */
  readonly onProgress: (done: number, of: number) => void;
}

/** The sides in the order of this round: who begins changes from round to round. */
export function rotated<Item>(items: readonly Item[], round: number): Item[] {
  const first = items.length === 0 ? 0 : ((round % items.length) + items.length) % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

export async function runRounds(plan: Plan, options: RoundsOptions): Promise<RoundsResult> {
  const cases = plan.cases.map((what) => ({
    case: what,
    samples: new Map(plan.sides.map(({ name }): [string, (Measured | undefined)[]] => [name, []])),
  }));
  const faults: Fault[] = [];
  const first = plan.warmsUp === false ? 0 : -1;
  const of = (options.rounds - first) * plan.cases.length * plan.sides.length;
  let done = 0;
  const measure = async (side: Side, what: Case, index: number): Promise<Measured | undefined> => {
    if (faults.some((fault) => fault.side === side.name && fault.case === what.title)) return undefined;
    options.signal.throwIfAborted();
    // A warm-up must reach every path, not a steady state: what compiles and grows does so in the first moments.
    const measuredMs = index < 0 ? options.measuredMs / 2 : options.measuredMs;
    try {
      return await side.measure(what, { index, measuredMs });
    } catch (error) {
      options.signal.throwIfAborted();
      faults.push({ side: side.name, case: what.title, message: (error as Error).message });
      return undefined;
    }
  };
  for (let round = first; round < options.rounds; round++) {
    for (const { case: what, samples } of cases) {
      for (const side of rotated(plan.sides, round)) {
        const measured = await measure(side, what, round);
        if (round >= 0) samples.get(side.name)!.push(measured);
        options.onProgress(++done, of);
      }
    }
  }
  return { cases, faults };
}
