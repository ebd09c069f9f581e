/**
 * The cluster as the process sees it, for the dashboard and for whoever likes JSON better than Prometheus' text: who
 * owns which slots, what is on the move, and what every shard counts.
 *
 * Counters grow from the start of their process. Who asks twice has rates, hit rates and, by the differences of the
 * latency buckets, percentiles of the time between.
 */
import { z } from 'zod';
import { type Reply, ReplyError } from '../../../commands/reply.ts';
import { metricsGatherTimeoutMs, slotCount } from '../../../limits.ts';
import { latencyBounds } from '../../latency-histogram.ts';
import type { KindFigures } from '../../measured-executor.ts';
import { failure, json } from '../answer.ts';
import { type Route, route } from '../route.ts';
import type { ClusterView } from './cluster-view.ts';
import type { Run } from './rest-parts.ts';

export interface ClusterRouteParts {
  readonly run: Run;
  readonly view: ClusterView;
  readonly version: string;
  /** Calls of this process's doors, by kind. */
  readonly figures: () => Record<string, KindFigures>;
}

const runSchema = z.object({
  from: z.int(),
  to: z.int().meta({ description: 'Included.' }),
  shard: z.string(),
  source: z.string().optional().meta({ description: 'The shard that still hands it over.' }),
});

const clusterSchema = z.object({
  role: z.enum(['router', 'shard']),
  name: z.string(),
  version: z.string(),
  epoch: z.int(),
  slot_count: z.int(),
  moving: z.int().meta({ description: 'Slots on the move.' }),
  shards: z.array(
    z.object({
      name: z.string(),
      address: z.string(),
      slots: z.int(),
      link: z.string().optional().meta({ description: 'Of a router: how it reaches the shard.' }),
    }),
  ),
  slots: z.array(runSchema),
});

const statsSchema = z.object({
  time_ms: z.number(),
  process: z.object({
    role: z.enum(['router', 'shard']),
    name: z.string(),
    uptime_ms: z.number(),
    resident_bytes: z.number(),
  }),
  latency_bounds: z.array(z.number()).meta({ description: 'Seconds: upper bounds of the buckets but the last.' }),
  commands: z.record(z.string(), z.object({ count: z.number(), errors: z.number(), latency: z.array(z.number()) })),
  shards: z
    .array(z.record(z.string(), z.unknown()))
    .meta({ description: 'As `kvcache status --json` shows them; with `error` for one that does not answer.' }),
});

export function clusterRoutes(parts: ClusterRouteParts): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/v1/cluster',
      operation: 'getCluster',
      tag: 'cluster',
      summary: 'Shards and slots',
      answers: { 200: { description: 'By the newest topology that this process has.', schema: clusterSchema } },
      handle: () => json(200, clusterOf(parts)),
    }),
    route({
      method: 'GET',
      path: '/api/v1/stats',
      operation: 'getStatistics',
      tag: 'cluster',
      summary: 'What this process and the shards count',
      answers: { 200: { description: 'Since the start of each.', schema: statsSchema } },
      handle: async ({ context }) => {
        // One shard that hangs must not keep the figures of the others.
        const soon = { ...context, deadlineMs: Date.now() + metricsGatherTimeoutMs };
        const reply = await parts.run('SHARDINFO', [], soon);
        if (reply instanceof ReplyError) return failure('read statistics', reply);
        return json(200, statsOf(parts, Array.isArray(reply) ? reply : [reply]));
      },
    }),
  ];
}

function clusterOf({ view, version }: ClusterRouteParts): z.infer<typeof clusterSchema> {
  const { topology } = view.slots();
  const owned = new Map<string, number>();
  const links = new Map(view.links?.().map(({ shard, state }) => [shard, state]));
  let moving = 0;
  const slots = topology.slots.map(({ from, to, shards, source }) => {
    const shard = shards[0]!;
    owned.set(shard, (owned.get(shard) ?? 0) + to - from + 1);
    if (source === undefined) return { from, to, shard };
    moving += to - from + 1;
    return { from, to, shard, source };
  });
  const shards = topology.shards.map(({ name, address }) => {
    const link = links.get(name);
    const known = { name, address, slots: owned.get(name) ?? 0 };
    return link === undefined ? known : Object.assign(known, { link });
  });
  const { role, name } = view;
  return { role, name, version, epoch: topology.epoch, slot_count: slotCount, moving, shards, slots };
}

function statsOf({ view, figures }: ClusterRouteParts, replies: readonly Reply[]): z.infer<typeof statsSchema> {
  const names = view.role === 'shard' ? [view.name] : view.slots().topology.shards.map(({ name }) => name);
  return {
    time_ms: Date.now(),
    process: {
      role: view.role,
      name: view.name,
      uptime_ms: Math.round(process.uptime() * 1_000),
      resident_bytes: process.memoryUsage.rss(),
    },
    latency_bounds: [...latencyBounds],
    commands: Object.fromEntries(
      Object.entries(figures()).map(([kind, { count, errors, latency }]) => [
        kind,
        { count, errors, latency: [...latency] },
      ]),
    ),
    shards: replies.map((reply, place) =>
      Buffer.isBuffer(reply)
        ? (JSON.parse(reply.toString('utf8')) as Record<string, unknown>)
        : { name: names[place], error: reply instanceof ReplyError ? reply.message : 'no answer' },
    ),
  };
}
