/** The command line against a real cluster: child processes on both sides. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { KvcacheClient } from '../client/key-client.ts';
import { type GetConfigResponse, KeyValueServiceClient, type UpdateConfigResponse } from '../protos/generated/kv.ts';
import { DevProcess, freePortBase, kvcache, type Outcome, type RunOptions } from './testing/command.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let dev: DevProcess;
let folder: string;
beforeAll(async () => {
  dev = await DevProcess.start({ args: ['--shards', '2'] });
  folder = mkdtempSync(join(tmpdir(), 'kvcache-cli-'));
});
afterAll(async () => {
  await dev?.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const run = (args: readonly string[], options?: RunOptions): Promise<Outcome> => dev.run(args, options);
const jsonOf = async (args: readonly string[]): Promise<unknown> => JSON.parse((await run([...args, '--json'])).out);

describe('one key', () => {
  test('a value is stored, read, counted and deleted', async () => {
    expect(await run(['set', 'greeting', 'hello'])).toMatchObject({ code: 0, out: 'OK\n', err: '' });
    expect(await run(['get', 'greeting'])).toMatchObject({ code: 0, out: 'hello\n', err: '' });
    expect(await run(['exists', 'greeting', 'other'])).toMatchObject({ code: 0, out: '1\n' });
    expect(await run(['del', 'greeting', 'other'])).toMatchObject({ code: 0, out: '1\n' });
    expect(await run(['exists', 'greeting'])).toMatchObject({ code: 3, out: '0\n' });
    expect(await run(['contains', 'greeting', '--json'])).toMatchObject({ code: 3 });
    expect(await run(['delete', 'greeting'])).toMatchObject({ code: 0, out: '0\n' });
  });

  test('a missing key is exit code 3, in words and in JSON', async () => {
    expect(await run(['get', 'absent'])).toMatchObject({ code: 3, out: '', err: 'kvcache: absent is not there\n' });
    expect(await run(['get', 'absent', '--json'])).toMatchObject({ code: 3, out: '{"key":"absent","found":false}\n' });
    expect(await run(['ttl', 'absent'])).toMatchObject({ code: 3, out: '' });
    expect(await run(['expire', 'absent', '5s'])).toMatchObject({ code: 3, out: '' });
  });

  test('expiry is set, shown and taken away', async () => {
    await run(['set', 'short', 'x', '--ttl', '1h']);
    const { ttlMs } = (await jsonOf(['ttl', 'short'])) as { ttlMs: number };
    expect(ttlMs).toBeGreaterThan(3_000_000);
    expect(ttlMs).toBeLessThanOrEqual(3_600_000);
    expect(await run(['expire', 'short', 'never'])).toMatchObject({ code: 0, out: 'OK\n' });
    expect(await run(['ttl', 'short'])).toMatchObject({ code: 0, out: 'never\n' });
    expect(await jsonOf(['ttl', 'short'])).toEqual({ key: 'short', found: true, ttlMs: null });
  });

  test('--nx and --xx store only where they may', async () => {
    expect((await run(['set', 'once', '1', '--xx'])).code).toBe(3);
    expect((await run(['set', 'once', '1', '--nx'])).code).toBe(0);
    expect(await run(['set', 'once', '2', '--nx', '--json'])).toMatchObject({
      code: 3,
      out: '{"key":"once","stored":false,"bytes":1}\n',
    });
    expect((await run(['get', 'once'])).out).toBe('1\n');
  });

  test('bytes come through a pipe, a file and hexadecimal digits unchanged', async () => {
    const bytes = randomBytes(300_000);
    const path = join(folder, 'value.bin');
    writeFileSync(path, bytes);
    await run(['set', 'piped', '-'], { input: bytes });
    await run(['set', 'filed', '--file', path, '--ack', 'blob']);
    for (const key of ['piped', 'filed']) expect((await run(['get', key, '--raw'])).bytes.equals(bytes)).toBe(true);
    await run(['set', '00ff', 'c0ffee00', '--hex']);
    expect((await run(['get', '00ff', '--hex'])).out).toBe('c0ffee00\n');
    expect(await jsonOf(['get', '00ff', '--hex'])).toEqual({
      key: { base64: 'AP8=' },
      found: true,
      value: { base64: 'wP/uAA==' },
    });
  });

  test('a value that is no text is shown with escapes', async () => {
    await run(['set', 'binary', '001b5bff41', '--hex']).then(() => run(['set', '62', '001b5bff41', '--hex']));
    expect((await run(['get', 'b'])).out).toBe('"\\x00\\x1b[\\xffA"\n');
  });
});

describe('many keys', () => {
  test('pairs are stored and read together', async () => {
    expect(await run(['mset', 'm:1', 'one', 'm:2', 'two', '--ttl', '1h'])).toMatchObject({ code: 0, out: 'OK\n' });
    expect((await run(['mget', 'm:1', 'm:none', 'm:2'])).out).toBe(
      'key\tvalue\nm:1\tone\nm:none\t(not there)\nm:2\ttwo\n',
    );
    expect(await jsonOf(['mget', 'm:1', 'm:none'])).toEqual({
      found: 1,
      values: [
        { key: 'm:1', found: true, value: 'one' },
        { key: 'm:none', found: false },
      ],
    });
    const path = join(folder, 'pairs.json');
    writeFileSync(path, JSON.stringify({ 'm:3': 'three', 'm:4': 'four' }));
    expect(await jsonOf(['mset', '--file', path])).toEqual({ stored: 2 });
    expect((await run(['get', 'm:4'])).out).toBe('four\n');
  });

  test('a key or a value may hold =', async () => {
    expect(await run(['mset', 'x=y', '1', 'plain', 'p=q'])).toMatchObject({ code: 0, out: 'OK\n' });
    expect((await run(['mget', 'x=y', 'plain'])).out).toBe('key\tvalue\nx=y\t1\nplain\tp=q\n');
    expect((await run(['del', 'x=y', 'plain'])).code).toBe(0);
  });

  test('a prefix is scanned over all shards, to a limit, with values, as JSON', async () => {
    const pairs = Array.from({ length: 30 }, (_, index) => [`scan:${index}`, `${index}`]).flat();
    await run(['mset', ...pairs]);
    const lines = (await run(['scan', 'scan:'])).out.trim().split('\n');
    expect(lines.sort()).toEqual(Array.from({ length: 30 }, (_, index) => `scan:${index}`).sort());
    const limited = await run(['scan', 'scan:', '--limit', '7']);
    expect(limited.out.trim().split('\n')).toHaveLength(7);
    expect(limited.err).toBe('kvcache: ended at 7 keys; --limit 0 prints all\n');
    const json = (await jsonOf(['scan', 'scan:', '--values'])) as { items: { key: string; value: string }[] };
    expect(json.items.every(({ key, value }) => key === `scan:${value}`)).toBe(true);
    expect(json).toMatchObject({ prefix: 'scan:', count: 30 });
    expect(await jsonOf(['scan', 'nothing:'])).toEqual({ prefix: 'nothing:', items: [], count: 0 });
  });
});

describe('the cluster', () => {
  test('status shows every process and shard; slots and keys add up', async () => {
    await run(['set', 'counted', 'x']);
    const status = (await jsonOf(['status'])) as {
      reachable: boolean;
      processes: { id: string }[];
      shards: { name: string; slots: number; keys: number; blob: { state: string } }[];
    };
    expect(status.reachable).toBe(true);
    expect(status.processes.map(({ id }) => id)).toEqual(['supervisor', 'azurite', 'shard-0', 'shard-1', 'router']);
    expect(status.shards.reduce((sum, { slots }) => sum + slots, 0)).toBe(16_384);
    expect(status.shards.reduce((sum, { keys }) => sum + keys, 0)).toBeGreaterThan(0);
    expect(status.shards.map(({ blob }) => blob.state)).toEqual(['available', 'available']);
    const table = (await run(['status'])).out;
    expect(table).toMatch(/^process\tpid\tstate\trestarts\taddresses\tdata$/m);
    expect(table).toMatch(/^shard-1\t1\t8192\t/m);
  });

  test('status --watch looks again and again', async () => {
    const args = ['status', '--watch', '100ms', '--json', '--port-base', `${dev.portBase}`];
    const watching = spawn(resolve(import.meta.dirname, '../bin/kvcache'), args, {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: watching.stdout })[Symbol.asyncIterator]();
    for (let look = 0; look < 3; look++) {
      expect(JSON.parse((await lines.next()).value as string)).toMatchObject({ reachable: true });
    }
    watching.kill('SIGINT');
    expect(await once(watching, 'exit')).toEqual([130, null]);
  });

  test('it is found by --server, by the port base, and by KVSTORE_GRPC_SERVER', async () => {
    const server = `localhost:${dev.portBase}`;
    const found = await Promise.all([
      kvcache(['exists', 'x', '--server', server]),
      kvcache(['exists', 'x', '--port-base', `${dev.portBase}`], { environment: { KVSTORE_GRPC_SERVER: 'nowhere:1' } }),
      kvcache(['exists', 'x'], { environment: { KVSTORE_GRPC_SERVER: server } }),
    ]);
    expect(found.map(({ out }) => out)).toEqual(['0\n', '0\n', '0\n']);
  });

  test('a setting changed at the router is in force on every shard', async () => {
    const client = new KeyValueServiceClient(`127.0.0.1:${dev.portBase}`, credentials.createInsecure());
    const update = (config: string): Promise<UpdateConfigResponse> =>
      new Promise((resolve, reject) => {
        client.updateConfig({ config }, (error, response) => (error ? reject(error) : resolve(response)));
      });
    const read = (): Promise<GetConfigResponse> =>
      new Promise((resolve, reject) => {
        client.getConfig({}, (error, response) => (error ? reject(error) : resolve(response)));
      });
    try {
      const changed = await update('{"eviction":{"batch_size":42},"log_level":"debug"}');
      expect(changed).toMatchObject({ success: true, error: '' });
      const refused = await update('{"grpc":{"port":1}}');
      expect(refused).toMatchObject({ success: false });
      expect(refused.error).toContain('grpc.port does not change while the router runs');
      expect(JSON.parse((await read()).config)).toMatchObject({
        grpc: { port: dev.portBase },
        eviction: { batch_size: 42 },
      });
    } finally {
      client.close();
    }
    for (const id of ['shard-0', 'shard-1']) {
      const server = (await dev.processes()).find((record) => record.id === id)!.addresses.grpc!;
      using shard = new KvcacheClient({ server });
      const reply = await shard.command('SETTINGS.GET', []);
      expect(JSON.parse((reply as Buffer).toString())).toMatchObject({
        eviction: { batch_size: 42 },
        log_level: 'debug',
      });
    }
  });

  test('config shows what a named cluster runs with, and changes what may change on all of it', async () => {
    const set = await run(['config', 'set', 'eviction.batch_size', '43', 'blob.full_wait', '2s']);
    expect(set).toMatchObject({
      code: 0,
      err: '',
      out: 'setting\tvalue\neviction.batch_size\t43\nblob.full_wait\t2s\n',
    });
    const shown = await run(['config']);
    expect(shown.out.split('\n')).toEqual(
      expect.arrayContaining([
        'setting\tvalue\tchanges while running',
        'eviction.batch_size\t43\tyes',
        `grpc.port\t${dev.portBase}\tno`,
      ]),
    );
    expect(await jsonOf(['config'])).toMatchObject({ settings: { eviction: { batch_size: 43 } } });
    expect(await jsonOf(['config', 'set', 'log_level', 'info'])).toMatchObject({ changed: { log_level: 'info' } });
    expect((await run(['config', '--role', 'shard'])).out).toContain('eviction.batch_size\t100\tdefault');
  });

  test.each([
    [['disk.size', '1GiB', 'eviction.batch_size', '44'], 'disk.size does not change while the shard runs'],
    [['eviction.batch_size', '44', 'log_level', 'loud'], "log_level is 'loud'; it must be silent"],
    [['eviction.bach_size', '44'], 'eviction.bach_size is no setting; did you mean eviction.batch_size?'],
    [['cache.enabled', 'true'], 'cache.enabled cannot change: Accepted so that files'],
    [['log_level'], 'give names and values in turn'],
    [['log_level', 'info', 'log_level', 'debug'], 'log_level is given twice'],
  ])('config set %j is refused as a whole', async (words, message) => {
    const { code, err } = await run(['config', 'set', ...words]);
    expect(err).toContain(message);
    expect(code).toBe(2);
    expect(await jsonOf(['config'])).toMatchObject({ settings: { eviction: { batch_size: 43 } } });
  });

  test('everything written is in Blob after flush', async () => {
    expect(await run(['flush'])).toMatchObject({ code: 0, out: 'OK\n' });
    const { shards } = (await jsonOf(['status'])) as { shards: { blob: { unflushedBytes: number } }[] };
    expect(shards.map(({ blob }) => blob.unflushedBytes)).toEqual([0, 0]);
  });

  test('a cluster that is not there is exit code 4 and one sentence', async () => {
    const server = `localhost:${await freePortBase()}`;
    const { code, err } = await kvcache(['get', 'x', '--server', server]);
    expect(code).toBe(4);
    expect(err).toMatch(
      /^kvcache: cannot reach the cluster at localhost:\d+ \(connect ECONNREFUSED .*\); start one with/,
    );
    expect(err.trim().split('\n')).toHaveLength(1);
    const json = await kvcache(['status', '--json', '--server', server]);
    expect(json.code).toBe(4);
    expect(JSON.parse(json.err)).toMatchObject({ error: { code: 'UNAVAILABLE' } });
  });
});

describe('usage', () => {
  test.each([
    [['gte'], "unknown command 'gte'"],
    [['get'], "missing required argument 'key'"],
    [['get', 'a', '--jsno'], "unknown option '--jsno'"],
    [['set', 'a'], 'give the value as an argument, as - for standard input, or with --file'],
    [['status', '--watch', '1ms'], "--watch takes a duration such as 500ms or 2s, 100ms at least, not '1ms'"],
    [['set', 'a', 'b', '--ttl', 'soon'], "'soon' is no time to live; it must be a duration such as 500ms, 60s or 2h"],
    [['set', '61', 'xyz', '--hex'], "'xyz' is not hexadecimal"],
    [['mset', 'a'], 'give keys and values in turn'],
    [['mset', 'a=1', 'b=2'], "keys and values go in turn, without '=', such as a 1 b 2"],
    [['mset', 'a=1'], "keys and values go in turn, without '=', such as a 1;"],
    [['scan', '--limit', 'many'], "--limit is 'many'; it must be a whole number, 0 for all"],
    [['get', 'a', '--server', 'nowhere'], "client.server is 'nowhere' (flag --server); it must be an address"],
    [['get', 'a', '--config', '/missing.yaml'], 'the settings file /missing.yaml cannot be read'],
  ])('%j is exit code 2 and says what would be right', async (args, message) => {
    const { code, err } = await kvcache(args);
    expect(err).toContain(message);
    expect(err).not.toMatch(/^\s+at /m);
    expect(code).toBe(2);
  });

  test('every command has help with examples', async () => {
    const { out, code } = await kvcache(['--help']);
    expect(code).toBe(0);
    const names = [...out.matchAll(/^ {2}(\w+) (?:\[options\]|\[)/gm)].map((match) => match[1]!);
    expect(names).toEqual(expect.arrayContaining(['dev', 'shard', 'router', 'get', 'set', 'status', 'playground']));
    const helps = await Promise.all(
      names.filter((name) => name !== 'version').map((name) => kvcache([name, '--help'])),
    );
    for (const help of helps)
      expect(help).toMatchObject({ code: 0, out: expect.stringContaining('Examples:') as string });
  });

  test('config shows settings with their source and hides secrets', async () => {
    const environment = { KVCACHE_BLOB_ACCOUNT_URL: 'https://a', KVCACHE_BLOB_ACCOUNT_KEY: 'c2VjcmV0' };
    const { out, code } = await kvcache(['config', '--given', '--disk-size', '2GiB'], { environment });
    expect(out.split('\n')).toEqual([
      'setting\tvalue\tsource',
      'disk.size\t2GiB\tflag --disk-size',
      'blob.account_url\thttps://a\tenvironment KVCACHE_BLOB_ACCOUNT_URL',
      'blob.account_key\t********\tenvironment KVCACHE_BLOB_ACCOUNT_KEY',
      '',
    ]);
    expect(code).toBe(0);
    const json = await kvcache(['config', '--role', 'router', '--json']);
    expect(JSON.parse(json.out)).toMatchObject({ role: 'router', settings: { grpc: { port: 50_051 } } });
  });

  test('version names the program and its Node', async () => {
    expect((await kvcache(['version'])).out).toMatch(/^kvcache \d+\.\d+\.\d+, Node 26\./);
    expect((await kvcache(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
