/**
 * CONFIG: Redis' names for what this server has, told truthfully. What our settings can change while they run is changed
 * by CONFIG SET, in all shards where a router is asked; a value that is what it is already is taken; the rest says what
 * Redis says of what cannot change.
 */
import { compileGlob } from '../../../commands/glob.ts';
import { OK, ReplyError } from '../../../commands/reply.ts';
import { socketKeepaliveMs, socketUnsentBytesMax, valueBytesMax } from '../../../limits.ts';
import { parseBytes, parseDurationMs } from '../../../settings/units.ts';
import type { DoorParts } from '../door-parts.ts';
import { bulk, RespMap, type RespReply } from '../resp-reply.ts';
import { dispatch, type SessionCommand, syntaxError, takes } from './session-command.ts';

const help = [
  'GET <pattern>',
  '    Return parameters matching the glob-like <pattern> and their values.',
  'SET <directive> <value>',
  '    Set the configuration <directive> to <value>.',
  'RESETSTAT',
  '    Reset statistics reported by the INFO command.',
  'REWRITE',
  '    Rewrite the configuration file.',
];

export const configCommands: readonly SessionCommand[] = [
  {
    name: 'CONFIG',
    arguments: takes(1, Infinity),
    summary: 'Settings, by Redis’ names.',
    group: 'server',
    run: dispatch(
      'CONFIG',
      {
        GET: { arguments: takes(1, Infinity), run: (patterns, _, parts) => get(patterns, parts) },
        SET: { arguments: takes(2, Infinity), run: (pairs, _, parts) => set(pairs, parts) },
        RESETSTAT: { arguments: takes(0), run: (_args, _client, parts) => resetStatistics(parts) },
        REWRITE: {
          arguments: takes(0),
          run: () => new ReplyError('ERR', 'The server is running without a config file'),
        },
      },
      help,
    ),
  },
];

/** Settings of ours as clients may read them, by their dotted names. */
export type NamedSettings = ReadonlyMap<string, unknown>;

export async function readSettings({ settings }: DoorParts): Promise<NamedSettings> {
  const named = new Map<string, unknown>();
  const collect = (value: unknown, path: string): void => {
    named.set(path, value);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
    for (const [name, item] of Object.entries(value)) collect(item, path === '' ? name : `${path}.${name}`);
  };
  collect(JSON.parse(await settings.get()), '');
  return named;
}

interface Parameter {
  readonly name: string;
  /** The value as Redis writes it; undefined where this process has no such thing. */
  readonly read: (settings: NamedSettings, parts: DoorParts) => string | undefined;
  /** A setting of ours and its value; undefined for a value that Redis has and this server not. */
  readonly change?: (value: string) => readonly [name: string, value: string | boolean] | undefined;
}

const logLevels: readonly (readonly [redis: string, ours: readonly string[]])[] = [
  ['debug', ['debug', 'trace']],
  ['verbose', ['verbose']],
  ['notice', ['info']],
  ['warning', ['warn', 'error', 'fatal']],
  ['nothing', ['silent']],
];

