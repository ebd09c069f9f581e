/**
 * The panels of the Grafana dashboard, row by row, in the order in which a person looks: is it well, what do clients see,
 * then the tiers from RAM down to Blob, then the processes.
 */
import { both, chart, quantile, rate, type Row, routers, shards, stat } from './panel.ts';

/** Kinds of commands as the doors count them, and what people call them. */
const commands: readonly (readonly [kind: string, name: string])[] = [
  ['block_lookup', 'lookup'],
  ['block_read', 'read block'],
  ['block_write', 'write block'],
  ['get', 'get'],
  ['mget', 'get many'],
  ['set', 'set'],
  ['mset', 'set many'],
  ['delete', 'delete'],
  ['mdelete', 'delete many'],
  ['scan', 'scan'],
  ['other', 'other'],
];

const overview: Row = {
  title: 'Is it well',
  panels: [
    stat('Shards that answer', 'Shards whose metrics are there.', 'none', `count(kvcache_slots{${shards}})`),
    stat('Slots served', 'Slots whose owner answers. All is 16384.', 'none', `sum(kvcache_slots{${shards}})`, {
      thresholds: { red: 16_384, isLowBad: true },
    }),
    stat(
      'Epochs apart',
      'How far the topologies are apart that processes run by. Above 0 only for moments.',
      'none',
      `max(kvcache_topology_epoch{${both}}) - min(kvcache_topology_epoch{${both}})`,
      { thresholds: { orange: 1, red: 3 } },
    ),
    stat(
      'Hit rate',
      'Reads on shards that found their key, over the last five minutes.',
      'percentunit',
      `sum(rate(kvcache_reads_total{${shards},found!="miss"}[5m])) / sum(rate(kvcache_reads_total{${shards}}[5m]))`,
    ),
    stat(
      'Memory',
      'The fullest shard: resident memory against memory.limit.',
      'percentunit',
      `max(kvcache_memory_resident_bytes{${shards}} / kvcache_memory_limit_bytes{${shards}})`,
      { thresholds: { orange: 0.98, red: 1.1 } },
    ),
    stat(
      'Disk',
      'The fullest shard: bytes on disk against disk.size.',
      'percentunit',
      `max(kvcache_disk_bytes{${shards}} / kvcache_disk_limit_bytes{${shards}})`,
      { thresholds: { orange: 0.85, red: 0.95 } },
    ),
    stat(
      'Blob lag',
      'The age of the oldest bytes that are not in Blob yet, on the slowest shard.',
      's',
      `max(kvcache_blob_lag_seconds{${shards}})`,
      { thresholds: { orange: 10, red: 60 } },
    ),
    stat(
      'Shards that take no writes',
      'A full disk, a full backlog to Blob, or a fault of the log: the shard’s log says which.',
      'none',
      `count(kvcache_writable{${shards}} == 0) or vector(0)`,
      { thresholds: { red: 1 } },
    ),
  ],
};

const requests: Row = {
  title: 'What clients see',
  panels: [
    chart(
      'Requests',
      'Calls a second at the routers, by kind.',
      'ops',
      commands.map(([kind, name]) => [name, rate(`kv_${kind}s_total`, routers)]),
    ),
    chart(
      'Errors',
      'Calls a second that failed. A miss is no failure.',
      'ops',
      commands.map(([kind, name]) => [name, rate(`kv_${kind}_errors_total`, routers)]),
    ),
    chart('Latency of prompt blocks', 'At the routers.', 's', [
      ['lookup p50', quantile(0.5, 'block_lookup')],
      ['lookup p99', quantile(0.99, 'block_lookup')],
      ['read p50', quantile(0.5, 'block_read')],
      ['read p99', quantile(0.99, 'block_read')],
      ['write p50', quantile(0.5, 'block_write')],
      ['write p99', quantile(0.99, 'block_write')],
    ]),
    chart('Latency of keys', 'At the routers.', 's', [
      ['get p50', quantile(0.5, 'get')],
      ['get p99', quantile(0.99, 'get')],
      ['set p50', quantile(0.5, 'set')],
      ['set p99', quantile(0.99, 'set')],
    ]),
    chart(
      'Reads by where they were found',
      'On the shards: RAM, disk or Blob, or nowhere.',
      'ops',
      [['{{found}}', rate('kvcache_reads_total', shards, 'found')]],
      { stacked: true },
    ),
    chart('While shards are away', 'Reads answered as misses, and writes dropped by choice.', 'ops', [
      ['reads as misses', rate('kvcache_router_reads_missed_total', routers)],
      ['writes dropped', rate('kvcache_router_writes_dropped_total', routers)],
      ['routed again', rate('kvcache_router_rerouted_total', routers)],
    ]),
    chart('Connections of clients', 'At each router. Far apart, clients stick to one of them.', 'short', [
      ['{{pod}}', `kvcache_grpc_connections{${routers}}`],
    ]),
    chart('Refused', 'Connections, calls and commands refused at a bound. Clients try again.', 'ops', [
      ['door of {{pod}}', rate('kvcache_grpc_refused_total', both, 'pod')],
      ['link to {{shard}}', rate('kvcache_link_refused_total', routers, 'shard')],
    ]),
    chart('Refused credentials', 'Calls and connections with a wrong token, password or certificate, or none.', 'ops', [
      ['{{door}}: {{reason}}', `sum by (door, reason) (rate(kvcache_auth_failures_total{${both}}[$__rate_interval]))`],
    ]),
    chart('Certificates end in', 'Of the public doors and of the internal port, the soonest of all pods.', 's', [
      ['{{port}}', `min by (port) (kvcache_certificate_expiry_timestamp_seconds{${both}}) - time()`],
    ]),
  ],
};

