import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { edited, everyField, fieldEdits } from '../api/every-field.ts';
import type { KVCacheSpecInput } from '../api/schema.ts';
import { LiveSettings } from '../../settings/live.ts';
import { type LoadedSettings, loadSettings } from '../../settings/load.ts';
import { settingOf } from '../../settings/schema.ts';
import type { Component } from './names.ts';
import { podEnvironment } from './pod-environment.ts';
import { liveSettings, settingsFile, settingsHash, settingsOf } from './settings.ts';
import { cacheOf } from './testing/cache.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvcache-settings-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** As a pod of the component loads them: environment over file. */
function load(spec: KVCacheSpecInput, component: Component): LoadedSettings {
  const cache = cacheOf(spec);
  const filePath = join(folder, `${component}.yaml`);
  writeFileSync(filePath, settingsFile(cache, component));
  const environment = Object.fromEntries(
    podEnvironment(cache, component).map(({ name, value }) => [
      name,
      (value ?? `c-${component}-0`).replace('$(KVCACHE_SHARD_NAME)', 'c-shard-0'),
    ]),
  );
  return loadSettings({ role: component, flags: {}, environment: { ...environment, KVCACHE_CONFIG: filePath } });
}

const components = ['shard', 'router'] as const;

describe('the settings of a pod', () => {
  it('are what a process takes, for every spec of the edits', () => {
    let spec: KVCacheSpecInput = everyField;
    for (const edit of fieldEdits) {
      if (edit.effect.kind === 'refused') continue;
      const next = edited(edit.base ?? spec, edit);
      if (edit.base === undefined) spec = next;
      for (const component of components) expect(load(next, component).warnings).toEqual([]);
    }
  });

  it('say what the spec says', () => {
    const { settings } = load(everyField, 'shard');
    expect(settings).toMatchObject({
      'shard.name': 'c-shard-0',
      'data.path': '/var/lib/kvcache',
      'topology.path': '/etc/kvcache/topology/topology.json',
      'memory.limit': 64 * 2 ** 20,
      'disk.size': 230 * 2 ** 20,
      'blob.prefix': 'every/field/c-shard-0',
      'blob.account_key_file': '/etc/kvcache/secrets/blob/account-key',
      'blob.max_unflushed': 115 * 2 ** 20,
      'blob.retention_age': 24 * 3_600_000,
      'blob.retention_size': 2 ** 30,
      'tls.cert_file': '/etc/kvcache/secrets/tls/tls.crt',
      'tls.client_auth': 'optional',
      'link.secret_file': '/etc/kvcache/secrets/link/secret',
      'auth.metrics_open': true,
      'shutdown.grace': 25_000,
    });
    expect(load(everyField, 'router').settings).toMatchObject({
      'router.name': 'c-router-0',
      'router.unavailable_reads': 'miss',
      'shutdown.grace': 10_000,
    });
  });

  it('put blobs under namespace and name where no prefix is given', () => {
    const blob = { identity: { connectionString: { name: 'account' } } };
    expect(load({ blob }, 'shard').settings['blob.prefix']).toBe('n/c/c-shard-0');
  });

  it('name only what the process uses', () => {
    for (const component of components) {
      for (const name of Object.keys(settingsOf(cacheOf(everyField), component))) {
        expect([name, settingOf(name as 'log_level').usedBy]).toEqual([name, expect.arrayContaining([component])]);
      }
    }
  });

  it('close the door of gRPC to others where it is off', () => {
    expect(load({ listeners: { grpc: { enabled: false } } }, 'router').settings['grpc.host']).toBe('127.0.0.1');
  });
});

describe('live settings', () => {
  it('are taken by a running process, also when they go back to their defaults', () => {
    for (const component of components) {
      const live = new LiveSettings(load(everyField, component), component);
      const changed: KVCacheSpecInput = { ...everyField, logLevel: 'debug', eviction: {}, shards: everyField.shards };
      expect(live.update(JSON.stringify(liveSettings(cacheOf(changed), component)))).toBeUndefined();
      expect(live.current.log_level).toBe('debug');
      expect(live.update(JSON.stringify(liveSettings(cacheOf(everyField), component)))).toBeUndefined();
      expect(live.current.log_level).toBe('info');
    }
  });
});

describe('settingsHash', () => {
  it('does not count what has its default, so that one setting more in a newer operator restarts nothing', () => {
    const hash = settingsHash(cacheOf({}), 'shard');
    expect(
      settingsHash(cacheOf({ shards: { fsync: 'everysec' }, listeners: { http: { port: 8_080 } } }), 'shard'),
    ).toBe(hash);
    expect(settingsHash(cacheOf({ shards: { fsync: 'never' } }), 'shard')).not.toBe(hash);
  });

  it('is the same for one amount, however it is written', () => {
    const hashOf = (memory: string | number) => settingsHash(cacheOf({ shards: { memory } }), 'shard');
    expect(hashOf('1024Mi')).toBe(hashOf('1Gi'));
    expect(hashOf(2 ** 30)).toBe(hashOf('1Gi'));
  });
});
