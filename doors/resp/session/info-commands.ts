/**
 * INFO: sections and fields by Redis' names, for people and for exporters. Of shards, also of all behind a router, what
 * SHARDINFO tells; of this process the rest. A field whose number nobody has is left out rather than told as nothing.
 */
import { createHash } from 'node:crypto';
import { arch, hostname, release, totalmem, type } from 'node:os';
import { libraryContext } from '../../../commands/command.ts';
import type { Reply } from '../../../commands/reply.ts';
import { respGatherTimeoutMs } from '../../../limits.ts';
import type { DoorParts } from '../door-parts.ts';
import { type RespReply, TextReply } from '../resp-reply.ts';
import { respVersion } from '../version.ts';
import { evictionPolicy, maxMemoryBytes, type NamedSettings, readSettings } from './config-commands.ts';
import { type SessionCommand, takes } from './session-command.ts';

/** What of SHARDINFO is shown; shard/info.ts has all of it. */
interface ShardFigures {
  readonly keys: number;
  readonly epoch: number;
  readonly hot: { readonly bytes: number; readonly bytesMax: number };
  readonly index: { readonly bytes: number };
  readonly reads: { readonly hot: number; readonly cold: number; readonly miss: number };
  readonly disk: { readonly bytes: number };
  readonly expiring?: number;
  readonly expired?: number;
  readonly evictions?: { readonly keys: number };
  readonly fault?: string;
}

interface Facts {
  readonly shards: readonly ShardFigures[];
  readonly settings: NamedSettings;
  readonly parts: DoorParts;
}

type Fields = Readonly<Record<string, string | number>>;

const sections: readonly (readonly [name: string, fields: (facts: Facts) => Fields])[] = [
  ['Server', server],
  ['Clients', clients],
  ['Memory', memory],
  ['Persistence', persistence],
  ['Stats', statistics],
  ['Replication', replication],
  ['CPU', processor],
  ['Modules', () => ({})],
  ['Commandstats', commands],
  ['Errorstats', ({ parts }) => ({ errorstat_ALL: `count=${parts.figures.errors}` })],
  ['Cluster', ({ parts }) => ({ cluster_enabled: parts.cluster.isEnabled ? 1 : 0 })],
  ['Keyspace', keyspace],
];

const everything: ReadonlySet<string> = new Set(['all', 'everything']);
/** Without an argument, Redis leaves these out. */
const onRequest: ReadonlySet<string> = new Set(['Commandstats']);

/** Two processes of one host are not one. */
const runId = createHash('sha1').update(`${hostname()} ${process.pid} ${process.hrtime.bigint()}`).digest('hex');

export const infoCommands: readonly SessionCommand[] = [
  {
    name: 'INFO',
    arguments: takes(0, Infinity),
    summary: 'What this server tells of itself.',
    group: 'server',
    run: (args, _, parts) => info(args, parts),
  },
];

async function info(args: readonly Buffer[], parts: DoorParts): Promise<RespReply> {
  const asked = new Set(args.map((argument) => argument.toString('latin1').toLowerCase()));
  const isDefault = asked.size === 0 || asked.has('default');
  const isAll = [...asked].some((word) => everything.has(word));
  const chosen = sections.filter(
    ([name]) => isAll || asked.has(name.toLowerCase()) || (isDefault && !onRequest.has(name)),
  );
  const [shards, settings] = await Promise.all([shardFigures(parts), readSettings(parts)]);
  const facts = { shards, settings, parts };
  return new TextReply(chosen.map(([name, fields]) => sectionText(name, fields(facts))).join('\r\n'));
}

function sectionText(name: string, fields: Fields): string {
  const lines = Object.entries(fields).map(([field, value]) => `${field}:${value}\r\n`);
  return `# ${name}\r\n${lines.join('')}`;
}

async function shardFigures({ executor }: DoorParts): Promise<ShardFigures[]> {
  const reply: Reply = await executor.execute({ name: 'SHARDINFO', args: [] }, libraryContext(respGatherTimeoutMs));
  const replies = Array.isArray(reply) ? reply : [reply];
  // Those that are away are left out.
  return replies.flatMap((item) => (Buffer.isBuffer(item) ? [JSON.parse(item.toString('utf8')) as ShardFigures] : []));
}

function sumOf(shards: readonly ShardFigures[], value: (shard: ShardFigures) => number): number {
  return shards.reduce((sum, shard) => sum + value(shard), 0);
}

function server({ parts }: Facts): Fields {
  const uptimeSeconds = Math.floor(process.uptime());
  return {
    redis_version: respVersion,
    redis_git_sha1: '00000000',
    redis_git_dirty: 0,
    redis_build_id: '0',
    redis_mode: parts.cluster.isEnabled ? 'cluster' : 'standalone',
    server_name: 'kvcache',
    os: `${type()} ${release()} ${arch()}`,
    arch_bits: 64,
    multiplexing_api: 'libuv',
    process_id: process.pid,
    run_id: runId,
    tcp_port: parts.listener.port,
    server_time_usec: Date.now() * 1_000,
    uptime_in_seconds: uptimeSeconds,
    uptime_in_days: Math.floor(uptimeSeconds / 86_400),
    executable: process.execPath,
    config_file: '',
  };
}

