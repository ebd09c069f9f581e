/** A shard whose directory is gone comes back from Blob: everything that was flushed, and served before it is all here. */
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { blockContent, type BlockIdentity, isBlockContent } from '../cli/playground/content.ts';
import { forEachInWindow } from '../cli/playground/for-each.ts';
import { chainedHashes } from '../client/hash.ts';
import { blockTokens } from '../limits.ts';
import { startTestAzurite, type TestAzurite } from '../testing/azurite.ts';
import { ShardProcess } from './shard-process.ts';
import { valueOf, versionOf } from './values.ts';

const keys = Array.from({ length: 400 }, (_, index) => `key-${index}`);
const keyBytes = 64 * 1024;
/** Above the bound beyond which a value lies in several records. */
const largeKey = 'large';
const largeBytes = 12 * 1024 * 1024;
const partition = 'lost-disk';
const tokens = Array.from({ length: 24 * blockTokens }, (_, index) => index * 3);
const hashes = chainedHashes(tokens);
const blockBytes = 256 * 1024;
const flushedBytes = keys.length * keyBytes + largeBytes + hashes.length * blockBytes;

let azurite: TestAzurite;
let shard: ShardProcess;

beforeAll(async () => {
  azurite = await startTestAzurite();
  shard = await ShardProcess.start({
    dataPath: mkdtempSync(join(tmpdir(), 'kvcache-lost-disk-')),
    settings: { 'blob.connection_string': azurite.azurite.connectionString, 'log.segment_size': '4MiB' },
  });
  await fill();
});
afterAll(async () => {
  await shard?.dispose();
  await azurite?.remove();
});

async function fill(): Promise<void> {
  const client = shard.keyClient();
  const prompts = shard.promptClient();
  // Twice, so that a restore has older versions to pass by; one is deleted and one has expired by the end.
  for (const version of [1, 2]) {
    await forEachInWindow(keys, 32, async (key) => {
      await client.set(key, valueOf(key, version, keyBytes));
    });
  }
  await client.set(largeKey, valueOf(largeKey, 1, largeBytes));
  for (const gone of ['deleted', 'expired']) await client.set(gone, valueOf(gone, 1, keyBytes));
  await client.delete('deleted');
  await client.set('expired', valueOf('expired', 2, keyBytes), { ttlMs: 1 });
  for (const [block, hash] of hashes.entries()) {
    await prompts.writeAsync({
      hash,
      parentHash: hashes[block - 1],
      partitionKey: partition,
      tokens: tokens.slice(block * blockTokens, (block + 1) * blockTokens),
      buffer: blockContent(identityOf(block), blockBytes),
    });
  }
  await client.flush('blob');
}

function identityOf(block: number): BlockIdentity {
  return { scope: Buffer.from(partition), chainedHash: hashes[block]!, chainedParent: hashes[block - 1] ?? 0n };
}

async function expectEverything(): Promise<void> {
  const client = shard.keyClient();
  await forEachInWindow(keys, 16, async (key) => {
    expect(versionOf(key, (await client.get(key))!)).toBe(2);
  });
  expect(versionOf(largeKey, (await client.get(largeKey))!)).toBe(1);
  expect(await client.mget(['deleted', 'expired'])).toEqual([null, null]);
  expect(await client.size()).toBe(keys.length + 1);
  const prompts = shard.promptClient();
  const { cachedBlocks, locations } = await prompts.lookup(partition, '', tokens, hashes);
  expect(cachedBlocks).toBe(hashes.length);
  const reads = await prompts.streamingReadAsync(locations.map(({ location }) => location));
  expect(reads.map(({ chunk }, block) => isBlockContent(identityOf(block), chunk!.buffer))).not.toContain(false);
}

async function bytesFromBlob(): Promise<number> {
  return (await shard.metrics()).value('kvcache_blob_bytes_total{operation="readRange"}');
}

test('a shard killed and without its directory serves reads before its data is back', async () => {
  await shard.end('SIGKILL');
  shard.loseDisk();
  await shard.restart();
  // Hints, and the one segment that was open: it has no hint yet.
  expect(await bytesFromBlob()).toBeLessThan(flushedBytes / 8);
  const client = shard.keyClient();
  for (const key of ['key-0', 'key-200', 'key-399']) expect(versionOf(key, (await client.get(key))!)).toBe(2);
  expect(await client.get('never written')).toBeNull();
  const { keys: count, disk, blob } = await shard.info();
  expect(count).toBe(keys.length + 1);
  expect(blob!.bytes).toBeGreaterThan(flushedBytes);
  expect(disk.bytes).toBeLessThan(flushedBytes / 8);
  expect(await bytesFromBlob()).toBeLessThan(flushedBytes / 8);
});

test('all flushed keys and blocks are found with the right bytes, deleted and expired ones are not', async () => {
  await expectEverything();
});

test('a miss reads nothing from Blob', async () => {
  const before = await bytesFromBlob();
  const client = shard.keyClient();
  await forEachInWindow(keys, 32, async (key) => {
    expect(await client.get(`not-${key}`)).toBeNull();
  });
  expect(await bytesFromBlob()).toBe(before);
});

test('a shard that ended in order and lost its directory has everything too, and takes writes', async () => {
  await shard.keyClient().set('since', 'the first loss', { acknowledgement: 'blob' });
  expect(await shard.end('SIGTERM')).toEqual({ code: 0, signal: null });
  shard.loseDisk();
  await shard.restart();
  const client = shard.keyClient();
  expect((await client.get('since'))?.toString()).toBe('the first loss');
  await client.delete('since');
  await expectEverything();
  expect(existsSync(join(shard.dataPath, 'format'))).toBe(true);
});
