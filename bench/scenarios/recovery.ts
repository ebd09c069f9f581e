/**
 * How long a shard takes to come back over the data that it had, until it answers its first read: small keys from disk,
 * blocks from disk, and small keys from Blob alone, with its disk lost. Beside it, what the disk itself needs to read the
 * same files from end to end: less is not to be had by whoever reads all of them.
 */
import { createReadStream } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { KvStoreClient } from '../../client/prompt-client.ts';
import { type Bench, type Case, freshRoundsQuick, type Scenario, type Side } from '../harness/scenario.ts';
import { encode, keyOf, RespConnection } from '../load/resp-connection.ts';
import { type Settings, startBlob, startShard } from '../sides/kvcache.ts';

interface RecoveryCase extends Case {
  readonly kind: 'disk' | 'blocks' | 'blob';
}

const untilRead = { name: 'until the first read', unit: 's', better: 'less' } as const;
const valueBytes = 100;
const blockBytes = 1_000_000;
const blocksWrittenAtOnce = 8;
const readChunkBytes = 1024 * 1024;
/** A GET is answered by two lines: the length, and the value. */
const linesOfGet = 2;

interface Sizes {
  readonly keys: number;
  readonly blocks: number;
}

export const recovery: Scenario = {
  name: 'recovery',
  summary: 'from the start of a shard to its first read: keys and blocks on disk, keys in Blob after the disk was lost',
  async prepare(bench) {
    const sizes: Sizes = bench.quick ? { keys: 50_000, blocks: 50 } : { keys: 1_000_000, blocks: 10_000 };
    const settings: Readonly<Record<RecoveryCase['kind'], Settings>> = {
      disk: {},
      blocks: { 'disk.size': '20GiB' },
      blob: await startBlob(bench),
    };
    await fillDisk(bench, settings.disk, 'disk', sizes.keys);
    await fillBlocks(bench, settings.blocks, sizes.blocks);
    await fillDisk(bench, settings.blob, 'blob', sizes.keys);
    const fixed = { figures: [untilRead], comparisons: [{ side: 'shard', against: 'plain read' }] };
    const cases: readonly RecoveryCase[] = [
      { ...fixed, title: `${sizes.keys} keys of 100 B, from disk`, kind: 'disk' },
      { ...fixed, title: `${(sizes.blocks * blockBytes) / 1e9} GB of blocks, from disk`, kind: 'blocks' },
      { ...fixed, title: `${sizes.keys} keys of 100 B, from Blob`, kind: 'blob', comparisons: [] },
    ];
    return {
      cases,
      sides: [shardSide(bench, settings), diskSide(bench)],
      warmsUp: false,
      roundsMax: bench.quick ? freshRoundsQuick : undefined,
      notes: () => [
        'goals: at most 2 s from disk for 1 M keys or 10 GB of blocks, at most 3 s from Blob; the files are in the page cache; the time of the process itself, from its start to its first line of code, is included',
      ],
    };
  },
};

async function fillDisk(bench: Bench, settings: Settings, name: string, keys: number): Promise<void> {
  const shard = await startShard(bench, settings, name);
  const connection = await RespConnection.open(shard.respPort);
  await connection.fill(keys, valueBytes);
  connection.close();
  await shard.stop();
}

async function fillBlocks(bench: Bench, settings: Settings, blocks: number): Promise<void> {
  const shard = await startShard(bench, settings, 'blocks');
  const connection = await RespConnection.open(shard.respPort);
  // What every recovery reads first.
  await connection.fill(1, valueBytes);
  connection.close();
  using client = new KvStoreClient({ server: shard.grpc });
  client.initialize('https://bench.example', 'bench');
  const buffer = Buffer.alloc(blockBytes, 'kv');
  for (let block = 0; block < blocks; block += blocksWrittenAtOnce) {
    const writes = Array.from({ length: Math.min(blocksWrittenAtOnce, blocks - block) }, (_, index) => {
      const tokens = BigInt64Array.from({ length: 128 }, (_, token) => BigInt((block + index) * 1_000 + token));
      return client.writeAsync({ hash: BigInt(block + index + 1), partitionKey: 'bench', tokens, buffer });
    });
    await Promise.all(writes);
  }
  await shard.stop();
}

function shardSide(bench: Bench, settings: Readonly<Record<RecoveryCase['kind'], Settings>>): Side<RecoveryCase> {
  return {
    name: 'shard',
    about: 'ended with SIGTERM and started again; log.fsync=everysec, to Azurite on this machine for Blob',
    async measure({ kind }) {
      if (kind === 'blob') await rm(join(bench.folder, 'blob'), { recursive: true });
      const beganMs = performance.now();
      const shard = await startShard(bench, settings[kind], kind);
      const connection = await RespConnection.open(shard.respPort);
      await connection.run([encode(['GET', keyOf(0)])], linesOfGet);
      const seconds = (performance.now() - beganMs) / 1_000;
      connection.close();
      await shard.stop();
      return { [untilRead.name]: seconds };
    },
  };
}

function diskSide(bench: Bench): Side<RecoveryCase> {
  return {
    name: 'plain read',
    about: 'every file of the data folder from end to end, one after the other, a MiB at a time',
    async measure({ kind }) {
      if (kind === 'blob') return undefined;
      const folder = join(bench.folder, kind);
      const beganMs = performance.now();
      for (const name of await readdir(folder, { recursive: true })) {
        const path = join(folder, name);
        if (!(await stat(path)).isFile()) continue;
        for await (const chunk of createReadStream(path, { highWaterMark: readChunkBytes })) void chunk;
      }
      return { [untilRead.name]: (performance.now() - beganMs) / 1_000 };
    },
  };
}
