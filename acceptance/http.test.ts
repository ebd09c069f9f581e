/** The HTTP door of a real shard process: what other doors see of it, and what outlasts the process. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { ConfigClient } from '../client/config-client.ts';
import { ShardProcess } from './shard-process.ts';

let shard: ShardProcess;
beforeAll(async () => {
  shard = await ShardProcess.start({ dataPath: mkdtempSync(join(tmpdir(), 'kvcache-http-')) });
});
afterAll(() => shard.dispose());

async function post(path: string, body: object): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${shard.url}/api/v1/${path}`, { method: 'POST', body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}

async function get(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${shard.url}/api/v1/${path}`);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

test('the cluster and its figures are told as JSON', async () => {
  await post('set', { key: 'k', value: 'x' });
  expect((await get('cluster')).body).toMatchObject({
    role: 'shard',
    name: 'shard-0',
    moving: 0,
    shards: [{ name: 'shard-0', slots: 16_384 }],
    slots: [{ from: 0, to: 16_383, shard: 'shard-0' }],
  });
  const { body } = await get('stats');
  expect(body).toMatchObject({
    process: { role: 'shard' },
    commands: { set: { count: 1, errors: 0 } },
    shards: [{ name: 'shard-0', keys: 1, evictions: { copies: 0, keys: 0, files: 0 } }],
  });
  const { latency } = (body['commands'] as Record<string, { latency: number[] }>)['set']!;
  expect(latency.reduce((sum, count) => sum + count, 0)).toBe(1);
});

test('what HTTP writes gRPC reads, and the other way round', async () => {
  const client = shard.keyClient();
  expect(await post('set', { key: 'by-http', value: 'grün', ttl: 100 })).toMatchObject({ status: 200 });
  expect((await client.get('by-http'))?.toString()).toBe('grün');
  expect(await client.ttl('by-http')).toBeGreaterThan(98);
  await client.set('by-grpc', Buffer.from([0xff]));
  const read = await fetch(`${shard.url}/api/v1/get/by-grpc`);
  expect(await read.json()).toEqual({ key: 'by-grpc', value: '/w==', encoding: 'base64' });
});

test('a change of settings is one for both doors, and outlasts a process that is killed', async () => {
  const changed = await post('config', { eviction: { batch_size: 7 }, 'blob.full_wait': 9 });
  expect(changed).toMatchObject({
    status: 200,
    body: { success: true, message: 'config updated successfully', config: { eviction: { batch_size: 7 } } },
  });
  const refused = await post('config', { grpc: { port: 1 }, eviction: { batch_size: 8 } });
  expect(refused).toEqual({
    status: 400,
    body: {
      error: 'invalid request: grpc.port does not change while the shard runs; start it again with the new value',
    },
  });
  using client = new ConfigClient({ server: shard.server });
  expect(await client.read()).toMatchObject({ eviction: { batch_size: 7 }, blob: { full_wait: 9 } });
  await client.update({ log_level: 'debug' });

  await shard.end('SIGKILL');
  await shard.restart();
  const after = await (await fetch(`${shard.url}/api/v1/config`)).json();
  expect(after).toMatchObject({ eviction: { batch_size: 7 }, blob: { full_wait: 9 }, log_level: 'debug' });

  await shard.end('SIGTERM');
  await shard.restart({ 'eviction.batch_size': 50 });
  const given = await (await fetch(`${shard.url}/api/v1/config`)).json();
  expect(given).toMatchObject({ eviction: { batch_size: 50 }, blob: { full_wait: 9 } });
});

test('a key tells its type, its size, how long it lives and where it is', async () => {
  await post('set', { key: 'a/b', value: 'grün '.repeat(10), ttl: 100 });
  const { body } = await get('keys/a/b?preview=3');
  // The preview ends before the character that it would cut.
  expect(body).toMatchObject({ key: 'a/b', type: 'bytes', bytes: 60, tier: 'ram', shard: 'shard-0', value: 'gr' });
  expect(body).toMatchObject({ is_truncated: true });
  expect(body['ttl_ms']).toBeGreaterThan(98_000);
  expect(await get('keys/none')).toEqual({ status: 404, body: { error: 'key not found: none' } });
});

test('a value of any bytes goes up and comes down as it is, and cold ones are found on disk', async () => {
  const value = Buffer.alloc(5_000_000, 0xfe);
  const put = await fetch(`${shard.url}/api/v1/values/%ff?ttl=0`, { method: 'PUT', body: value });
  expect([put.status, await put.json()]).toEqual([200, { success: true, message: 'key set successfully' }]);
  await shard.end('SIGTERM');
  await shard.restart();
  expect((await get('keys/%ff')).body).toMatchObject({ key: '/w==', encoding: 'base64', tier: 'disk', ttl_ms: -1 });
  const read = await fetch(`${shard.url}/api/v1/values/%ff`);
  expect(read.headers.get('content-disposition')).toBe('attachment');
  expect(Buffer.from(await read.arrayBuffer()).equals(value)).toBe(true);
});

test('a prompt shows which of its blocks are cached, by text and by tokens', async () => {
  const client = shard.promptClient();
  const text = 'the quick brown fox jumps over the lazy dog and '.repeat(60);
  const scope = { account_url: 'https://acceptance.example', container_name: 'acceptance', partition_key: 'p' };
  const before = await post('blocks/lookup', { ...scope, text });
  expect(before).toMatchObject({ status: 200, body: { block_count: 4, cached_blocks: 0 } });
  const { loadEncoding } = await import('../tokenizer/encodings.ts');
  const tokens = (await loadEncoding('cl100k_base')).encode(text);
  await client.writeAsync({
    hash: 5n,
    parentHash: 0n,
    partitionKey: 'p',
    completionId: '',
    tokens: tokens.slice(0, 128).map(BigInt),
    buffer: Buffer.alloc(1_000),
  });
  for (const prompt of [{ text }, { tokens }]) {
    const { body } = await post('blocks/lookup', { ...scope, ...prompt });
    expect(body).toMatchObject({ token_count: tokens.length, block_count: 4, cached_blocks: 1 });
    const [first, second] = (body as { blocks: object[] }).blocks;
    const version = { hash: '5', parent: '0', is_in_chain: true, bytes: 1_000, tier: 'ram' };
    expect(first).toMatchObject({ index: 0, shard: 'shard-0', versions: [version] });
    expect(second).toMatchObject({ index: 1, versions: [] });
  }
  expect(await post('blocks/lookup', { ...scope, container_name: '' })).toMatchObject({ status: 400 });
  expect(await post('blocks/lookup', scope)).toMatchObject({
    status: 400,
    body: { error: 'invalid request: text or tokens is required' },
  });
});

test('every answer is as the document says', async () => {
  const { paths } = (await (await fetch(`${shard.url}/openapi.json`)).json()) as {
    paths: Record<
      string,
      Record<string, { responses: Record<string, { content?: Record<string, { schema?: object }> }> }>
    >;
  };
  await post('set', { key: 'k', value: '[1' });
  for (const path of ['cluster', 'stats', 'keys/k', 'keys', 'scan', 'config', 'get/k']) {
    const { status, body } = await get(path);
    const documented = `/api/v1/${path.replace('/k', '/{key}')}`;
    const schema = paths[documented]!['get']!.responses[status]!.content!['application/json']!.schema!;
    expect(z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(body).error).toBeUndefined();
  }
});
