/**
 * More shards and fewer, while clients write, read, count and scan: values stay, each key counts once all the while, and
 * folders of shards that had left bring nothing back.
 *
 * Reads are set to fail while a shard is away instead of to miss, so that a miss always means a value that is gone.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { blockContent, type BlockIdentity, isBlockContent } from '../cli/playground/content.ts';
import { forEachInWindow } from '../cli/playground/for-each.ts';
import { chainedHashes } from '../client/hash.ts';
import type { KvcacheClient } from '../client/key-client.ts';
import { blockTokens } from '../limits.ts';
import { TestCluster } from './cluster.ts';
import { Ledger, randomOf } from './ledger.ts';
import { valueOf, versionOf } from './values.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const patient = { timeoutMs: 20_000, retry: { attemptsMax: 60 } };
const keys = Array.from({ length: 300 }, (_, number) => `key-${number}`);
/** Larger than one record of the log. */
const largeKeys = ['large-0', 'large-1', 'large-2'];
const largeBytes = 9 * 1024 * 1024;
const blockBytes = 1024 * 1024;
const blocksPerPrompt = 3;
const prompts = Array.from({ length: 6 }, (_, number) =>
  Array.from({ length: blocksPerPrompt * blockTokens }, (_, index) => number * 1_000 + index),
);

let cluster: TestCluster;
let client: KvcacheClient;
beforeAll(async () => {
  cluster = await TestCluster.start({
    args: ['--router-unavailable-reads', 'error', '--handover-bandwidth', '4MiB'],
  });
  client = cluster.keyClient(patient);
});
afterAll(() => cluster?.dispose());

function identityOf(hashes: readonly bigint[], block: number): BlockIdentity {
  return { scope: Buffer.from('scaling'), chainedHash: hashes[block]!, chainedParent: hashes[block - 1] ?? 0n };
}

async function writePrompt(tokens: readonly number[]): Promise<void> {
  const writer = cluster.promptClient(patient);
  const hashes = chainedHashes(tokens);
  for (let block = 0; block < blocksPerPrompt; block++) {
    await writer.writeAsync({
      hash: hashes[block]!,
      parentHash: hashes[block - 1],
      partitionKey: 'scaling',
      tokens: tokens.slice(block * blockTokens, (block + 1) * blockTokens),
      buffer: blockContent(identityOf(hashes, block), blockBytes),
    });
  }
}

/** Blocks of the prompt that are found and whole. */
async function wholeBlocks(tokens: readonly number[]): Promise<number> {
  const reader = cluster.promptClient(patient);
  const hashes = chainedHashes(tokens);
  const { locations } = await reader.lookup('scaling', '', tokens, hashes);
  let whole = 0;
  for await (const { found, chunk } of reader.readStream(locations.map(({ location }) => location))) {
    if (found && isBlockContent(identityOf(hashes, whole), chunk!.buffer)) whole++;
  }
  return whole;
}

async function scanned(prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const key of client.scan({ prefix, pageKeys: 50 })) found.push(key.toString());
  return found.sort();
}

/** Scales, and looks again and again meanwhile; resolves when both have ended. */
async function scaleAndLook(shards: number, look: () => Promise<void>): Promise<void> {
  const over = new AbortController();
  const scaling = cluster.scale(shards).finally(() => over.abort());
  while (!over.signal.aborted) await look();
  expect(await scaling).toMatchObject({ code: 0, out: expect.stringContaining(`${shards} shards serve\n`) as string });
}

describe('without writes', () => {
  test('from 3 to 5 shards every key is counted, scanned and read once all the while, and blocks of 1 MiB stay whole', async () => {
    await forEachInWindow(keys, 32, async (key) => void (await client.set(key, valueOf(key, 1, 5_000))));
    await client.mset([['short-a', '1'], ['short-b', '2']], { ttlMs: 50 }); // prettier-ignore
    await forEachInWindow(largeKeys, 1, async (key) => void (await client.set(key, valueOf(key, 1, largeBytes))));
    await forEachInWindow(prompts, 3, writePrompt);
    const all = [...keys, ...largeKeys];
    await expect.poll(() => client.size()).toBe(all.length);
    let turn = 0;
    await scaleAndLook(5, async () => {
      expect(await client.size()).toBe(all.length);
      expect(await scanned('')).toEqual(all.sort());
      const key = keys[turn++ % keys.length]!;
      expect(versionOf(key, (await client.get(key))!)).toBe(1);
      expect(await wholeBlocks(prompts[turn % prompts.length]!)).toBe(blocksPerPrompt);
    });
    expect(turn).toBeGreaterThan(2);
    for (const tokens of prompts) expect(await wholeBlocks(tokens)).toBe(blocksPerPrompt);
    for (const key of largeKeys) expect(versionOf(key, (await client.get(key))!)).toBe(1);
    expect(await client.mget(['short-a', 'short-b'])).toEqual([null, null]);
    const infos = await client.status();
    expect(new Set(infos.map(({ name }) => name))).toEqual(new Set(cluster.shardIds));
    expect(infos).toHaveLength(5);
  });
});

describe('with writes', () => {
  test('from 5 to 2 to 5 shards nothing is lost, and the folders that stayed bring nothing back', async () => {
    const ledger = new Ledger({ client, random: randomOf(5), acknowledgement: 'memory', lastingKeys: 100 });
    await ledger.start();
    await ledger.progress();
    expect(await cluster.scale(2)).toMatchObject({ code: 0 });
    expect(cluster.shardIds).toEqual(['shard-0', 'shard-1']);
    for (const id of ['shard-2', 'shard-3', 'shard-4']) expect(existsSync(join(cluster.dataPath, id))).toBe(true);
    const [overwritten, deleted, kept] = [keys.slice(0, 100), keys.slice(100, 200), keys.slice(200)];
    await client.mset(overwritten.map((key) => [key, valueOf(key, 2, 5_000)] as const));
    expect(await client.mdelete(deleted)).toBe(deleted.length);
    expect(await cluster.scale(5)).toMatchObject({ code: 0 });
    await ledger.progress();
    await ledger.stop();
    expect(await ledger.check()).toEqual([]);
    const expectKeys = async (): Promise<void> => {
      const versions = async (names: readonly string[]): Promise<(number | null)[]> =>
        (await client.mget(names)).map((value, index) => (value === null ? null : versionOf(names[index]!, value)));
      expect(new Set(await versions(overwritten))).toEqual(new Set([2]));
      expect(new Set(await versions(deleted))).toEqual(new Set([null]));
      expect(new Set(await versions(kept))).toEqual(new Set([1]));
      expect(await scanned('key-')).toEqual([...overwritten, ...kept].sort());
    };
    await expectKeys();
    for (const tokens of prompts) expect(await wholeBlocks(tokens)).toBe(blocksPerPrompt);
    for (const id of ['shard-0', 'shard-4']) await cluster.restart(id);
    await expectKeys();
  });

  test('and everything ends as always', async () => {
    await cluster.stop();
  });
});
