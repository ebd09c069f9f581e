import { expect, test } from 'vitest';
import { curvesOf } from './curves.ts';
import { type Axis, processorTime, rate } from './scenario.ts';
import { rowsOf } from './summary.ts';

function caseOf(axis: Axis): {
  title: string;
  axis: Axis;
  figures: [typeof processorTime, typeof rate];
  comparisons: [];
} {
  return { title: `${axis.series} ${axis.value}`, axis, figures: [processorTime, rate], comparisons: [] };
}

test('what grows tenfold with its axis is a line at one slope, and what does not grow is level', () => {
  const rows = rowsOf(
    [1, 10, 100].flatMap((value) =>
      ['GET', 'SET'].map((series) => ({
        case: caseOf({ name: 'keys', value, series }),
        samples: new Map([['shard', [{ 'processor time': series === 'GET' ? 5 : value, rate: 1 }]]]),
      })),
    ),
  );
  const svg = curvesOf('growth', ['shard'], rows);
  const lines = [...svg.matchAll(/<path d="(M[^"]+L[^"]+)" fill="none"/g)].map(([, path]) =>
    path!.match(/[\d.]+ [\d.]+/g)!.map((point) => point.split(' ').map(Number)),
  );
  expect(lines).toHaveLength(2);
  const [get, set] = lines as [number[][], number[][]];
  expect(new Set(get.map(([, y]) => y)).size).toBe(1);
  const steps = [0, 1].map((index) => set[index]![1]! - set[index + 1]![1]!);
  expect(steps[0]).toBeCloseTo(steps[1]!);
  expect(steps[0]).toBeGreaterThan(0);
  expect(svg).toContain('stroke-dasharray');
});

test('each axis has a panel, and the figures behind the first are left out', () => {
  const rows = rowsOf(
    ['keys', 'shards'].map((name) => ({
      case: caseOf({ name, value: 10, series: name }),
      samples: new Map([['shard', [{ 'processor time': 5, rate: 1_000_000 }]]]),
    })),
  );
  const svg = curvesOf('growth', ['shard'], rows);
  expect(svg.match(/<g transform/g)).toHaveLength(2);
  expect(svg).not.toContain('M/s');
});
