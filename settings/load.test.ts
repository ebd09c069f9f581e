import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KvcacheError } from '../errors.ts';
import { describeSource, type LoadedSettings, loadSettings, settingNamed, type SettingsInput } from './load.ts';
import { settingNames, settingOf } from './schema.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvcache-settings-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function fileOf(content: string): string {
  const path = join(folder, `settings-${files++}.yaml`);
  writeFileSync(path, content);
  return path;
}

function load(input: Partial<SettingsInput>): LoadedSettings {
  return loadSettings({ role: 'shard', flags: {}, environment: {}, ...input });
}

function faultsOf(input: Partial<SettingsInput>): string[] {
  try {
    load(input);
  } catch (error) {
    expect(error).toBeInstanceOf(KvcacheError);
    expect((error as KvcacheError).code).toBe('CONFIG');
    return (error as KvcacheError).message.split('\n');
  }
  throw new Error('the settings were accepted');
}

describe('where a value comes from', () => {
  test('a flag wins over the environment, the environment over the file, the file over the default', () => {
    const filePath = fileOf('grpc:\n  port: 1001\nhttp.port: 1002\nlink:\n  port: 1003\n');
    const { settings, sources } = load({
      filePath,
      environment: { KVCACHE_GRPC_PORT: '2001', KVCACHE_HTTP_PORT: '2002' },
      flags: { 'grpc-port': '3001' },
    });
    expect(settings['grpc.port']).toBe(3001);
    expect(settings['http.port']).toBe(2002);
    expect(settings['link.port']).toBe(1003);
    expect(settings['disk.size']).toBe(10 * 1024 ** 3);
    expect(describeSource(sources.get('grpc.port')!)).toBe('flag --grpc-port');
    expect(describeSource(sources.get('http.port')!)).toBe('environment KVCACHE_HTTP_PORT');
    expect(describeSource(sources.get('link.port')!)).toBe(`file ${filePath}`);
    expect(describeSource(sources.get('disk.size')!)).toBe('default');
    expect(describeSource(sources.get('hot.size')!)).toBe('derived');
  });

  test('the file may be JSON, nested, with dotted names or flat, and named by the environment', () => {
    const filePath = fileOf(JSON.stringify({ grpc: { port: 7001 }, 'http.port': 7002, resp_port: 7003 }));
    const { settings } = load({ environment: { KVCACHE_CONFIG: filePath } });
    expect([settings['grpc.port'], settings['http.port'], settings['resp.port']]).toEqual([7001, 7002, 7003]);
  });

  test('every setting has a flat name of its own, and so has every alias', () => {
    for (const name of settingNames) {
      for (const written of [name, ...(settingOf(name).aliases.names ?? [])]) {
        expect(settingNamed(written.replaceAll('.', '_')), written).toBe(name);
      }
    }
  });

  test('an empty file and empty variables change nothing', () => {
    const { given } = load({ filePath: fileOf(''), environment: { KVCACHE_GRPC_PORT: '' } });
    expect(given).toEqual({});
  });

  test('names of the other systems are aliases', () => {
    const filePath = fileOf(
      'rocksdb:\n  path: /srv/kv\n  options: {}\nvalue: {disk_threshold: 1048576, disk_path: ./v}\n' +
        'eviction: {enabled: true, disk_usage_threshold: 75, check_interval: 30, batch_size: 50}\n' +
        'cache: {enabled: true, size_threshold: 10240}\nbatch: {max_size: 500}\n',
    );
    const { settings } = load({ filePath, flags: { port: '6000', threads: '8' } });
    expect(settings['data.path']).toBe('/srv/kv');
    expect(settings['value.disk_threshold']).toBe(1_048_576);
    expect(settings['eviction.disk_usage_threshold']).toBe(75);
    expect(settings['eviction.check_interval']).toBe(30_000);
    expect(settings['eviction.batch_size']).toBe(50);
    expect(settings['grpc.port']).toBe(6000);
    expect(load({ flags: { 'data-dir': '/d' } }).settings['data.path']).toBe('/d');
    expect(load({ role: 'client', environment: { KVSTORE_GRPC_SERVER: 'kv:1' } }).settings['client.server']).toBe(
      'kv:1',
    );
    expect(load({ role: 'client', environment: { KV_PASSWORD: 'sesame' } }).settings['client.password']).toBe('sesame');
  });

  test('KV_PASSWORD is the password of servers and of commands alike, and each one’s own variable wins', () => {
    const environment = { KV_PASSWORD: 'sesame', KVSTORE_GRPC_SERVER: 'kv:1' };
    for (const role of ['shard', 'router', 'dev'] as const) {
      expect(load({ role, environment }).given).toEqual({ 'auth.password': 'sesame' });
      const both = { KVCACHE_AUTH_PASSWORD: 'open', ...environment };
      expect(load({ role, environment: both }).settings['auth.password']).toBe('open');
    }
    expect(load({ role: 'operator', environment }).given).toEqual({});
  });

  test('a credential of a stronger source takes the place of all others', () => {
    const environment = { KV_PASSWORD: 'sesame' };
    const filePath = fileOf('auth: {password_file: /f}');
    expect(load({ role: 'shard', filePath, environment }).given).toEqual({ 'auth.password': 'sesame' });
    expect(load({ role: 'client', environment, flags: { 'token-file': '/t' } }).given).toEqual({
      'client.token_file': '/t',
    });
    expect(load({ role: 'client', environment, flags: { 'password-file': '/p' } }).given).toEqual({
      'client.password_file': '/p',
    });
    expect(faultsOf({ environment: { ...environment, KVCACHE_AUTH_PASSWORD_FILE: '/f' } })).toEqual([
      'auth.password and auth.password_file are both given; keep one of them',
    ]);
  });

  test('metrics are turned off by either name, and the one of our own wins', () => {
    expect(load({}).settings['monitoring.enabled']).toBe(true);
    expect(load({ flags: { 'disable-metrics': true } }).settings['monitoring.enabled']).toBe(false);
    const both = { 'disable-metrics': true, 'monitoring-enabled': true };
    expect(load({ flags: both }).settings['monitoring.enabled']).toBe(true);
  });

  test('variables of another role and of Kubernetes service links are skipped', () => {
    const environment = { KVCACHE_BLOB_CONTAINER: 'NOT A NAME', KVCACHE_GRPC_PORT: 'tcp://10.0.0.1:50051' };
    expect(load({ role: 'router', environment }).settings['grpc.port']).toBe(50_051);
  });

  test('a variable that looks like a mistyped one is a warning, any other is not ours', () => {
    const { warnings } = load({ environment: { KVCACHE_MEMROY_LIMIT: '1GiB', KVCACHE_SERVICE_HOST: '10.0.0.1' } });
    expect(warnings).toEqual(['KVCACHE_MEMROY_LIMIT is no setting; did you mean KVCACHE_MEMORY_LIMIT?']);
  });
});

