/**
 * A scenario's result as a table: a row a case and figure, a column a side, a column a ratio.
 *
 *   case          │ figure │ shard           │ redis-server    │ shard : redis-server
 *   GET 100 B P=1 │ rate   │ 92.1 K/s ± 3 %  │ 88.0 K/s ± 1 %  │ 1.05 (1.01–1.08) ≥ 1 ✓
 */
import Table from 'cli-table3';
import { digits, presented, presentedGoal } from './present.ts';
import type { Ratio, Row } from './summary.ts';

const spreadSamplesMin = 3;

export function tableOf(sides: readonly string[], rows: readonly Row[]): string {
  const pairs = [...new Set(rows.flatMap(({ ratios }) => ratios.map(pairOf)))];
  const table = new Table({
    head: ['case', 'figure', ...sides, ...pairs],
    colAligns: ['left', 'left', ...sides.map(() => 'right' as const), ...pairs.map(() => 'left' as const)],
    style: { head: [], border: [] },
    // No lines between rows: a case has several, and a screen so many lines.
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  let previous = '';
  for (const row of rows) {
    const figures = sides.map((side) => cellOf(row, side));
    const ratios = pairs.map((pair) =>
      row.ratios
        .filter((ratio) => pairOf(ratio) === pair)
        .map(ratioText)
        .join(' '),
    );
    table.push([row.case === previous ? '' : row.case, row.figure.name, ...figures, ...ratios]);
    previous = row.case;
  }
  return table.toString();
}

export function pairOf({ side, against }: Ratio): string {
  return `${side} : ${against}`;
}

function cellOf({ sides, figure }: Row, side: string): string {
  const summary = sides[side];
  if (summary === undefined) return '–';
  // Of fewer rounds there are no quartiles to speak of.
  const spread =
    summary.samples.length >= spreadSamplesMin && Number.isFinite(summary.spread)
      ? ` ± ${(summary.spread * 100).toFixed(0)} %`
      : '';
  return `${presented(summary.median, figure.unit)}${spread}`;
}

function ratioText({ median, low, high, goal, isReached }: Ratio): string {
  const range = `${digits(median)} (${digits(low)}–${digits(high)})`;
  return goal === undefined ? range : `${range} ${presentedGoal(goal)} ${isReached ? '✓' : '✗'}`;
}
