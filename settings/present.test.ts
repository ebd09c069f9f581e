import { expect, test } from 'vitest';
import { loadSettings } from './load.ts';
import { environmentFor, mask, nestedSettings, settingRows } from './present.ts';

const flags = {
  'blob-account-url': 'https://account.blob.core.windows.net',
  'blob-account-key': 'c2VjcmV0',
  'eviction-check-interval': '90s',
  'memory-limit': '256MiB',
  'blob-max-unflushed': '25%',
};

test('secrets are masked wherever settings are shown', () => {
  const { settings, sources } = loadSettings({ role: 'shard', flags, environment: {} });
  const shown = JSON.stringify([settingRows(settings, sources, 'shard'), nestedSettings(settings, 'shard')]);
  expect(shown).not.toContain('c2VjcmV0');
  expect(shown).toContain(mask);
});

test('nested settings are those of the role, durations in seconds', () => {
  const { settings } = loadSettings({ role: 'shard', flags, environment: {} });
  expect(nestedSettings(settings, 'shard')).toMatchObject({
    grpc: { port: 50_051 },
    eviction: { enabled: true, disk_usage_threshold: 80, check_interval: 90, batch_size: 100 },
    blob: { account_key: mask },
  });
  expect(nestedSettings(settings, 'router')).not.toHaveProperty('eviction');
});

test('what a child gets in its environment loads as the same settings', () => {
  const { given } = loadSettings({ role: 'dev', flags, environment: {} });
  const environment = environmentFor(given, 'shard');
  expect(Object.keys(environment).sort()).toEqual([
    'KVCACHE_BLOB_ACCOUNT_KEY',
    'KVCACHE_BLOB_ACCOUNT_URL',
    'KVCACHE_BLOB_MAX_UNFLUSHED',
    'KVCACHE_EVICTION_CHECK_INTERVAL',
    'KVCACHE_MEMORY_LIMIT',
  ]);
  expect(loadSettings({ role: 'shard', flags: {}, environment }).given).toEqual(given);
});