describe('defaults that follow from others', () => {
  test('a segment is an eighth of a small disk and 256 MiB of a large one', () => {
    expect(load({ flags: { 'disk-size': '256MiB' } }).settings['log.segment_size']).toBe(32 * 1024 ** 2);
    expect(load({ flags: { 'memory-limit': '256MiB' } }).settings['log.segment_size']).toBe(64 * 1024 ** 2);
    expect(load({}).settings['log.segment_size']).toBe(256 * 1024 ** 2);
  });

  test('unflushed bytes are bound by half the disk, a percentage of it, or bytes', () => {
    const flags = { 'disk-size': '1GiB' };
    expect(load({ flags }).settings['blob.max_unflushed']).toBe(512 * 1024 ** 2);
    expect(load({ flags: { ...flags, 'blob-max-unflushed': '25%' } }).settings['blob.max_unflushed']).toBe(
      256 * 1024 ** 2,
    );
    expect(load({ flags: { ...flags, 'blob-max-unflushed': '64MiB' } }).settings['blob.max_unflushed']).toBe(
      64 * 1024 ** 2,
    );
    expect(load({ flags: { ...flags, 'blob-max-unflushed': '9GiB' } }).settings['blob.max_unflushed']).toBe(1024 ** 3);
  });

  test('the prefix in Blob is the name of the shard', () => {
    expect(load({ flags: { 'shard-name': 'shard-7' } }).settings['blob.prefix']).toBe('shard-7');
  });
});

