/**
 * Every setting of every process, declared once, in the order in which `docs/settings.md` shows them.
 *
 * Names are dotted and in snake_case. Where KVStoreV2 (prompt blocks) or the Go KVCache (RocksDB) have a name for the
 * same thing, it is this name or an alias of it, so that their files and start scripts work.
 */
import { acknowledgements } from '../commands/command.ts';
import { localShardsMax, segmentBytesMax, segmentBytesMin, socketConnectionsMax } from '../limits.ts';
import { blobSettings } from './blob-schema.ts';
import { clientSettings } from './client-schema.ts';
import { operatorSettings } from './operator-schema.ts';
import { securitySettings } from './security-schema.ts';
import { derived, optional, type ProcessRole, type Setting, setting } from './setting.ts';
import { anything, boolean, choice, duration, host, integer, path, percent, port, share, size, text } from './types.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const minute = 60_000;

const shard: readonly ProcessRole[] = ['shard', 'dev'];
const router: readonly ProcessRole[] = ['router', 'dev'];
const servers: readonly ProcessRole[] = ['shard', 'router', 'dev'];
/** Settings of one process, which `kvcache dev` chooses for each of its children. */
const shardOnly: readonly ProcessRole[] = ['shard'];
const serversOnly: readonly ProcessRole[] = ['shard', 'router'];
const withOperator: readonly ProcessRole[] = [...servers, 'operator'];

const urlPath = (): ReturnType<typeof text> => text('path', 'a path that begins with /', /^\/[\w./-]*$/);
const ignoredText = 'Accepted so that files of the Go KVCache load; without effect.';
const ignoredFlagText = 'Accepted so that start scripts of KVStoreV2 work; without effect.';

/** S0's three words and pino's own levels. */
export const logLevels = ['silent', 'fatal', 'error', 'warn', 'info', 'verbose', 'debug', 'trace'] as const;

