/**
 * A scenario's result as an SVG: for every case and figure a group of bars, one a side, from zero to the median, with a
 * line from the worst to the best round. Each group has its own scale, because cases differ by orders of magnitude and
 * what counts is the bar beside it.
 *
 * Drawn by hand: a plot library brings a canvas or a browser for what is forty rectangles.
 */
import { presented } from './present.ts';
import type { Row } from './summary.ts';

const widthPx = 860;
const labelPx = 250;
const valuePx = 130;
const barPx = 16;
const gapPx = 14;
const headPx = 64;
/** Told apart without red against green. */
const colours = ['#2f6fb0', '#e08a1e', '#4c9f70', '#8a5bb0', '#777777', '#b04a4a'];

export function plotOf(title: string, sides: readonly string[], rows: readonly Row[]): string {
  let y = headPx;
  const groups = rows.map((row) => {
    const group = groupOf(row, sides, y);
    y += Object.keys(row.sides).length * barPx + gapPx;
    return group;
  });
  const legend = sides.map((side, index) => {
    const x = 16 + index * (widthPx / Math.max(sides.length, 4));
    return `<rect x="${x}" y="36" width="12" height="12" fill="${colourOf(index)}"/>${text(x + 18, 46, side)}`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${widthPx}" height="${y}" viewBox="0 0 ${widthPx} ${y}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="16" y="22" font-size="15" font-weight="bold">${escaped(title)}</text>`,
    ...legend,
    ...groups,
    '</svg>',
    '',
  ].join('\n');
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

function colourOf(index: number): string {
  return colours[index % colours.length]!;
}

function text(x: number, y: number, words: string): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}">${escaped(words)}</text>`;
}

function fixed(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
