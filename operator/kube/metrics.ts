/** What Prometheus is told about the operator's dealings with Kubernetes, and the door where it is told. */
import { Histogram, type Registry } from 'prom-client';
import { HttpDoor } from '../../doors/http/http-door.ts';
import type { DoorLog } from '../../doors/door.ts';
import { counter, gauge, observe, type ObservedMetric, type Sample } from '../../process/metrics.ts';
import type { KubeClient } from './client.ts';
import type { EventRecorder } from './event-recorder.ts';
import type { InformerStatistics } from './informer.ts';
import type { LeaderElection } from './lease.ts';
import type { WorkQueue, WorkQueueStatistics } from './work-queue.ts';

export interface KubeParts {
  readonly client: KubeClient;
  readonly election?: LeaderElection | undefined;
  readonly events?: EventRecorder | undefined;
  readonly queues: readonly WorkQueue[];
  readonly informers: readonly {
    readonly resource: { readonly plural: string };
    readonly hasSynced: boolean;
    readonly statistics: InformerStatistics;
  }[];
}

export function observeKube(registry: Registry, parts: KubeParts): void {
  observe(registry, [
    ...clientMetrics(parts.client),
    ...queueMetrics(parts.queues),
    ...informerMetrics(parts),
    ...(parts.election ? electionMetrics(parts.election) : []),
    ...(parts.events ? eventMetrics(parts.events) : []),
  ]);
}

/** For `WorkQueueOptions.onWorked`, by queue. */
export function workDurations(
  registry: Registry,
): (queue: string) => (seconds: number, outcome: 'done' | 'failed') => void {
  const histogram = new Histogram({
    name: 'kvcache_operator_reconcile_seconds',
    help: 'How long the work on one key took.',
    labelNames: ['queue', 'outcome'],
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers: [registry],
  });
  return (queue) => (seconds, outcome) => histogram.observe({ queue, outcome }, seconds);
}

export interface OperatorDoorOptions {
  readonly host: string;
  readonly port: number;
  readonly registry: Registry;
  /** /healthz: false, and the kubelet restarts the process. */
  readonly isHealthy: () => boolean;
  /** /readyz: why not; empty when ready. */
  readonly unreadyReasons: () => readonly string[];
  readonly log: DoorLog;
}

/** /metrics, /healthz and /readyz. */
export function operatorDoor(options: OperatorDoorOptions): HttpDoor {
  return new HttpDoor({ ...options, healthPath: '/healthz', readyPath: '/readyz' });
}

function clientMetrics(client: KubeClient): ObservedMetric[] {
  const requests = (): Sample[] =>
    [...client.requestStatistics.attempts].map(([name, count]) => {
      const [method = '', outcome = ''] = name.split(' ', 2);
      return [count, method, outcome];
    });
  return [
    counter('kvcache_operator_api_requests_total', 'Attempts at the API server, by outcome.', requests, [
      'method',
      'outcome',
    ]),
    counter('kvcache_operator_api_retries_total', 'Second and later attempts.', () => client.requestStatistics.retries),
    counter(
      'kvcache_operator_api_fenced_writes_total',
      'Writes not sent, because the lease was not held.',
      () => client.requestStatistics.fenced,
    ),
    gauge(
      'kvcache_operator_api_connections',
      'Connections to the API server.',
      () => client.connectionStatistics.sockets,
    ),
    counter(
      'kvcache_operator_api_connections_made_total',
      'Connections made to the API server.',
      () => client.connectionStatistics.connected,
    ),
  ];
}

function queueMetrics(queues: readonly WorkQueue[]): ObservedMetric[] {
  const each = (read: (statistics: WorkQueueStatistics) => number) => (): Sample[] =>
    queues.map(({ name, statistics }) => [read(statistics), name]);
  const labels = ['queue'];
  return [
    gauge(
      'kvcache_operator_queue_depth',
      'Keys that wait for a worker.',
      each(({ waiting }) => waiting),
      labels,
    ),
    gauge(
      'kvcache_operator_queue_later',
      'Keys whose turn comes later.',
      each(({ later }) => later),
      labels,
    ),
    gauge(
      'kvcache_operator_queue_running',
      'Keys that are worked on.',
      each(({ running }) => running),
      labels,
    ),
    gauge(
      'kvcache_operator_queue_longest_running_seconds',
      'How long the oldest work under way has taken.',
      each(({ longestRunningMs }) => longestRunningMs / 1_000),
      labels,
    ),
    counter(
      'kvcache_operator_queue_adds_total',
      'Keys added.',
      each(({ adds }) => adds),
      labels,
    ),
    counter(
      'kvcache_operator_queue_retries_total',
      'Keys added again by a failure.',
      each(({ retries }) => retries),
      labels,
    ),
    counter(
      'kvcache_operator_queue_refused_total',
      'Keys not taken at the bound.',
      each(({ refused }) => refused),
      labels,
    ),
  ];
}

function informerMetrics({ informers }: KubeParts): ObservedMetric[] {
  const each = (read: (statistics: InformerStatistics) => number) => (): Sample[] =>
    informers.map(({ resource, statistics }) => [read(statistics), resource.plural]);
  const labels = ['resource'];
  return [
    gauge(
      'kvcache_operator_cache_objects',
      'Objects in memory.',
      each(({ objects }) => objects),
      labels,
    ),
    gauge(
      'kvcache_operator_cache_synced',
      '1 when the collection has been listed.',
      () => informers.map(({ resource, hasSynced }) => [Number(hasSynced), resource.plural]),
      labels,
    ),
    counter(
      'kvcache_operator_watch_events_total',
      'Changes heard of.',
      each(({ events }) => events),
      labels,
    ),
    counter(
      'kvcache_operator_watch_lists_total',
      'Whole listings.',
      each(({ lists }) => lists),
      labels,
    ),
    counter(
      'kvcache_operator_watch_failures_total',
      'Listings and watches that failed.',
      each(({ failures }) => failures),
      labels,
    ),
  ];
}

function electionMetrics(election: LeaderElection): ObservedMetric[] {
  return [
    gauge('kvcache_operator_leader', '1 on the replica that leads.', () => Number(election.isLeader)),
    counter('kvcache_operator_lease_renewals_total', 'Renewals of the lease.', () => election.statistics.renewals),
    counter(
      'kvcache_operator_lease_failures_total',
      'Attempts at the lease that failed.',
      () => election.statistics.failures,
    ),
  ];
}

function eventMetrics(events: EventRecorder): ObservedMetric[] {
  const samples = (): Sample[] => {
    const { written, dropped, failed } = events.statistics;
    return [
      [written, 'written'],
      [dropped, 'dropped'],
      [failed, 'failed'],
    ];
  };
  return [counter('kvcache_operator_events_total', 'Events for people, by what became of them.', samples, ['outcome'])];
}
