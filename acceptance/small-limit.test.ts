/**
 * A shard with little memory, and many more small keys than its index may have: keys go, the process stays within what its
 * pod may have, and what came last is there.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { encodedRequest } from '../doors/resp/testing/requests.ts';
import { RespClient } from '../doors/resp/testing/resp-client.ts';
import { cacheOf } from '../operator/manifests/testing/cache.ts';
import { shardPodMemoryBytes } from '../operator/manifests/resources.ts';
import { ResidentMemory } from './resident-memory.ts';
import { ShardProcess } from './shard-process.ts';

const keys = 600_000;
const batch = 2_000;
const value = Buffer.alloc(100, 'v');
/** Limits of memory in MiB, and for how many keys the index has room at least. */
const limits = [
  { mebibytes: 64, keysMin: 30_000 },
  { mebibytes: 256, keysMin: 100_000 },
];

for (const { mebibytes, keysMin } of limits) {
  test(`new keys take a shard of ${mebibytes} MiB no further than its pod may go`, { timeout: 240_000 }, async () => {
    await using shard = await startShard(mebibytes);
    using memory = new ResidentMemory(shard.pid);
    const client = await RespClient.open(shard.portOf('resp'));
    for (let from = 0; from < keys; from += batch) {
      client.write(requestsFrom(from));
      await client.expect('+OK\r\n'.repeat(batch));
    }
    client.send('GET', `key:${keys - 1}`);
    await client.expect(`$100\r\n${value.toString()}\r\n`);
    client.socket.destroy();
    const { keys: left } = await shard.info();
    expect(left).toBeLessThan(keys / 2);
    expect(left).toBeGreaterThan(keysMin);
    const { spec } = cacheOf({ shards: { memory: `${mebibytes}Mi` } });
    expect(memory.peakBytes).toBeLessThanOrEqual(shardPodMemoryBytes(spec.shards.memory));
  });
}

function requestsFrom(from: number): Buffer {
  return Buffer.concat(
    Array.from({ length: batch }, (_, index) => encodedRequest(['SET', `key:${from + index}`, value])),
  );
}

function startShard(mebibytes: number): Promise<ShardProcess> {
  return ShardProcess.start({
    dataPath: mkdtempSync(join(tmpdir(), 'kvcache-small-limit-')),
    settings: { 'memory.limit': mebibytes * 2 ** 20 },
  });
}
