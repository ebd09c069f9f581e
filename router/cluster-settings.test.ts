import { expect, test } from 'vitest';
import type { Command, Executor } from '../commands/command.ts';
import { OK, type Reply, ReplyError } from '../commands/reply.ts';
import { LiveSettings } from '../settings/live.ts';
import { loadSettings } from '../settings/load.ts';
import { ClusterSettings } from './cluster-settings.ts';

const liveOf = (role: 'shard' | 'router', flags: Record<string, unknown> = {}): LiveSettings =>
  new LiveSettings(loadSettings({ role, flags, environment: {} }), role);

const clusterOf = (own: LiveSettings, shards: readonly LiveSettings[]): ClusterSettings =>
  new ClusterSettings(own, routerOver(shards), () => Promise.resolve(1));

/** Shards behind a router: every command reaches all of them, as by its table entry. */
function routerOver(shards: readonly LiveSettings[]): Executor {
  return {
    execute: ({ name, args }: Command): Reply => {
      if (name === 'SETTINGS.GET') return shards.map((shard) => Buffer.from(shard.get()));
      const [json, mode] = args.map(String) as [string, string | undefined];
      const answers = shards.map((shard) => (mode === 'CHECK' ? shard.check(json) : shard.update(json)));
      const faults = answers.filter((fault) => fault !== undefined);
      return faults.length > 0 ? new ReplyError('CONFIG', faults.join('\n')) : OK;
    },
  };
}

const shards = (): LiveSettings[] => [
  liveOf('shard', { 'shard-name': 'shard-0', 'grpc-port': '7130' }),
  liveOf('shard', { 'shard-name': 'shard-1', 'grpc-port': '7131' }),
];

test('a client sees the router’s ports and the shards’ storage', async () => {
  const settings = clusterOf(liveOf('router'), shards());
  const shown = JSON.parse(await settings.get()) as Record<string, Record<string, unknown>>;
  expect(shown).toMatchObject({
    grpc: { port: 50_051 },
    eviction: { batch_size: 100 },
    value: { disk_threshold: 1_048_576 },
  });
  expect(shown).not.toHaveProperty('shard');
  expect(shown).not.toHaveProperty('shard.name');
});

test('a client of the Go KVCache finds every group and name that it knows', async () => {
  const flags = { 'data-path': '/router', 'blob-account-url': 'https://a', 'blob-account-key': 'c2VjcmV0' };
  const router = liveOf('router', { 'data-path': '/router', 'topology-path': '/secret/topology.json' });
  const text = await clusterOf(router, [liveOf('shard', { ...flags, 'data-path': '/shard' })]).get();
  expect(JSON.parse(text)).toMatchObject({
    rocksdb: { path: '/router', options: {}, block_cache_size: 64 },
    grpc: { port: 50_051 },
    http: { port: 8_080 },
    batch: { max_size: 1_000 },
    value: { disk_threshold: 1_048_576, disk_path: './value_data' },
    eviction: { enabled: true, disk_usage_threshold: 80, check_interval: 60, batch_size: 100 },
    monitoring: { enabled: true, metrics_path: '/metrics', health_path: '/api/v1/health' },
    cache: { enabled: true, size_threshold: 10_240 },
    data: { path: '/router' },
    blob: { account_key: '********' },
  });
  expect(text).not.toMatch(/topology|c2VjcmV0|\/shard/);
});

test('a change reaches those whom it concerns', async () => {
  const members = shards();
  const router = liveOf('router');
  const settings = clusterOf(router, members);
  expect(await settings.update('{"eviction":{"batch_size":7},"log_level":"debug"}')).toBeUndefined();
  expect(members.map(({ current }) => current['eviction.batch_size'])).toEqual([7, 7]);
  expect([router, ...members].map(({ current }) => current['log_level'])).toEqual(['debug', 'debug', 'debug']);
});

test('everything read and written back with one change is that one change', async () => {
  const members = shards();
  const settings = clusterOf(liveOf('router'), members);
  const all = JSON.parse(await settings.get()) as { eviction: { check_interval: number } };
  all.eviction.check_interval = 30;
  expect(await settings.update(JSON.stringify(all))).toBeUndefined();
  expect(members.map(({ current }) => current['eviction.check_interval'])).toEqual([30_000, 30_000]);
});

test('a change that one shard refuses is made at none', async () => {
  const withBlob = liveOf('shard', { 'blob-account-url': 'https://a' });
  const without = liveOf('shard');
  const settings = clusterOf(liveOf('router'), [withBlob, without]);
  expect(await settings.update('{"acknowledgement":"blob"}')).toContain('no Blob account is configured');
  expect(withBlob.current.acknowledgement).toBe('memory');
});

test('what cannot change is told, and nothing is changed anywhere', async () => {
  const members = shards();
  const settings = clusterOf(liveOf('router'), members);
  const fault = await settings.update('{"grpc":{"port":1},"eviction":{"batch_size":7}}');
  expect(fault).toBe('grpc.port does not change while the router runs; start it again with the new value');
  expect(await settings.update('{"disk":{"size":"1GiB"}}')).toContain('disk.size does not change while the shard runs');
  expect(await settings.update('{"shard":{"name":"other"}}')).toContain('shard.name is no setting of this router');
  expect(await settings.update('{"cache":{"enabled":false}}')).toContain('cache.enabled cannot change');
  expect(await settings.update('{"batch":{"max_size":5}}')).toContain('batch.max_size cannot change');
  expect(await settings.update('no json')).toContain('the settings are no JSON');
  expect(members.map(({ current }) => current['eviction.batch_size'])).toEqual([100, 100]);
});
