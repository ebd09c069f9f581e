/**
 * The Grafana dashboard as JSON: rows.ts laid out on Grafana's grid of 24 columns.
 *
 * Written for Grafana 10 and later (schema 39). `npm run generate` writes it into the chart, from where the operator's
 * image has it too. Rejected: a dashboard exported from Grafana's editor, whose 5,000 lines nobody reviews.
 */
import type { Panel, Row } from './panel.ts';
import { rows } from './rows.ts';

export const dashboardPath = 'charts/kvcache/dashboards/kvcache.json';

const gridColumns = 24;
const statHeight = 4;
const chartHeight = 8;
const datasource = { type: 'prometheus', uid: '${datasource}' } as const;

interface Place {
  readonly h: number;
  readonly w: number;
  readonly x: number;
  readonly y: number;
}

function thresholdsOf({ thresholds = {} }: Panel): object {
  const { orange, red, isLowBad = false } = thresholds;
  const step = (color: string, value: number | null | undefined): object[] =>
    value === undefined ? [] : [{ color, value }];
  const steps = isLowBad
    ? [...step('red', null), ...step('green', red)]
    : [...step('green', null), ...step('orange', orange), ...step('red', red)];
  return { mode: 'absolute', steps };
}

function panelOf(panel: Panel, id: number, gridPos: Place): object {
  const { kind, title, description, unit, queries, stacked = false } = panel;
  const isStat = kind === 'stat';
  return {
    id,
    type: kind,
    title,
    description,
    datasource,
    gridPos,
    targets: queries.map(({ expression, legend }, index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      datasource,
      expr: expression,
      legendFormat: legend,
      instant: isStat,
      range: !isStat,
    })),
    fieldConfig: {
      defaults: {
        unit,
        ...(!isStat && { min: 0, custom: { fillOpacity: 10, stacking: { mode: stacked ? 'normal' : 'none' } } }),
        ...(isStat && { thresholds: thresholdsOf(panel), color: { mode: 'thresholds' } }),
      },
      overrides: [],
    },
    options: isStat
      ? { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value', graphMode: 'none' }
      : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
  };
}

/** Panels of a row side by side: stats share one line, charts stand in twos. */
function placesOf({ panels }: Row, top: number): Place[] {
  const stats = panels.filter(({ kind }) => kind === 'stat').length;
  return panels.map(({ kind }, index) => {
    const w = kind === 'stat' ? Math.floor(gridColumns / stats) : gridColumns / 2;
    const h = kind === 'stat' ? statHeight : chartHeight;
    const perLine = Math.floor(gridColumns / w);
    return { h, w, x: (index % perLine) * w, y: top + Math.floor(index / perLine) * h };
  });
}

function layOut(): object[] {
  const panels: object[] = [];
  let y = 0;
  for (const row of rows) {
    const place = { h: 1, w: gridColumns, x: 0, y };
    panels.push({ id: panels.length + 1, type: 'row', title: row.title, collapsed: false, gridPos: place, panels: [] });
    const places = placesOf(row, y + 1);
    for (const [index, panel] of row.panels.entries()) {
      panels.push(panelOf(panel, panels.length + 1, places[index]!));
    }
    y = Math.max(...places.map((last) => last.y + last.h));
  }
  return panels;
}

function variable(name: string, label: string, query: string, regex = ''): object {
  return {
    name,
    label,
    type: 'query',
    datasource,
    query: { query, refId: name },
    regex,
    refresh: 2,
    sort: 1,
    current: {},
    options: [],
  };
}

export function dashboard(): object {
  return {
    uid: 'kvcache',
    title: 'kvcache',
    description: 'Shards, routers and tiers of one KVCache.',
    tags: ['kvcache'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timezone: '',
    annotations: { list: [] },
    links: [],
    templating: {
      list: [
        { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus', current: {}, options: [] },
        variable('namespace', 'Namespace', 'label_values(kvcache_topology_epoch, namespace)'),
        variable(
          'cache',
          'KVCache',
          'label_values(kvcache_slots{namespace="$namespace"}, pod)',
          String.raw`/^(.*)-shard-\d+$/`,
        ),
      ],
    },
    panels: layOut(),
  };
}

/** The file's text. */
export function dashboardFile(): string {
  return `${JSON.stringify(dashboard(), undefined, 2)}\n`;
}
