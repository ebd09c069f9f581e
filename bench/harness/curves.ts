/**
 * How a figure grows, as an SVG: a panel an axis, both of its scales logarithmic, so that what grows with its axis is a
 * line at 45° and what does not is a level one. A line a side and series, through the medians; the first series is drawn
 * through, the second dashed.
 */
import { presented } from './present.ts';
import type { Axis } from './scenario.ts';
import type { Row } from './summary.ts';
import { colourOf, fixed, headPx, pictureOf, text } from './svg.ts';

const panelPx = { width: 430, height: 300 };
const marginPx = { left: 64, right: 24, top: 30, bottom: 44 };
const panelsAcross = 2;
const dashes = ['', ' stroke-dasharray="6 4"', ' stroke-dasharray="2 3"'];

type AxisRow = Row & { readonly axis: Axis };
type Scale = (value: number) => number;

/** Of each case the first figure. */
export function curvesOf(title: string, sides: readonly string[], rows: readonly Row[]): string {
  const withAxis = rows.filter((row): row is AxisRow => row.axis !== undefined);
  const names = [...new Set(withAxis.map(({ axis }) => axis.name))];
  const series = [...new Set(withAxis.map(({ axis }) => axis.series))];
  const firsts = withAxis.filter((row, index) => withAxis.findIndex((other) => other.case === row.case) === index);
  const panels = names.map((name, place) => {
    const left = (place % panelsAcross) * panelPx.width;
    const top = headPx + Math.floor(place / panelsAcross) * panelPx.height;
    const drawn = panelOf(
      name,
      sides,
      series,
      firsts.filter(({ axis }) => axis.name === name),
    );
    return `<g transform="translate(${left} ${top})">${drawn}</g>`;
  });
  const across = Math.min(names.length, panelsAcross);
  const down = Math.ceil(names.length / panelsAcross);
  const keys = series.map((each, index) => {
    const x = panelPx.width * across - 150 + index * 70;
    return `<path d="M${x} 42h24" stroke="black" stroke-width="2"${dashOf(index)}/>${text(x + 30, 46, each)}`;
  });
  const heightPx = headPx + down * panelPx.height;
  return pictureOf(panelPx.width * across, heightPx, title, sides, [...keys, ...panels]);
}

function panelOf(name: string, sides: readonly string[], series: readonly string[], rows: readonly AxisRow[]): string {
  const { unit } = rows[0]!.figure;
  const medians = rows.flatMap((row) => Object.values(row.sides).map(({ median }) => median));
  const x = decades(
    rows.map(({ axis }) => axis.value),
    marginPx.left,
    panelPx.width - marginPx.right,
  );
  const y = decades(medians, panelPx.height - marginPx.bottom, marginPx.top);
  const grid = [
    ...x.ticks.map((tick) => {
      const at = fixed(x.scale(tick));
      const label = text(x.scale(tick), panelPx.height - marginPx.bottom + 16, countOf(tick), 'middle');
      return `<path d="M${at} ${marginPx.top}V${panelPx.height - marginPx.bottom}" stroke="#dddddd"/>${label}`;
    }),
    ...y.ticks.map((tick) => {
      const at = y.scale(tick);
      const label = text(marginPx.left - 6, at + 4, presented(tick, unit), 'end');
      return `<path d="M${marginPx.left} ${fixed(at)}H${panelPx.width - marginPx.right}" stroke="#dddddd"/>${label}`;
    }),
  ];
  const lines = sides.flatMap((side, sideIndex) =>
    series.map((each, index) => {
      const points = rows
        .filter((row) => row.axis.series === each && row.sides[side] !== undefined)
        .map((row) => [x.scale(row.axis.value), y.scale(row.sides[side]!.median)] as const);
      return lineOf(points, colourOf(sideIndex), dashOf(index));
    }),
  );
  const label = text((marginPx.left + panelPx.width - marginPx.right) / 2, panelPx.height - 8, name, 'middle');
  return [...grid, ...lines, label].join('');
}

function lineOf(points: readonly (readonly [x: number, y: number])[], colour: string, dash: string): string {
  if (points.length === 0) return '';
  const path = points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${fixed(x)} ${fixed(y)}`).join('');
  const dots = points.map(([x, y]) => `<circle cx="${fixed(x)}" cy="${fixed(y)}" r="3" fill="${colour}"/>`);
  return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>${dots.join('')}`;
}

function dashOf(index: number): string {
  return dashes[index % dashes.length]!;
}

/** A scale from the power of ten below all values to that above them, and the powers between. */
function decades(values: readonly number[], from: number, to: number): { scale: Scale; ticks: readonly number[] } {
  const least = Math.floor(Math.log10(Math.min(...values)));
  const most = Math.max(Math.ceil(Math.log10(Math.max(...values))), least + 1);
  const scale = (value: number): number => from + ((Math.log10(value) - least) / (most - least)) * (to - from);
  return { scale, ticks: Array.from({ length: most - least + 1 }, (_, index) => 10 ** (least + index)) };
}

function countOf(value: number): string {
  return value.toLocaleString('en');
}
