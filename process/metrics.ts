/**
 * Metrics whose numbers live elsewhere: read when Prometheus asks, never written on a hot path.
 *
 * Every part of a process keeps plain counters and tells them by `stats()`; a metric here is a name, a text and a
 * function that reads them. Rejected: prom-client's `inc` at every event, which costs a label lookup a command.
 */
import type { RespStatistics } from '../doors/resp/resp-door.ts';
import type { TcpStatistics } from '../doors/tcp/tcp-door.ts';
import type { GrpcServerStatistics } from '../grpc/server.ts';
import type { SecurityFigures } from '../security/figures.ts';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';

/** One number, and the values of the metric's labels in their order. */
export type Sample = readonly [value: number, ...labels: readonly string[]];

export interface ObservedMetric {
  readonly name: string;
  readonly help: string;
  /** `counter` for what only grows while the process lives. */
  readonly kind: 'counter' | 'gauge';
  readonly labels?: readonly string[];
  /** One number, or one for each combination of labels. */
  readonly read: () => number | readonly Sample[];
}

/** A registry with what every process tells of itself: CPU, memory, descriptors, event-loop lag, collections. */
export function processRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

export function observe(registry: Registry, metrics: readonly ObservedMetric[]): void {
  for (const { name, help, kind, labels = [], read } of metrics) {
    const options = { name, help, labelNames: [...labels], registers: [registry] };
    const samples = (): readonly Sample[] => {
      const result = read();
      return typeof result === 'number' ? [[result]] : result;
    };
    const labelled = (values: readonly string[]): Record<string, string> =>
      Object.fromEntries(labels.map((label, index) => [label, values[index] ?? '']));
    if (kind === 'gauge') {
      // eslint-disable-next-line no-new -- a metric registers itself
      new Gauge({
        ...options,
        collect() {
          this.reset();
          for (const [value, ...values] of samples()) this.set(labelled(values), value);
        },
      });
    } else {
      // eslint-disable-next-line no-new -- a metric registers itself
      new Counter({
        ...options,
        collect() {
          this.reset();
          for (const [value, ...values] of samples()) this.inc(labelled(values), value);
        },
      });
    }
  }
}

export function gauge(
  name: string,
  help: string,
  read: ObservedMetric['read'],
  labels: readonly string[] = [],
): ObservedMetric {
  return { kind: 'gauge', name, help, read, labels };
}

export function counter(
  name: string,
  help: string,
  read: ObservedMetric['read'],
  labels: readonly string[] = [],
): ObservedMetric {
  return { kind: 'counter', name, help, read, labels };
}

/** A number for each field, labelled by its name. */
export function samplesOf(record: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(record).map(([label, value]) => [value, label]);
}

/** Of the public gRPC door, the same on shard and router. */
export function grpcMetrics(grpc: () => GrpcServerStatistics): ObservedMetric[] {
  return [
    gauge('kvcache_grpc_connections', 'Connections of clients.', () => grpc().connections),
    gauge('kvcache_grpc_calls', 'Calls that have begun and not ended.', () => grpc().streams),
    gauge('kvcache_grpc_in_flight_bytes', 'Bytes of messages in memory.', () => grpc().bytesInFlight),
    counter('kvcache_grpc_refused_total', 'Connections and calls refused at a bound.', () => grpc().refused),
  ];
}

/** Of the RESP door, the same on shard and router. */
export function respMetrics(resp: () => RespStatistics): ObservedMetric[] {
  const figures = (): RespStatistics['figures'] => resp().figures;
  return [
    gauge('kvcache_resp_connections', 'Connections of Redis clients.', () => resp().connections),
    gauge('kvcache_resp_in_flight_bytes', 'Bytes of requests and replies in memory.', () => resp().bytesInFlight),
    counter('kvcache_resp_connections_total', 'Connections accepted.', () => resp().accepted),
    counter('kvcache_resp_refused_total', 'Connections refused at the bound.', () => resp().refused),
    counter('kvcache_resp_commands_total', 'Commands, also of the connection itself.', () => figures().commands),
    counter('kvcache_resp_errors_total', 'Commands answered with an error.', () => figures().errors),
    counter('kvcache_resp_protocol_errors_total', 'Input that is not the protocol.', () => figures().protocolErrors),
    counter('kvcache_resp_read_bytes_total', 'Bytes read.', () => figures().bytesRead),
    counter('kvcache_resp_written_bytes_total', 'Bytes written.', () => figures().bytesWritten),
    counter(
      'kvcache_resp_ended_total',
      'Connections ended here: too much unread, stalled in a request or reply, idle.',
      () => [
        [figures().endedUnread, 'unread'],
        [figures().endedStalled, 'stalled'],
        [resp().endedIdle, 'idle'],
      ],
      ['reason'],
    ),
  ];
}

/** Of the binary protocol's door, the same on shard and router. */
export function tcpMetrics(tcp: () => TcpStatistics): ObservedMetric[] {
  const figures = (): TcpStatistics['figures'] => tcp().figures;
  return [
    gauge('kvcache_tcp_connections', 'Connections of the binary protocol.', () => tcp().connections),
    gauge('kvcache_tcp_in_flight_bytes', 'Bytes of its requests and responses in memory.', () => tcp().bytesInFlight),
    counter('kvcache_tcp_connections_total', 'Connections accepted.', () => tcp().accepted),
    counter('kvcache_tcp_refused_total', 'Connections refused at the bound.', () => tcp().refused),
    counter('kvcache_tcp_commands_total', 'Requests of the binary protocol.', () => figures().commands),
    counter('kvcache_tcp_errors_total', 'Requests answered with ERROR.', () => figures().errors),
    counter('kvcache_tcp_invalid_total', 'Requests answered with INVALID.', () => figures().invalid),
    counter('kvcache_tcp_read_bytes_total', 'Bytes read.', () => figures().bytesRead),
    counter('kvcache_tcp_written_bytes_total', 'Bytes written.', () => figures().bytesWritten),
    counter(
      'kvcache_tcp_ended_total',
      'Connections ended here: too much unread, stalled in a frame, idle.',
      () => [
        [figures().endedUnread, 'unread'],
        [figures().endedStalled, 'stalled'],
        [tcp().endedIdle, 'idle'],
      ],
      ['reason'],
    ),
  ];
}

/** Of all doors of a process, the internal port included. */
export function securityMetrics(figures: SecurityFigures): ObservedMetric[] {
  return [
    counter(
      'kvcache_auth_failures_total',
      'Calls and connections refused for their credentials or certificates, by door and reason.',
      () => figures.refusals.samples(),
      ['door', 'reason'],
    ),
    gauge(
      'kvcache_certificate_expiry_timestamp_seconds',
      'When the certificate in force ends: that of the public doors, and that of the internal port.',
      () => figures.expirySamples(),
      ['port'],
    ),
  ];
}
