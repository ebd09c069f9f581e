import { expect, test } from 'vitest';
import { LiveSettings } from './live.ts';
import { loadSettings } from './load.ts';

const liveOf = (flags: Record<string, unknown> = {}, role: 'shard' | 'router' = 'shard'): LiveSettings =>
  new LiveSettings(loadSettings({ role, flags, environment: {} }), role);

test('a changeable setting changes, nested or by its dotted name, and listeners are told', () => {
  const live = liveOf();
  const told: number[] = [];
  live.onChange((settings) => told.push(settings['eviction.batch_size']));
  expect(live.update('{"eviction":{"batch_size":50,"check_interval":30}}')).toBeUndefined();
  expect(live.update('{"eviction.batch_size":60}')).toBeUndefined();
  expect(live.current['eviction.check_interval']).toBe(30_000);
  expect(told).toEqual([50, 60]);
});

test('flat names are taken beside dotted and nested ones, and a share for a percentage', () => {
  const live = liveOf();
  const update = {
    eviction_disk_usage_threshold: 0.75,
    value_disk_threshold: '2MB',
    'eviction.batch_size': 7,
    eviction: { check_interval: 30 },
    rocksdb_path: './data',
    rocksdb_options: {},
    cache_enabled: true,
  };
  expect(live.update(JSON.stringify(update))).toBeUndefined();
  expect(live.current).toMatchObject({
    'eviction.disk_usage_threshold': 75,
    'value.disk_threshold': 2_000_000,
    'eviction.batch_size': 7,
    'eviction.check_interval': 30_000,
  });
  expect(live.update('{"rocksdb_path":"/elsewhere","batch_max_size":5}')).toMatch(
    /^data\.path does not change .*\nbatch\.max_size cannot change/,
  );
});

test('all settings read and written back are no change', () => {
  const live = liveOf({ 'blob-account-url': 'https://a', 'blob-account-key': 'c2VjcmV0', 'disk-size': '1GiB' });
  const before = live.current;
  expect(live.update(live.get())).toBeUndefined();
  expect(live.current).toBe(before);
});

test('what needs a restart, belongs to another process, or is no setting is told, and nothing is changed', () => {
  const live = liveOf({}, 'router');
  const update = { grpc: { port: 1 }, eviction: { batch_size: 5 }, log_level: 'debug' };
  expect(live.update(JSON.stringify(update))).toBe(
    [
      'grpc.port does not change while the router runs; start it again with the new value',
      'eviction.batch_size is no setting of this router, but of shard, dev',
    ].join('\n'),
  );
  expect(live.update('{"colour":"red","log_level":"debug"}')).toBe('colour is no setting; docs/settings.md lists them');
  expect(live.current['log_level']).toBe('info');
});

test('a wrong value, a conflict and what is no JSON are told', () => {
  const live = liveOf();
  expect(live.update('{"acknowledgement":"paper"}')).toBe(
    "acknowledgement is 'paper'; it must be memory, disk or blob",
  );
  expect(live.update('{"eviction.batch_size":[1],"blob.account_key":"?"}')).toMatch(
    /^eviction.batch_size is '\[1\]'; .*\nblob.account_key is not right; /,
  );
  expect(live.update('{"acknowledgement":"blob"}')).toContain('no Blob account is configured');
  expect(live.update('{')).toContain('the settings are no JSON');
  expect(live.update('[]')).toContain('must be a JSON object');
});

test('names that other systems have are accepted as they are shown, and told to be without effect otherwise', () => {
  const live = liveOf({ 'rocksdb-options': { a: 1, b: 2 }, 'batch-max-size': '1000' });
  const shown = '{"cache":{"enabled":true},"rocksdb":{"options":{"b":2,"a":1},"path":"./data"},"batch.max_size":1000}';
  expect(live.update(shown)).toBeUndefined();
  const before = live.current;
  const update = { cache: { enabled: false }, batch: { max_size: 5 }, rocksdb: { options: {} }, log_level: 'debug' };
  expect(live.update(JSON.stringify(update))).toBe(
    [
      'cache.enabled cannot change: Accepted so that files of the Go KVCache load; without effect. The hot tier is always there.',
      'batch.max_size cannot change: Accepted so that files of the Go KVCache load; without effect. Batches are bound by bytes.',
      'rocksdb.options cannot change: Accepted so that files of the Go KVCache load; without effect.',
    ].join('\n'),
  );
  expect(live.current).toBe(before);
});
