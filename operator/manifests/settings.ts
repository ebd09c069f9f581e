/**
 * From the spec to the settings of a process: names of settings/schema.ts, values as a settings file has them.
 *
 * Every setting that the spec speaks of is written out, also where it has its default: a value that is taken back must
 * reach running processes too, and "absent" cannot be pushed to them.
 *
 *   restart   a process takes it when it starts: its change is another pod template (`settingsHash`)
 *   live      `changeable` in the schema: written to the file for the next start, and pushed to what runs
 *
 * What differs from pod to pod (a shard's name, its prefix in Blob) is in the pods' environment, see pod-environment.ts.
 */
import { createHash } from 'node:crypto';
import { stringify } from 'yaml';
import { linkPort } from '../api/facts.ts';
import type { KVCache } from '../api/schema.ts';
import { schema, type SettingName, settingOf } from '../../settings/schema.ts';
import type { Written } from '../../settings/units.ts';
import { formatBytes } from '../../settings/units.ts';
import { type Component, namespaceOf, nameOf, paths, topologyKey } from './names.ts';
import { quantityBytes } from './quantity.ts';
import { graceMarginSeconds, routerDrainDelaySeconds } from './shutdown.ts';
import { secretFiles, secretPath } from './secrets.ts';

export type WrittenSettings = Readonly<Partial<Record<SettingName, Written | boolean>>>;

/** The share of a disk that the log may take: file system and half-written files need the rest. */
const diskShare = 0.9;
const MiB = 2 ** 20;

/** What the file of a component says. */
export function settingsOf(cache: KVCache, component: Component): WrittenSettings {
  const all = {
    ...processSettings(cache, component),
    ...(component === 'shard' ? shardSettings(cache) : routerSettings(cache)),
    ...securitySettings(cache, component),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function processSettings({ spec }: KVCache, component: Component): WrittenSettings {
  const { grpc, http, resp, tcp } = spec.listeners;
  const { terminationGracePeriodSeconds } = component === 'shard' ? spec.shards : spec.routers;
  const delaySeconds = component === 'router' ? routerDrainDelaySeconds : 0;
  return {
    'data.path': paths.data,
    'topology.path': `${paths.topology}/${topologyKey}`,
    'grpc.host': hostOf(grpc),
    'grpc.port': grpc.port,
    'http.port': http.port,
    'resp.host': hostOf(resp),
    'resp.port': resp.port,
    'tcp.host': hostOf(tcp),
    'tcp.port': tcp.port,
    'link.port': linkPort,
    log_level: spec.logLevel,
    'shutdown.grace': `${terminationGracePeriodSeconds - delaySeconds - graceMarginSeconds}s`,
  };
}

/** A door that is off is out of reach from outside of the pod. */
function hostOf({ enabled }: { readonly enabled: boolean }): string {
  return enabled ? '0.0.0.0' : '127.0.0.1';
}

function shardSettings(cache: KVCache): WrittenSettings {
  const { shards, eviction } = cache.spec;
  const diskBytes = quantityBytes(shards.storage.size) * diskShare;
  return {
    'memory.limit': formatBytes(quantityBytes(shards.memory)),
    'disk.size': formatBytes(Math.floor(diskBytes / MiB) * MiB),
    acknowledgement: shards.acknowledgement,
    'log.fsync': shards.fsync,
    'handover.bandwidth': formatBytes(quantityBytes(shards.handoverBandwidth)),
    'eviction.enabled': eviction.enabled,
    'eviction.disk_usage_threshold': eviction.diskUsagePercent,
    'eviction.check_interval': eviction.checkInterval,
    ...blobSettings(cache),
  };
}

function blobSettings({ spec: { blob } }: KVCache): WrittenSettings {
  if (blob === undefined) return {};
  const { accountURL, identity, retention } = blob;
  const clientID = identity.workloadIdentity?.clientID;
  return {
    ...(accountURL !== undefined && { 'blob.account_url': accountURL }),
    ...(clientID !== undefined && { 'blob.identity_client_id': clientID }),
    'blob.container': blob.container,
    'blob.flush_interval': blob.flushInterval,
    'blob.max_unflushed': sizeOrShare(blob.maxUnflushed),
    'blob.on_full': blob.onFull,
    'blob.full_wait': blob.fullWait,
    'blob.retention_age': retention.age ?? '0s',
    'blob.retention_size': retention.size === undefined ? 0 : formatBytes(quantityBytes(retention.size)),
  };
}

function sizeOrShare(written: string): string {
  return written.endsWith('%') ? written : formatBytes(quantityBytes(written));
}

function routerSettings({ spec: { routers } }: KVCache): WrittenSettings {
  return {
    'grpc.max_connection_age': routers.maxConnectionAge,
    'router.unavailable_reads': routers.unavailableReads,
    'router.unavailable_writes': routers.unavailableWrites,
  };
}

function securitySettings(cache: KVCache, component: Component): WrittenSettings {
  const { tls, link } = cache.spec.security;
  const files = secretFiles(cache, component).map((file) => [file.setting, secretPath(file)]);
  return {
    ...(Object.fromEntries(files) as WrittenSettings),
    ...(tls?.clientCA && { 'tls.client_auth': tls.clientAuthentication.toLowerCase() }),
    ...(link.tls && { 'link.tls.client_auth': link.tls.clientAuthentication.toLowerCase() }),
    ...(link.tls?.serverName !== undefined && { 'link.tls.server_name': link.tls.serverName }),
    'auth.metrics_open': cache.spec.monitoring.openMetrics,
  };
}

/** Where in the container the blobs of all shards lie, each under its own name. */
export function blobPrefix(cache: KVCache): string {
  return cache.spec.blob?.prefix ?? `${namespaceOf(cache)}/${nameOf(cache)}`;
}

/** The file's text, with settings in the order of the schema. */
export function settingsFile(cache: KVCache, component: Component): string {
  const settings = settingsOf(cache, component);
  const ordered = (Object.keys(schema) as SettingName[]).flatMap((name) =>
    settings[name] === undefined ? [] : [[name, settings[name]] as const],
  );
  return stringify(Object.fromEntries(ordered), { lineWidth: 0 });
}

/** What running processes take: the body of SETTINGS.SET. */
export function liveSettings(cache: KVCache, component: Component): WrittenSettings {
  return select(cache, component, (name) => settingOf(name).changeable);
}

/**
 * Stands for all settings that a running process does not take. Those with their default value do not count, so that a
 * newer operator that writes one more of them restarts nothing.
 */
export function settingsHash(cache: KVCache, component: Component): string {
  const settings = select(cache, component, (name, value) => !settingOf(name).changeable && !isDefault(name, value));
  const entries = Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(entries)).digest('hex').slice(0, 16);
}

function select(
  cache: KVCache,
  component: Component,
  isMeant: (name: SettingName, value: Written | boolean) => boolean,
): WrittenSettings {
  const entries = Object.entries(settingsOf(cache, component)) as [SettingName, Written | boolean][];
  return Object.fromEntries(entries.filter(([name, value]) => isMeant(name, value)));
}

function isDefault(name: SettingName, value: Written | boolean): boolean {
  const { type, default: fallback } = settingOf(name);
  if (fallback.kind !== 'value') return false;
  return type.format(type.schema.parse(value)) === type.format(fallback.value);
}
