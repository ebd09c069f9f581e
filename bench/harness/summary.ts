/** What the rounds say: a row a case and figure, with each side's median and the ratios between sides. */
import type { CaseSamples } from './rounds.ts';
import type { Axis, Comparison, Figure, Goal } from './scenario.ts';
import { ratiosOf, type Summary, summaryOf } from './statistics.ts';

export interface Ratio extends Summary {
  readonly side: string;
  readonly against: string;
  readonly goal?: Goal;
  readonly isReached?: boolean;
}

export interface Row {
  readonly case: string;
  readonly axis?: Axis;
  readonly figure: Figure;
  /** By side; sides without such a case are missing. */
  readonly sides: Readonly<Record<string, Summary & { readonly samples: readonly number[] }>>;
  readonly ratios: readonly Ratio[];
}

export function rowsOf(cases: readonly CaseSamples[]): Row[] {
  return cases.flatMap((samples) => samples.case.figures.map((figure) => rowOf(samples, figure)));
}

function rowOf({ case: what, samples }: CaseSamples, figure: Figure): Row {
  const values = (side: string): (number | undefined)[] =>
    (samples.get(side) ?? []).map((measured) => measured?.[figure.name]);
  const sides: Record<string, Summary & { samples: number[] }> = {};
  for (const name of samples.keys()) {
    const present = values(name).filter((value) => value !== undefined);
    if (present.length > 0) sides[name] = { ...summaryOf(present), samples: present };
  }
  const ratios = what.comparisons
    .filter((comparison) => (comparison.figure ?? what.figures[0]!.name) === figure.name)
    .flatMap((comparison) => ratioOf(comparison, ratiosOf(values(comparison.side), values(comparison.against))));
  const { title, axis } = what;
  return { case: title, ...(axis !== undefined && { axis }), figure, sides, ratios };
}

function ratioOf({ side, against, goal }: Comparison, ratios: readonly number[]): Ratio[] {
  if (ratios.length === 0) return [];
  const summary = summaryOf(ratios);
  if (goal === undefined) return [{ side, against, ...summary }];
  const isReached = 'atLeast' in goal ? summary.median >= goal.atLeast : summary.median <= goal.atMost;
  return [{ side, against, ...summary, goal, isReached }];
}