export const schema = {
  // ── Identity and data ─────────────────────────────────────────────────────────────────────────────────────────
  'shard.name': setting(
    text(
      'name',
      'a name of lower-case letters, digits, - and . such as shard-0',
      /^(?=.{1,253}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/,
    ),
    'shard-0',
    shardOnly,
    'The name by which the topology lists this shard. It stays for the life of the data.',
  ),
  'data.path': setting(
    path(),
    './data',
    serversOnly,
    'The folder that holds this process’s data: log segments of a shard, the last topology of a router.',
    { aliases: { names: ['rocksdb.path'], flags: ['data-dir'] } },
  ),
  'topology.path': optional(
    path(),
    serversOnly,
    'The topology document to follow. A shard without one owns every slot.',
  ),

  // ── Memory and disk ───────────────────────────────────────────────────────────────────────────────────────────
  'memory.limit': setting(
    size({ min: 64 * MiB }),
    GiB,
    shard,
    'What the process may use for index, hot values, uploads and connections together.',
  ),
  'hot.size': derived(
    size(),
    'three quarters of memory.limit',
    shard,
    'The most that values in RAM may take. They yield to index, uploads and connections within memory.limit.',
  ),
  'disk.size': setting(size({ min: 16 * MiB }), 10 * GiB, shard, 'What the log may take of the disk.'),

  // ── Durability ────────────────────────────────────────────────────────────────────────────────────────────────
  acknowledgement: setting(
    choice(acknowledgements),
    'memory',
    shard,
    'When a write is answered: once it is in RAM and the log’s buffer, on disk, or in Blob. A request may ask for another.',
    { changeable: true },
  ),
  'log.fsync': setting(
    choice(['always', 'everysec', 'never']),
    'everysec',
    shard,
    'When the log is forced to disk: before every answer, once a second, or when the system pleases.',
  ),
  'log.segment_size': derived(
    size({ min: segmentBytesMin, max: segmentBytesMax }),
    'an eighth of disk.size or a quarter of memory.limit, whichever is less; at most 256MiB',
    shard,
    'A segment file that reaches this size is sealed and a new one begun.',
  ),
  'log.compaction_ratio': setting(
    share({ min: 0.05 }),
    0.5,
    shard,
    'A sealed segment whose live share falls below this is rewritten.',
    { changeable: true },
  ),
  'log.compaction_bandwidth': setting(
    size({ min: MiB }),
    64 * MiB,
    shard,
    'Bytes a second that compaction may read and write.',
    { changeable: true },
  ),
  'value.disk_threshold': setting(
    size(),
    MiB,
    shard,
    'Values of plain keys above this keep no copy in RAM unless they are read often. Prompt blocks always may.',
    { changeable: true },
  ),

  // ── Eviction ──────────────────────────────────────────────────────────────────────────────────────────────────
  'eviction.enabled': setting(
    boolean(),
    true,
    shard,
    'Make room on a filling disk by dropping what Blob holds, or without Blob by deleting the coldest keys. When false, writes fail with DISKFULL instead.',
    { changeable: true },
  ),
  'eviction.disk_usage_threshold': setting(
    percent({ min: 1 }),
    80,
    shard,
    'Eviction from disk begins at this share of disk.size.',
    { changeable: true },
  ),
  'eviction.check_interval': setting(
    duration({ min: 100 }),
    minute,
    shard,
    'How often the disk’s use is checked, besides on writes.',
    { changeable: true },
  ),
  'eviction.batch_size': setting(
    integer({ min: 1, max: 100_000 }),
    100,
    shard,
    'Keys evicted in one step, before others get their turn.',
    { changeable: true },
  ),

  // ── Blob ──────────────────────────────────────────────────────────────────────────────────────────────────────
  ...blobSettings,

  // ── Listeners ─────────────────────────────────────────────────────────────────────────────────────────────────
  'grpc.enabled': setting(
    boolean(),
    true,
    serversOnly,
    'Serve gRPC, by which the SDK and `kvcache` reach the process, too.',
  ),
  'grpc.port': setting(port(), 50_051, serversOnly, 'The port of all gRPC services.', { aliases: { flags: ['port'] } }),
  'grpc.host': setting(host(), '0.0.0.0', servers, 'The address on which gRPC listens.', {
    aliases: { flags: ['host'] },
  }),
  'grpc.max_connection_age': setting(
    duration(),
    30 * minute,
    servers,
    'A connection this old, plus or minus a tenth, is asked to go when its calls are done, so that clients spread over new routers; 0 for never.',
  ),
  'http.enabled': setting(
    boolean(),
    true,
    serversOnly,
    'Serve HTTP. When false there is no REST API and no dashboard, and nobody is told of health, readiness and metrics either: on Kubernetes leave it on.',
  ),
  'http.port': setting(
    port(),
    8_080,
    [...serversOnly, 'operator'],
    'The port of the REST API and the dashboard, and of health, readiness and metrics, which are all that an operator serves.',
  ),
  'http.host': setting(host(), '0.0.0.0', withOperator, 'The address on which HTTP listens.'),
  'resp.enabled': setting(boolean(), true, serversOnly, 'Serve Redis’ protocol.'),
  'resp.port': setting(
    port(),
    6_379,
    serversOnly,
    'The port of Redis’ protocol. Shards name each other to Redis’ cluster clients by it: resp.port must be as far from link.port at all of them.',
  ),
  'resp.host': setting(host(), '0.0.0.0', servers, 'The address on which Redis’ protocol listens.'),
  'resp.max_connections': setting(
    integer({ min: 1, max: 1_000_000 }),
    socketConnectionsMax,
    servers,
    'Connections of Redis’ clients beyond this are refused.',
  ),
  'resp.idle_timeout': setting(
    duration(),
    0,
    servers,
    'A connection of a Redis client that sends nothing for so long is ended; 0 for never.',
    { changeable: true },
  ),
  'tcp.enabled': setting(boolean(), true, serversOnly, 'Serve the binary protocol of typed values.'),
  'tcp.port': setting(port(), 6_380, serversOnly, 'The port of the binary protocol of typed values.'),
  'tcp.host': setting(host(), '0.0.0.0', servers, 'The address on which the binary protocol listens.'),
  'tcp.max_connections': setting(
    integer({ min: 1, max: 1_000_000 }),
    socketConnectionsMax,
    servers,
    'Connections of the binary protocol beyond this are refused.',
  ),
  'tcp.idle_timeout': setting(
    duration(),
    0,
    servers,
    'A connection of the binary protocol on which nothing comes for so long is ended; 0 for never.',
    { changeable: true },
  ),
  'link.port': setting(
    port(),
    7_051,
    serversOnly,
    'The internal port, on which shards, routers and the operator reach each other.',
  ),
  'link.host': setting(host(), '0.0.0.0', servers, 'The address of the internal listener.'),

  // ── Security ──────────────────────────────────────────────────────────────────────────────────────────────────
  ...securitySettings,

  'handover.bandwidth': setting(
    size({ min: MiB }),
    128 * MiB,
    shard,
    'Bytes a second of values that a shard brings over in the background when slots move to it. Values that are asked for come at once.',
    { changeable: true },
  ),

  // ── Router ────────────────────────────────────────────────────────────────────────────────────────────────────
  'router.name': optional(
    text(
      'name',
      'a name of lower-case letters, digits, - and . such as router-0',
      /^(?=.{1,253}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/,
    ),
    ['router'],
    'What this router calls itself to the operator. Without it: the host’s name.',
  ),
  'router.unavailable_reads': setting(
    choice(['miss', 'error']),
    'miss',
    router,
    'What a read of a key answers while its shard is away.',
  ),
  'router.unavailable_writes': setting(
    choice(['error', 'drop']),
    'error',
    router,
    'What a write answers while its shard is away. `drop` answers OK without having stored anything, and counts it: only for clients that cannot read errors.',
  ),

  // ── Watching ──────────────────────────────────────────────────────────────────────────────────────────────────
  'monitoring.enabled': derived(boolean(), 'the opposite of disable_metrics', servers, 'Serve metrics.'),
  disable_metrics: setting(boolean(), false, servers, 'KVStoreV2’s way to turn monitoring.enabled off.'),
  'monitoring.metrics_path': setting(urlPath(), '/metrics', servers, 'Where HTTP serves Prometheus metrics.'),
  'monitoring.health_path': setting(urlPath(), '/api/v1/health', servers, 'Where HTTP serves health, besides /health.'),
  log_level: setting(choice(logLevels), 'info', withOperator, 'How much is logged; `verbose` is `debug`.', {
    changeable: true,
    aliases: { flags: ['l'] },
  }),
  'shutdown.grace': setting(
    duration({ min: 1_000 }),
    25_000,
    withOperator,
    'How long an ending process may take to answer what it has begun and to flush to Blob.',
  ),

  // ── Operator ──────────────────────────────────────────────────────────────────────────────────────────────────
  ...operatorSettings,

  // ── Local cluster ─────────────────────────────────────────────────────────────────────────────────────────────
  'dev.shards': setting(integer({ min: 1, max: localShardsMax }), 3, ['dev'], 'Shards of a new local cluster.', {
    aliases: { flags: ['shards'] },
  }),
  'dev.path': setting(path(), '.kvcache', ['dev'], 'The folder that holds the local cluster’s data.', {
    aliases: { flags: ['data'] },
  }),
  'dev.port_base': optional(
    integer({ min: 1, max: 65_436 }),
    ['dev', 'client'],
    'The first of the hundred ports that the local cluster takes. Without it the router has the standard ports.',
    { aliases: { flags: ['port-base'] } },
  ),

  // ── Client ────────────────────────────────────────────────────────────────────────────────────────────────────
  ...clientSettings,

  // ── Names of other systems ────────────────────────────────────────────────────────────────────────────────────
  // Defaults are the Go KVCache's own, for its clients that look for them in GetConfig.
  'value.disk_path': setting(anything(), './value_data', shard, `${ignoredText} Large values lie in the log.`, {
    ignored: true,
  }),
  'rocksdb.options': setting(anything(), {}, shard, ignoredText, { ignored: true }),
  'rocksdb.block_cache_size': setting(anything(), 64, shard, `${ignoredText} Set memory.limit.`, { ignored: true }),
  'batch.max_size': setting(anything(), 1_000, servers, `${ignoredText} Batches are bound by bytes.`, {
    ignored: true,
  }),
  'cache.enabled': setting(anything(), true, shard, `${ignoredText} The hot tier is always there.`, { ignored: true }),
  'cache.size_threshold': setting(anything(), 10_240, shard, ignoredText, { ignored: true }),
  threads: optional(anything(), servers, ignoredFlagText, { ignored: true }),
  transport: optional(anything(), servers, ignoredFlagText, { ignored: true }),
  disable_multi_nic: optional(anything(), servers, ignoredFlagText, { ignored: true }),
  enable_sdk_logging: optional(anything(), servers, ignoredFlagText, { ignored: true }),
} as const;

export type SettingName = keyof typeof schema;
type ValueOf<Name extends SettingName> = (typeof schema)[Name] extends Setting<infer Value> ? Value : never;

/** The parsed values, defaults still missing. */
export type GivenSettings = { readonly [Name in SettingName]?: Exclude<ValueOf<Name>, undefined> };

/** What every process reads: sizes in bytes, durations in milliseconds, shares from 0 to 1. */
export type Settings = { readonly [Name in Exclude<SettingName, 'blob.max_unflushed'>]: ValueOf<Name> } & {
  readonly 'blob.max_unflushed': number;
};

export const settingNames = Object.keys(schema) as readonly SettingName[];

/** The declaration of a setting, without its value's type. */
export function settingOf(name: SettingName): Setting<unknown> {
  return schema[name] as Setting<unknown>;
}
