/**
 * A shard with little memory, and many more small keys than its index may have: keys go, the process stays within what its
 * pod may have, and what came last is there.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodedRequest } from '../doors/resp/testing/requests.ts';
import { RespClient } from '../doors/resp/testing/resp-client.ts';
import { cacheOf } from '../operator/manifests/testing/cache.ts';
import { shardPodMemoryBytes } from '../operator/manifests/resources.ts';
import { ResidentMemory } from './resident-memory.ts';
import { ShardProcess } from './shard-process.ts';

const memoryMebibytes = 256;
const keys = 600_000;
const batch = 2_000;
const value = Buffer.alloc(100, 'v');

let shard: ShardProcess;
let memory: ResidentMemory;

beforeAll(async () => {
  shard = await ShardProcess.start({
    dataPath: mkdtempSync(join(tmpdir(), 'kvcache-small-limit-')),
    settings: { 'memory.limit': memoryMebibytes * 2 ** 20 },
  });
  memory = new ResidentMemory(shard.pid);
});
afterAll(async () => {
  memory?.[Symbol.dispose]();
  await shard?.dispose();
});

test('new keys take a shard of 256 MiB no further than its pod may go', { timeout: 240_000 }, async () => {
  const client = await RespClient.open(shard.portOf('resp'));
  for (let from = 0; from < keys; from += batch) {
    const requests = Array.from({ length: batch }, (_, index) => encodedRequest(['SET', `key:${from + index}`, value]));
    client.write(Buffer.concat(requests));
    await client.expect('+OK\r\n'.repeat(batch));
  }
  client.send('GET', `key:${keys - 1}`);
  await client.expect(`$100\r\n${value.toString()}\r\n`);
  client.socket.destroy();
  const { keys: left } = await shard.info();
  expect(left).toBeLessThan(keys / 2);
  expect(left).toBeGreaterThan(100_000);
  const { spec } = cacheOf({ shards: { memory: `${memoryMebibytes}Mi` } });
  expect(memory.peakBytes).toBeLessThanOrEqual(shardPodMemoryBytes(spec.shards.memory));
});