const links: Row = {
  title: 'Routers and shards',
  panels: [
    chart('Latency of links, p99', 'From command to reply, since the router’s start.', 's', [
      ['{{pod}} to {{shard}}', `kvcache_link_latency_seconds{${routers},quantile="0.99"}`],
    ]),
    chart('Links that are down', 'By shard: routers that cannot reach it.', 'short', [
      ['{{shard}}', `sum by (shard) (kvcache_link_state{${routers},state!="ready"})`],
    ]),
    chart('Commands by shard', 'As routers send them. A shard far above the others has hot keys.', 'ops', [
      ['{{shard}}', rate('kvcache_link_commands_total', routers, 'shard')],
    ]),
    chart('In flight', 'Bytes of commands without a reply.', 'bytes', [
      ['to {{shard}}', `sum by (shard) (kvcache_link_in_flight_bytes{${routers}})`],
      ['door of {{pod}}', `kvcache_grpc_in_flight_bytes{${both}}`],
    ]),
    chart('Slots', 'By owner. After scaling they are within 5 % of each other.', 'short', [
      ['{{pod}}', `kvcache_slots{${shards}}`],
    ]),
    chart('Keys and blocks', 'By shard.', 'short', [
      ['keys of {{pod}}', `kvcache_keys{${shards}}`],
      ['blocks of {{pod}}', `kvcache_blocks{${shards}}`],
    ]),
  ],
};

const scaling: Row = {
  title: 'Scaling',
  panels: [
    chart('Slots on their way', 'By the shard that they go to, and that they come from.', 'short', [
      ['to {{pod}}', `kvcache_slots_arriving{${shards}}`],
      ['from {{pod}}', `kvcache_slots_departing{${shards}} * -1`],
    ]),
    chart('Left to move', 'Bytes of values that have not come yet, by the shard that they go to.', 'bytes', [
      ['{{pod}}', `kvcache_handover_bytes_left{${shards}}`],
    ]),
    chart('Moving', 'Bytes a second; shards.handoverBandwidth is the most of each.', 'Bps', [
      ['to {{pod}}', rate('kvcache_handover_bytes_total', shards, 'pod')],
    ]),
    chart(
      'Topology',
      'The epoch that each process runs by. Lines that stay apart are processes that cannot be reached.',
      'none',
      [['{{pod}}', `kvcache_topology_epoch{${both}}`]],
    ),
  ],
};

const memory: Row = {
  title: 'RAM',
  panels: [
    chart('Memory of the process', 'Resident, and the limit that it keeps to.', 'bytes', [
      ['{{pod}}', `kvcache_memory_resident_bytes{${shards}}`],
      ['limit', `max(kvcache_memory_limit_bytes{${shards}})`],
    ]),
    chart('Hot values', 'Bytes of values in RAM, and the most that they may take now.', 'bytes', [
      ['{{pod}}', `kvcache_hot_bytes{${shards}}`],
      ['limit of {{pod}}', `kvcache_hot_limit_bytes{${shards}}`],
    ]),
    chart('Index', 'Every key, hot or not, has its place in RAM.', 'bytes', [
      ['{{pod}}', `kvcache_index_bytes{${shards}}`],
    ]),
    chart('Dropped from RAM', 'Copies a second that made room for others; disk and Blob still have them.', 'ops', [
      ['{{pod}}', rate('kvcache_hot_evictions_total', shards, 'pod')],
    ]),
  ],
};

