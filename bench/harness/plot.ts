/**
 * A scenario's result as an SVG: for every case and figure a group of bars, one a side, from zero to the median, with a
 * line from the worst to the best round. Each group has its own scale, because cases differ by orders of magnitude and
 * what counts is the bar beside it.
 */
import { presented } from './present.ts';
import type { Row } from './summary.ts';
import { colourOf, fixed, headPx, pictureOf, text } from './svg.ts';

const widthPx = 860;
const labelPx = 250;
const valuePx = 130;
const barPx = 16;
const gapPx = 14;
export function plotOf(title: string, sides: readonly string[], rows: readonly Row[]): string {
  let y = headPx;
  const groups = rows.map((row) => {
    const group = groupOf(row, sides, y);
    y += Object.keys(row.sides).length * barPx + gapPx;
    return group;
  });
  return pictureOf(widthPx, y, title, sides, groups);
}

function groupOf(row: Row, sides: readonly string[], top: number): string {
  const present = sides.flatMap((side, index) => {
    const summary = row.sides[side];
    return summary === undefined ? [] : [{ summary, colour: colourOf(index) }];
  });
  const most = Math.max(...present.map(({ summary }) => summary.high), Number.MIN_VALUE);
  const scale = (value: number): number => labelPx + (Math.max(value, 0) / most) * (widthPx - labelPx - valuePx);
  const bars = present.map(({ summary: { median, low, high }, colour }, place) => {
    const y = top + place * barPx;
    const middle = y + barPx / 2;
    return [
      `<rect x="${labelPx}" y="${y + 1}" width="${fixed(scale(median) - labelPx)}" height="${barPx - 2}" fill="${colour}"/>`,
      `<path d="M${fixed(scale(low))} ${middle}H${fixed(scale(high))}" stroke="black" stroke-width="1.5"/>`,
      text(scale(most) + 8, middle + 4, presented(median, row.figure.unit)),
    ].join('');
  });
  const label = row.figure.name === 'rate' ? row.case : `${row.case}, ${row.figure.name}`;
  return `<g>${text(16, top + barPx - 4, label)}${bars.join('')}</g>`;
}