describe('faults', () => {
  const cases: [string, Record<string, unknown>, string][] = [
    ['a port', { 'grpc-port': '70000' }, "grpc.port is '70000' (flag --grpc-port); it must be a port, from 0 to 65535"],
    ['an alias', { port: 'x' }, "grpc.port is 'x' (flag --port); it must be a port, from 0 to 65535"],
    [
      'a size',
      { 'memory-limit': '12 parsecs' },
      "memory.limit is '12 parsecs' (flag --memory-limit); it must be a size such as 64MiB, 1GB or a number of bytes, at least 64MiB",
    ],
    [
      'a size out of range',
      { 'log-segment-size': '1GiB' },
      "log.segment_size is '1GiB' (flag --log-segment-size); it must be a size such as 64MiB, 1GB or a number of bytes, from 1MiB to 256MiB",
    ],
    [
      'a duration',
      { 'eviction-check-interval': 'soon' },
      "eviction.check_interval is 'soon' (flag --eviction-check-interval); it must be a duration such as 500ms, 60s, 2h or a number of seconds, at least 100ms",
    ],
    [
      'a percentage',
      { 'eviction-disk-usage-threshold': '180%' },
      "eviction.disk_usage_threshold is '180%' (flag --eviction-disk-usage-threshold); it must be a percentage such as 80, 80% or 0.8, at least 1%",
    ],
    [
      'a share',
      { 'log-compaction-ratio': '3' },
      "log.compaction_ratio is '3' (flag --log-compaction-ratio); it must be a share such as 0.5 or 50%, at least 0.05",
    ],
    [
      'a size or share',
      { 'blob-max-unflushed': 'half' },
      "blob.max_unflushed is 'half' (flag --blob-max-unflushed); it must be a size such as 5GiB, or a percentage of disk.size such as 50%",
    ],
    [
      'a choice',
      { acknowledgement: 'paper' },
      "acknowledgement is 'paper' (flag --acknowledgement); it must be memory, disk or blob",
    ],
    [
      'a whole number',
      { 'eviction-batch-size': '1.5' },
      "eviction.batch_size is '1.5' (flag --eviction-batch-size); it must be a whole number, from 1 to 100000",
    ],
    [
      'a boolean',
      { 'eviction-enabled': 'maybe' },
      "eviction.enabled is 'maybe' (flag --eviction-enabled); it must be true or false",
    ],
    [
      'text',
      { 'shard-name': '' },
      "shard.name is '' (flag --shard-name); it must be a name of lower-case letters, digits, - and . such as shard-0",
    ],
    [
      'a path',
      { 'monitoring-metrics-path': 'metrics' },
      "monitoring.metrics_path is 'metrics' (flag --monitoring-metrics-path); it must be a path that begins with /",
    ],
    [
      'a hot tier above the memory it is part of',
      { 'memory-limit': '1GiB', 'hot-size': '2GiB' },
      'hot.size (2GiB) is above memory.limit (1GiB), of which it is a part; lower the first or raise the second',
    ],
    [
      'segments that leave no room to compact',
      { 'disk-size': '64MiB', 'log-segment-size': '32MiB' },
      'log.segment_size (32MiB) is above a quarter of disk.size (64MiB); lower the first or raise the second',
    ],
    [
      'two Blob accounts',
      { 'blob-connection-string': 'AccountName=a', 'blob-account-url': 'https://a' },
      'blob.connection_string and blob.account_url are both given; keep one of them',
    ],
    [
      'a key without an account',
      { 'blob-account-key': 'a2V5' },
      'blob.account_key and blob.sas belong to blob.account_url, which is missing; set it to the account’s URL',
    ],
    [
      'two secrets for one account',
      { 'blob-account-url': 'https://a', 'blob-account-key': 'a2V5', 'blob-sas': 'sig=1' },
      'blob.account_key and blob.sas are both given; keep one of them',
    ],
    [
      'a secret and a file with it',
      { 'blob-connection-string': 'AccountName=a', 'blob-connection-string-file': '/secret' },
      'blob.connection_string and blob.connection_string_file are both given; keep one of them',
    ],
    [
      'acknowledgement by Blob without Blob',
      { acknowledgement: 'blob' },
      "acknowledgement is 'blob' and no Blob account is configured; set blob.connection_string or blob.account_url",
    ],
  ];
  test.each(cases)('%s tells what would be right', (_, flags, fault) => {
    expect(faultsOf({ flags })).toEqual([fault]);
  });

  test('all are told at once, whatever their source', () => {
    const filePath = fileOf('grpc: {port: [1]}\nhttp: {prot: 8080}\n');
    expect(faultsOf({ filePath, environment: { KVCACHE_DISK_SIZE: '1M' }, flags: { 'log-level': 'loud' } })).toEqual([
      `http.prot (file ${filePath}) is no setting; did you mean http.port?`,
      `grpc.port is '[1]' (file ${filePath}); it must be a port, from 0 to 65535`,
      "disk.size is '1M' (environment KVCACHE_DISK_SIZE); it must be a size such as 64MiB, 1GB or a number of bytes, at least 16MiB",
      "log_level is 'loud' (flag --log-level); it must be silent, fatal, error, warn, info, verbose, debug or trace",
    ]);
  });

  test('a secret is never part of the message', () => {
    const secret = 'not base64, and secret!';
    const faults = faultsOf({ flags: { 'blob-account-url': 'https://a', 'blob-account-key': secret } });
    expect(faults).toEqual([
      'blob.account_key is not right (flag --blob-account-key); it must be a storage account key in base64',
    ]);
  });

  test('a setting given twice in a file is told with both names', () => {
    const filePath = fileOf('data.path: /a\nrocksdb.path: /b\n');
    expect(faultsOf({ filePath })).toEqual([
      `data.path is given twice (file ${filePath}), as data.path and as rocksdb.path; keep one of them`,
    ]);
  });

  test('a file that is missing, no YAML, or no map is told by its path', () => {
    const missing = join(folder, 'missing.yaml');
    expect(faultsOf({ filePath: missing })[0]).toContain(`the settings file ${missing} cannot be read: ENOENT`);
    const broken = fileOf('a: [1\nb: 2');
    expect(faultsOf({ filePath: broken })[0]).toContain(`the settings file ${broken} is neither YAML nor JSON`);
    const list = fileOf('- 1');
    expect(faultsOf({ filePath: list })[0]).toContain(`the settings file ${list} must be a map of settings`);
  });
});
