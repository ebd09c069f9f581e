/** The metrics of a router: commands as it routes them, and its links to the shards. */
import type { Registry } from 'prom-client';
import type { GrpcServerStatistics } from '../grpc/server.ts';
import { counter, gauge, grpcMetrics, type ObservedMetric, observe, type Sample } from '../process/metrics.ts';
import type { LinkState, LinkStatistics } from '../link/shard-link.ts';
import type { Router } from './router.ts';

export interface RouterMetricsParts {
  readonly router: Router;
  /** Of the public gRPC door. */
  readonly grpc: () => GrpcServerStatistics;
}

const quantiles = [0.5, 0.9, 0.99, 0.999] as const;
const linkStates: readonly LinkState[] = ['connecting', 'ready', 'away'];

export function addRouterMetrics(registry: Registry, { router, grpc }: RouterMetricsParts): void {
  const stats = (): ReturnType<typeof router.stats> => router.stats();
  observe(registry, [
    gauge('kvcache_topology_epoch', 'The topology epoch that the router runs by.', () => stats().epoch),
    counter('kvcache_router_commands_total', 'Commands routed.', () => stats().commands),
    counter('kvcache_router_fan_outs_total', 'Commands over several shards.', () => stats().fanOuts),
    counter('kvcache_router_rerouted_total', 'Commands routed again after MOVED.', () => stats().rerouted),
    counter(
      'kvcache_router_reads_missed_total',
      'Reads answered as misses for a shard that is away.',
      () => stats().readsMissedAway,
    ),
    counter(
      'kvcache_router_writes_dropped_total',
      'Writes answered as done and not stored, by choice.',
      () => stats().writesDropped,
    ),
    ...linkMetrics(() => stats().links),
    ...grpcMetrics(grpc),
  ]);
}

function linkMetrics(links: () => readonly LinkStatistics[]): ObservedMetric[] {
  const each = (of: (link: LinkStatistics) => number) => (): Sample[] => links().map((link) => [of(link), link.shard]);
  const labels = ['shard'];
  return [
    gauge(
      'kvcache_link_state',
      '1 for the state that the link is in.',
      () =>
        links().flatMap(({ shard, state }) => linkStates.map((name): Sample => [name === state ? 1 : 0, shard, name])),
      ['shard', 'state'],
    ),
    gauge(
      'kvcache_link_in_flight',
      'Commands without a reply yet.',
      each(({ inFlight }) => inFlight),
      labels,
    ),
    gauge(
      'kvcache_link_in_flight_bytes',
      'Bytes of those.',
      each(({ inFlightBytes }) => inFlightBytes),
      labels,
    ),
    gauge(
      'kvcache_link_queued',
      'Commands not yet sent.',
      each(({ queued }) => queued),
      labels,
    ),
    counter(
      'kvcache_link_commands_total',
      'Commands sent.',
      each(({ commands }) => commands),
      labels,
    ),
    counter(
      'kvcache_link_errors_total',
      'Commands answered with an error.',
      each(({ errors }) => errors),
      labels,
    ),
    counter(
      'kvcache_link_refused_total',
      'Commands refused at a bound.',
      each(({ refused }) => refused),
      labels,
    ),
    counter(
      'kvcache_link_timeouts_total',
      'Commands ended by their deadline.',
      each(({ timeouts }) => timeouts),
      labels,
    ),
    counter(
      'kvcache_link_connects_total',
      'Connections made.',
      each(({ connects }) => connects),
      labels,
    ),
    gauge(
      'kvcache_link_latency_seconds',
      'Time from command to reply since the start, as an upper bound by share.',
      () =>
        links().flatMap(({ shard, latency }) =>
          quantiles.map((share): Sample => [latency.quantileMs(share) / 1_000, shard, `${share}`]),
        ),
      ['shard', 'quantile'],
    ),
  ];
}
