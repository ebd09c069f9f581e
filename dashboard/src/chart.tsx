/** A chart of the last minutes, by uPlot. Its colours are the page's, also after those have changed. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

export interface Line {
  readonly label: string;
  /** The name of a colour of the style sheet: `accent` is `--accent`. */
  readonly colour: string;
  readonly values: readonly (number | null)[];
  readonly isFilled?: boolean;
}

const height = 150;
const minute = 60;
const powersOfTwo = Array.from({ length: 50 }, (_, exponent) => 2 ** exponent);

export function Chart({
  times,
  lines,
  format,
  theme,
  isBytes = false,
}: {
  /** Seconds since 1970. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
  readonly theme: string;
  /** Steps of the axis are powers of two. */
  readonly isBytes?: boolean;
}): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const labels = lines.map(({ label }) => label).join();
  useEffect(() => {
    const element = host.current!;
    const made = new uPlot(optionsOf(element, lines, format, isBytes), dataOf(times, lines), element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
    // Values come by setData below; a chart is made anew for other lines and other colours.
  }, [labels, theme]);
  useEffect(() => {
    const made = plot.current;
    made?.setData(dataOf(times, lines));
    // Where nobody points, the legend tells the newest values.
    if (made && (made.cursor.left ?? -1) < 0 && times.length > 0) made.setLegend({ idx: made.data[0].length - 1 });
  }, [times.at(-1), times.length]);
  return <div class="chart" ref={host} role="img" aria-label={`Chart of ${labels}`} />;
}

function dataOf(times: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
  if (times.length !== 1) return [[...times], ...lines.map(({ values }) => [...values])];
  // Around a single point uPlot would show a day.
  return [[times[0]! - 1, times[0]!], ...lines.map(({ values }) => [null, ...values])];
}

function optionsOf(
  element: HTMLElement,
  lines: readonly Line[],
  format: (value: number) => string,
  isBytes: boolean,
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const font = `11px ${style.fontFamily}`;
  const axis = { stroke: colour('muted'), font, ticks: { show: false }, grid: { stroke: colour('line'), width: 1 } };
  return {
    width: element.clientWidth,
    height,
    cursor: { drag: { x: false, y: false } },
    legend: { live: true },
    scales: {
      // A minute at least, the newest at the right, so that the first looks do not fill the chart.
      x: { range: (_, least, most) => (most > 0 ? [Math.min(least, most - minute), most] : [0, minute]) },
      y: { range: (_, least, most) => [Math.min(0, least), most > 0 ? most * 1.15 : 1] },
    },
    axes: [
      { ...axis, grid: { show: false }, space: 70, values: (_, times) => times.map(clock) },
      { ...axis, size: 64, values: (_, values) => values.map(format), ...(isBytes && { incrs: powersOfTwo }) },
    ],
    series: [
      { label: 'time', value: (_, time) => (time === null ? '–' : clock(time)) },
      ...lines.map((line) => ({
        label: line.label,
        stroke: colour(line.colour),
        width: 2,
        points: { show: false },
        value: (_: uPlot, value: number | null) => (value === null ? '–' : format(value)),
        ...(line.isFilled && { fill: `color-mix(in srgb, ${colour(line.colour)} 18%, transparent)` }),
      })),
    ],
  };
}

function clock(time: number): string {
  return new Date(time * 1_000).toLocaleTimeString([], {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  });
}
