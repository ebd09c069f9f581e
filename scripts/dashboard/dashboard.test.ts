/** The dashboard asks for nothing that processes do not export: checked against a cluster that runs. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { pino } from 'pino';
import { DevProcess } from '../../cli/testing/command.ts';
import { fixedCredentials } from '../../operator/kube/credentials.ts';
import { FaultServer } from '../../operator/kube/testing/fault-server.ts';
import { startOperator } from '../../operator/main.ts';
import { LiveSettings } from '../../settings/live.ts';
import { loadSettings } from '../../settings/load.ts';
import { dashboard, dashboardFile, dashboardPath } from './dashboard.ts';
import { rows } from './rows.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const root = resolve(import.meta.dirname, '../..');
const panels = rows.flatMap((row) => row.panels);
/** Functions, keywords and labels of PromQL that the expressions use; every other word is a metric. */
const promQl = new Set(
  'sum by le rate histogram_quantile count max min vector time or namespace pod found shard quantile state operation reason door port method outcome'.split(
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
      for (const metric of metricsIn(expression).filter((each) => !each.startsWith('kvcache_operator_'))) {
        expect(expression).toContain(`${metric}{namespace="$namespace",pod=~`);
      }
    }
  }
});

let dev: DevProcess;
beforeAll(async () => {
  dev = await DevProcess.start({ args: ['--shards', '1'] });
});
afterAll(async () => dev?.dispose());

/** The metrics of an operator of a cluster without any object. */
async function operatorMetrics(): Promise<string> {
  const server = await FaultServer.start((request) => {
    if (request.isWatch) request.open();
    else if (request.path.includes('/leases/')) request.refuse(404, 'NotFound');
    else if (request.method === 'GET') request.list([], '1');
    else request.answer(201, request.body);
  });
  const flags = { 'http-port': '0', 'http-host': '127.0.0.1', 'operator-image': 'kvcache:test' };
  const live = new LiveSettings(loadSettings({ role: 'operator', flags, environment: {} }), 'operator');
  const operator = await startOperator(live, pino({ level: 'silent' }), {
    version: 'test',
    credentials: fixedCredentials(`http://127.0.0.1:${server.port}`, {}, 'kvcache-system'),
  });
  const metrics = async (): Promise<string> => (await fetch(`http://${operator.addresses['http']}/metrics`)).text();
  await expect.poll(metrics).toContain('method="GET"');
  const text = await metrics();
  await operator.stop();
  await server.close();
  return text;
}

test('every metric is exported by a shard, a router or the operator, with the labels that are asked for', async () => {
  const addresses = (await dev.processes()).flatMap(({ addresses: { http } }) => http ?? []);
  expect(addresses.length).toBe(2);
  const texts = await Promise.all(addresses.map(async (http) => (await fetch(`http://${http}/metrics`)).text()));
  texts.push(await operatorMetrics());
  const lines = texts.join('\n').split('\n');
  const samples = lines.filter((line) => !line.startsWith('#'));
  const exported = new Set(lines.map((line) => /^(?:# TYPE )?([a-zA-Z_]\w*)/.exec(line)?.[1]));
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
  // `pod` is the scraper's; nobody is refused here, and there is no certificate.
  for (const label of ['pod', 'door', 'port']) labels.add(label);
  expect(legends.map(([, label]) => label!).filter((label) => !labels.has(label))).toEqual([]);
});