const disk: Row = {
  title: 'Disk',
  panels: [
    chart('Disk', 'Bytes of segments, and the most that they may take.', 'bytes', [
      ['{{pod}}', `kvcache_disk_bytes{${shards}}`],
      ['limit', `max(kvcache_disk_limit_bytes{${shards}})`],
    ]),
    chart('Live share of the log', 'What compaction could win back is the rest.', 'percentunit', [
      ['{{pod}}', `kvcache_log_live_bytes{${shards}} / kvcache_log_bytes{${shards}}`],
    ]),
    chart('Compaction', 'Bytes a second copied and won back.', 'Bps', [
      ['copied', rate('kvcache_compaction_copied_bytes_total', shards)],
      ['won back', rate('kvcache_compaction_freed_bytes_total', shards)],
    ]),
    chart('Writes that wait', 'For room in the log. They fail after blob.full_wait.', 'short', [
      ['{{pod}}', `kvcache_waiting_writes{${shards}}`],
    ]),
    chart('Evicted and expired', 'Keys a second deleted to make room, and keys whose time had come.', 'ops', [
      ['evicted: {{reason}}', rate('kvcache_evicted_keys_total', shards, 'reason')],
      ['expired: {{by}}', rate('kvcache_expired_total', shards, 'by')],
    ]),
    chart('Reads below RAM', 'Values a second read from disk and from Blob, and damaged records.', 'ops', [
      ['disk', rate('kvcache_disk_reads_total', shards)],
      ['Blob', rate('kvcache_blob_reads_total', shards)],
      ['damaged', rate('kvcache_corrupt_records_total', shards)],
    ]),
  ],
};

const blob: Row = {
  title: 'Blob (empty without an account)',
  panels: [
    chart('Lag', 'The age of the oldest bytes that are not in Blob yet.', 's', [
      ['{{pod}}', `kvcache_blob_lag_seconds{${shards}}`],
    ]),
    chart('Not in Blob yet', 'Bytes of the log. At blob.max_unflushed writes wait.', 'bytes', [
      ['{{pod}}', `kvcache_blob_unflushed_bytes{${shards}}`],
    ]),
    chart('Blob answers', '1 while it does.', 'short', [['{{pod}}', `kvcache_blob_available{${shards}}`]]),
    chart('Requests to Blob', 'A second, repetitions included: what the account is billed by.', 'ops', [
      ['{{operation}}', rate('kvcache_blob_attempts_total', shards, 'operation')],
    ]),
    chart('Failures of Blob', 'Operations a second that failed after all repetitions.', 'ops', [
      ['{{operation}}', rate('kvcache_blob_failures_total', shards, 'operation')],
    ]),
    chart('Bytes to and from Blob', 'A second.', 'Bps', [
      ['{{operation}}', rate('kvcache_blob_bytes_total', shards, 'operation')],
    ]),
  ],
};

const processes: Row = {
  title: 'Processes',
  panels: [
    chart('Processor', 'Cores in use.', 'short', [['{{pod}}', rate('process_cpu_seconds_total', both, 'pod')]]),
    chart('Resident memory', 'Against the pods’ limits, which Kubernetes enforces.', 'bytes', [
      ['{{pod}}', `process_resident_memory_bytes{${both}}`],
    ]),
    chart('Event loop lag, p99', 'Above some milliseconds, something blocks the process.', 's', [
      ['{{pod}}', `nodejs_eventloop_lag_p99_seconds{${both}}`],
    ]),
    chart('Restarts', 'A process that began within the last hour.', 's', [
      ['uptime of {{pod}}', `(time() - process_start_time_seconds{${both}}) < 3600`],
    ]),
  ],
};

/** In its own namespace, and one for all caches. */
const operator: Row = {
  title: 'Operator (of the whole cluster)',
  panels: [
    stat(
      'Leaders',
      'One of its replicas leads. With none, nothing is repaired or scaled.',
      'none',
      'sum(kvcache_operator_leader)',
      {
        thresholds: { red: 1, isLowBad: true },
      },
    ),
    stat('KVCaches', 'Looked after.', 'none', 'max(kvcache_operator_caches)'),
    stat('Waiting', 'KVCaches that wait for their turn.', 'none', 'sum(kvcache_operator_queue_depth)', {
      thresholds: { orange: 20, red: 100 },
    }),
    stat(
      'Longest at work',
      'On one KVCache. Above a minute, something hangs.',
      's',
      'max(kvcache_operator_queue_longest_running_seconds)',
      {
        thresholds: { orange: 30, red: 60 },
      },
    ),
    chart('Requests to the API server', 'A second. An idle operator writes nothing.', 'ops', [
      [
        '{{method}} {{outcome}}',
        'sum by (method, outcome) (rate(kvcache_operator_api_requests_total[$__rate_interval]))',
      ],
    ]),
    chart('Work that failed', 'Keys a second that are tried again, and watches that broke.', 'ops', [
      ['tried again', 'sum(rate(kvcache_operator_queue_retries_total[$__rate_interval]))'],
      ['watches', 'sum(rate(kvcache_operator_watch_failures_total[$__rate_interval]))'],
    ]),
  ],
};

export const rows: readonly Row[] = [overview, requests, links, scaling, memory, disk, blob, processes, operator];
