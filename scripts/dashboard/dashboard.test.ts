/** The dashboard asks for nothing that processes do not export: checked against a cluster that runs. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { DevProcess } from '../../cli/testing/command.ts';
import { dashboard, dashboardFile, dashboardPath } from './dashboard.ts';
import { rows } from './panels.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const root = resolve(import.meta.dirname, '../..');
const panels = rows.flatMap((row) => row.panels);
/** Functions, keywords and labels of PromQL that the expressions use; every other word is a metric. */
const promQl = new Set(
  'sum by le rate histogram_quantile count max min vector time or namespace pod found shard quantile state operation reason'.split(
    ' ',
  ),
);

function metricsIn(expression: string): string[] {
  const bare = expression.replaceAll(/"[^"]*"|\[[^\]]*\]|\$\w+/g, '');
  return [...bare.matchAll(/[a-zA-Z_]\w*/g)].map(([word]) => word).filter((word) => !promQl.has(word));
}

/** Brackets without their partners, in the order in which they stand. */
function bracketsLeftOpen(expression: string): string {
  let left = expression.replaceAll(/"[^"]*"|[^"()[\]{}]/g, '');
  for (let before = ''; before !== left;) {
    before = left;
    left = left.replaceAll(/\(\)|\[\]|\{\}/g, '');
  }
  return left;
}

test('the file is what the panels say', () => {
  const committed = readFileSync(join(root, dashboardPath), 'utf8');
  expect(committed).toBe(dashboardFile());
});

test('panels have ids of their own, lie on the grid and do not overlap', () => {
  interface Laid {
    readonly id: number;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  }
  const { panels: laid } = dashboard() as { panels: Laid[] };
  expect(new Set(laid.map(({ id }) => id)).size).toBe(laid.length);
  const cells = laid.flatMap(({ gridPos: { x, y, w, h } }) => {
    expect(x + w).toBeLessThanOrEqual(24);
    return Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`);
  });
  expect(new Set(cells).size).toBe(cells.length);
});

test('every panel says what it shows', () => {
  for (const { title, description, queries } of panels) {
    expect([title, description]).toEqual([title, expect.stringMatching(/^[A-Z0-9].*\.$/) as string]);
    for (const { expression } of queries) {
      expect([expression, bracketsLeftOpen(expression)]).toEqual([expression, '']);
      // A forgotten selector would load, and show every cache at once.
      for (const metric of metricsIn(expression))
        expect(expression).toContain(`${metric}{namespace="$namespace",pod=~`);
    }
  }
});

let dev: DevProcess;
beforeAll(async () => {
  dev = await DevProcess.start({ args: ['--shards', '1'] });
});
afterAll(async () => dev?.dispose());

test('every metric is exported by a shard or a router, with the labels that are asked for', async () => {
  const addresses = (await dev.processes()).flatMap(({ addresses: { http } }) => http ?? []);
  expect(addresses.length).toBe(2);
  const texts = await Promise.all(addresses.map(async (http) => (await fetch(`http://${http}/metrics`)).text()));
  const samples = texts.join('\n').split('\n');
  const exported = new Set(samples.map((line) => /^[a-zA-Z_]\w*/.exec(line)?.[0]));
  const asked = new Set(panels.flatMap(({ queries }) => queries.flatMap(({ expression }) => metricsIn(expression))));
  expect(asked.size).toBeGreaterThan(60);
  expect([...asked].filter((metric) => !exported.has(metric))).toEqual([]);

  const alerts = [...readFileSync(join(root, 'docs/kubernetes.md'), 'utf8').matchAll(/^ +expr: (.*)$/gm)];
  expect(alerts.length).toBeGreaterThan(3);
  const watched = alerts.flatMap(([, expression]) =>
    [...expression!.matchAll(/kvcache_\w+/g)].map(([metric]) => metric),
  );
  expect(watched.filter((metric) => !exported.has(metric))).toEqual([]);

  const labels = new Set(samples.flatMap((line) => [...line.matchAll(/([a-z]\w*)="/g)].map(([, label]) => label)));
  const legends = panels.flatMap(({ queries }) =>
    queries.flatMap(({ legend }) => [...legend.matchAll(/\{\{(\w+)\}\}/g)]),
  );
  // `pod` is the scraper's.
  expect(legends.map(([, label]) => label!).filter((label) => label !== 'pod' && !labels.has(label))).toEqual([]);
});