function clients({ parts }: Facts): Fields {
  return {
    connected_clients: parts.clients.size,
    cluster_connections: 0,
    maxclients: parts.listener.connectionsMax,
    blocked_clients: 0,
    tracking_clients: 0,
    clients_waiting_for_memory: parts.budget.waiting,
  };
}

function memory({ shards, settings, parts }: Facts): Fields {
  const used = sumOf(shards, ({ hot, index }) => hot.bytes + index.bytes);
  const resident = process.memoryUsage.rss();
  return {
    used_memory: used,
    used_memory_human: human(used),
    used_memory_rss: resident,
    used_memory_rss_human: human(resident),
    used_memory_peak: Math.max(used, process.resourceUsage().maxRSS * 1_024),
    used_memory_dataset: sumOf(shards, ({ hot }) => hot.bytes),
    used_memory_overhead: sumOf(shards, ({ index }) => index.bytes),
    total_system_memory: totalmem(),
    maxmemory: maxMemoryBytes(settings),
    maxmemory_human: human(maxMemoryBytes(settings)),
    maxmemory_policy: evictionPolicy(settings),
    mem_fragmentation_ratio: used === 0 ? 0 : (resident / used).toFixed(2),
    mem_clients_normal: parts.budget.used,
    mem_allocator: 'libc',
  };
}

function persistence({ shards, settings }: Facts): Fields {
  const isLogged = settings.has('log.fsync');
  const isFaulty = shards.some(({ fault }) => fault !== undefined);
  return {
    loading: 0,
    async_loading: 0,
    rdb_changes_since_last_save: 0,
    rdb_bgsave_in_progress: 0,
    rdb_last_bgsave_status: 'ok',
    aof_enabled: isLogged ? 1 : 0,
    aof_rewrite_in_progress: 0,
    aof_rewrite_scheduled: 0,
    aof_last_bgrewrite_status: 'ok',
    aof_last_write_status: isFaulty ? 'err' : 'ok',
    aof_current_size: sumOf(shards, ({ disk }) => disk.bytes),
  };
}

function statistics({ shards, parts: { figures, listener } }: Facts): Fields {
  return {
    total_connections_received: figures.acceptedSinceReset(listener.accepted),
    total_commands_processed: figures.commandsSinceReset,
    instantaneous_ops_per_sec: figures.commandsPerSecond,
    total_net_input_bytes: figures.bytesRead,
    total_net_output_bytes: figures.bytesWritten,
    rejected_connections: listener.refused,
    sync_full: 0,
    sync_partial_ok: 0,
    sync_partial_err: 0,
    expired_keys: sumOf(shards, ({ expired }) => expired ?? 0),
    evicted_keys: sumOf(shards, ({ evictions }) => evictions?.keys ?? 0),
    keyspace_hits: sumOf(shards, ({ reads }) => reads.hot + reads.cold),
    keyspace_misses: sumOf(shards, ({ reads }) => reads.miss),
    pubsub_channels: 0,
    pubsub_patterns: 0,
    total_error_replies: figures.errors,
    client_output_buffer_limit_disconnections: figures.endedUnread,
  };
}

function replication(): Fields {
  return {
    role: 'master',
    connected_slaves: 0,
    master_failover_state: 'no-failover',
    master_replid: runId,
    master_repl_offset: 0,
    second_repl_offset: -1,
    repl_backlog_active: 0,
  };
}

function processor(): Fields {
  const { user, system } = process.cpuUsage();
  return { used_cpu_sys: (system / 1e6).toFixed(6), used_cpu_user: (user / 1e6).toFixed(6) };
}

/** Times are those of one call in sixteen, for all; /metrics has histograms. Commands of the connection itself have none. */
function commands({ parts }: Facts): Fields {
  const called = parts.catalogue.commands.filter(({ calls }) => calls > 0);
  return Object.fromEntries(
    called.map(({ name, calls, failures, timedCalls, timedMs }) => {
      const each = timedCalls === 0 ? 0 : (timedMs * 1_000) / timedCalls;
      const times = `usec=${Math.round(each * calls)},usec_per_call=${each.toFixed(2)}`;
      const text = `calls=${calls},${times},rejected_calls=0,failed_calls=${failures}`;
      return [`cmdstat_${name.toLowerCase()}`, text];
    }),
  );
}

function keyspace({ shards }: Facts): Fields {
  const keys = sumOf(shards, (shard) => shard.keys);
  const expiring = sumOf(shards, (shard) => shard.expiring ?? 0);
  return keys === 0 ? {} : { db0: `keys=${keys},expires=${expiring},avg_ttl=0` };
}

function human(bytes: number): string {
  const units = ['B', 'K', 'M', 'G', 'T'];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(2)}${units[unit]}`;
}
