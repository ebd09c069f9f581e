/**
 * What a panel of the dashboard is, and the expressions that panels have in common.
 *
 * Every expression names the series of one cache: pods of a cache are called CACHE-shard-N and CACHE-router-…, so the
 * dashboard needs no more of Prometheus than the labels `namespace` and `pod`, which every way of discovering pods adds.
 */

export type Unit = 'short' | 'percentunit' | 'bytes' | 'Bps' | 'ops' | 's' | 'none';

export interface Query {
  readonly expression: string;
  /** Grafana's `{{label}}` form. */
  readonly legend: string;
}

export interface Panel {
  readonly kind: 'stat' | 'timeseries';
  readonly title: string;
  readonly description: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** A stat turns from green at these: below the first it is green. */
  readonly thresholds?: { readonly orange?: number; readonly red?: number; readonly isLowBad?: boolean };
  readonly stacked?: boolean;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export const shards = 'namespace="$namespace",pod=~"${cache}-shard-.+"';
export const routers = 'namespace="$namespace",pod=~"${cache}-router-.+"';
export const both = 'namespace="$namespace",pod=~"${cache}-(shard|router)-.+"';

export function rate(metric: string, selector: string, by = ''): string {
  const inner = `rate(${metric}{${selector}}[$__rate_interval])`;
  return by === '' ? `sum(${inner})` : `sum by (${by}) (${inner})`;
}

export const quantile = (share: number, kind: string, selector = routers): string =>
  `histogram_quantile(${share}, sum by (le) (rate(kv_${kind}_latency_seconds_bucket{${selector}}[$__rate_interval])))`;

export function stat(
  title: string,
  description: string,
  unit: Unit,
  expression: string,
  more: Partial<Panel> = {},
): Panel {
  return { kind: 'stat', title, description, unit, queries: [{ expression, legend: '' }], ...more };
}

export function chart(
  title: string,
  description: string,
  unit: Unit,
  queries: readonly (readonly [legend: string, expression: string])[],
  more: Partial<Panel> = {},
): Panel {
  return {
    kind: 'timeseries',
    title,
    description,
    unit,
    queries: queries.map(([legend, expression]) => ({ legend, expression })),
    ...more,
  };
}
