/** The HTTP door of a real shard process: what other doors see of it, and what outlasts the process. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigClient } from '../client/config-client.ts';
import { ShardProcess } from './shard-process.ts';

let shard: ShardProcess;
beforeEach(async () => {
  shard = await ShardProcess.start({ dataPath: mkdtempSync(join(tmpdir(), 'kvcache-http-')) });
});
afterEach(() => shard.dispose());

async function post(path: string, body: object): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${shard.url}/api/v1/${path}`, { method: 'POST', body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}

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