const parameters: readonly Parameter[] = [
  { name: 'appendfsync', read: (settings) => fsyncOf(settings) },
  { name: 'appendonly', read: (settings) => (settings.has('log.fsync') ? 'yes' : 'no') },
  { name: 'bind', read: (settings) => textOf(settings.get('resp.host')) },
  {
    name: 'client-output-buffer-limit',
    read: () => `normal ${socketUnsentBytesMax} 0 0 slave 0 0 0 pubsub ${socketUnsentBytesMax} 0 0`,
  },
  { name: 'cluster-enabled', read: (_, { cluster }) => yesNo(cluster.isEnabled) },
  { name: 'databases', read: () => '1' },
  {
    name: 'loglevel',
    read: (settings) => {
      const level = textOf(settings.get('log_level')) ?? '';
      return logLevels.find(([, ours]) => ours.includes(level))?.[0];
    },
    change: (value) => {
      const level = logLevels.find(([redis]) => redis === value)?.[1][0];
      return level === undefined ? undefined : ['log_level', level];
    },
  },
  { name: 'maxclients', read: (_, { listener }) => `${listener.connectionsMax}` },
  { name: 'maxmemory', read: (settings) => `${maxMemoryBytes(settings)}` },
  {
    name: 'maxmemory-policy',
    read: (settings) => evictionPolicy(settings),
    change: (value) =>
      value === 'allkeys-lru' || value === 'noeviction' ? ['eviction.enabled', value === 'allkeys-lru'] : undefined,
  },
  { name: 'notify-keyspace-events', read: () => '' },
  { name: 'port', read: (_, { listener }) => `${listener.port}` },
  { name: 'proto-max-bulk-len', read: () => `${valueBytesMax}` },
  { name: 'save', read: () => '' },
  { name: 'tcp-keepalive', read: () => `${socketKeepaliveMs / 1_000}` },
  {
    name: 'timeout',
    read: (settings) =>
      `${Math.floor((parseDurationMs(textOf(settings.get('resp.idle_timeout')) ?? '') ?? 0) / 1_000)}`,
    change: (value) => (/^[0-9]{1,9}$/.test(value) ? ['resp.idle_timeout', `${value}s`] : undefined),
  },
];

/** Of each shard; 0 where it is not known. */
export function maxMemoryBytes(settings: NamedSettings): number {
  return parseBytes(textOf(settings.get('memory.limit')) ?? '') ?? 0;
}

export function evictionPolicy(settings: NamedSettings): string {
  const isEnabled = settings.get('eviction.enabled');
  return isEnabled === false || isEnabled === 'false' ? 'noeviction' : 'allkeys-lru';
}

function fsyncOf(settings: NamedSettings): string | undefined {
  const fsync = textOf(settings.get('log.fsync'));
  return fsync === 'never' ? 'no' : fsync;
}

function yesNo(isTrue: boolean): string {
  return isTrue ? 'yes' : 'no';
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? `${value}` : undefined;
}

async function get(patterns: readonly Buffer[], parts: DoorParts): Promise<RespReply> {
  const settings = await readSettings(parts);
  const globs = patterns.map((pattern) => compileGlob(pattern.toString('latin1').toLowerCase()));
  const found = parameters
    .filter(({ name }) => globs.some((glob) => glob.matches(name)))
    .flatMap(({ name, read }): [RespReply, RespReply][] => {
      const value = read(settings, parts);
      return value === undefined ? [] : [[bulk(name), bulk(value)]];
    });
  return new RespMap(found);
}

function failed(name: string, reason: string): ReplyError {
  return new ReplyError('ERR', `CONFIG SET failed (possibly related to argument '${name}') - ${reason}`);
}

async function set(pairs: readonly Buffer[], parts: DoorParts): Promise<RespReply> {
  if (pairs.length % 2 !== 0) return syntaxError;
  const settings = await readSettings(parts);
  const changes: Record<string, string | boolean> = {};
  let last = '';
  for (let index = 0; index < pairs.length; index += 2) {
    const name = pairs[index]!.toString('utf8').toLowerCase();
    const value = pairs[index + 1]!.toString('utf8');
    const parameter = parameters.find((candidate) => candidate.name === name);
    const current = parameter?.read(settings, parts);
    if (parameter === undefined || current === undefined) {
      const shown = name.slice(0, 128);
      return new ReplyError('ERR', `Unknown option or number of arguments for CONFIG SET - '${shown}'`);
    }
    if (value === current) continue;
    if (parameter.change === undefined) return failed(name, "can't set immutable config");
    const change = parameter.change(value);
    if (change === undefined) return failed(name, 'argument is not one that this server has');
    changes[change[0]] = change[1];
    last = name;
  }
  if (Object.keys(changes).length === 0) return OK;
  const fault = await parts.settings.update(JSON.stringify(changes));
  return fault === undefined ? OK : failed(last, fault);
}

function resetStatistics({ figures, catalogue, listener }: DoorParts): RespReply {
  figures.reset(listener.accepted);
  catalogue.resetStatistics();
  return OK;
}
