/**
 * Finding 64 warm blocks, a prompt of 8,192 tokens: one Lookup, against one EXISTS after the other as a client of Redis
 * would ask. Latencies are a client's, with one request under way: over loopback, where a round trip costs next to
 * nothing, and with a millisecond added to it, as between two zones.
 */
import { KvStoreClient } from '../../client/prompt-client.ts';
import { chainedHashes } from '../../client/hash.ts';
import { type Bench, type Case, p99, type Scenario, type Side } from '../harness/scenario.ts';
import { quantile } from '../harness/statistics.ts';
import { encode, keyOf, RespConnection } from '../load/resp-connection.ts';
import { startCluster, startShard } from '../sides/kvcache.ts';
import { startRedis } from '../sides/redis.ts';
import { delayedPort } from '../sides/delayed.ts';
import type { SideProcess } from '../sides/side-process.ts';
import { portOf } from './unary.ts';

const blocks = 64;
const blockTokens = 128;
const blockBytes = 1_000;
const p50 = { name: 'p50', unit: 'ms', better: 'less' } as const;

interface LookupCase extends Case {
  readonly addedMs: 0 | 1;
}

const cases: readonly LookupCase[] = ([0, 1] as const).map((addedMs) => ({
  title: `${blocks} blocks, warm${addedMs === 0 ? '' : ', +1 ms'}`,
  addedMs,
  figures: [p50, p99],
  comparisons: [
    { side: '64 EXISTS, shard', against: 'Lookup, shard', figure: 'p50', goal: { atLeast: 20 } },
    { side: '64 EXISTS, redis-server', against: 'Lookup, shard', figure: 'p50', goal: { atLeast: 20 } },
    { side: '64 EXISTS, shard', against: 'Lookup, router', figure: 'p50' },
  ],
}));

type Once = () => Promise<void>;

/** Does it again and again, one at a time, and tells how long one took. */
function latencySide(name: string, about: string, ways: Readonly<Record<0 | 1, Once>>): Side<LookupCase> {
  return {
    name,
    about,
    async measure({ addedMs }, { measuredMs }) {
      const once = ways[addedMs];
      const latenciesMs: number[] = [];
      for (const endMs = performance.now() + measuredMs; performance.now() < endMs;) {
        const beganMs = performance.now();
        await once();
        latenciesMs.push(performance.now() - beganMs);
      }
      latenciesMs.sort((a, b) => a - b);
      return { [p50.name]: quantile(latenciesMs, 0.5), [p99.name]: quantile(latenciesMs, 0.99) };
    },
  };
}

async function lookupSide(bench: Bench, name: string, { grpc, about }: SideProcess): Promise<Side<LookupCase>> {
  const far = `127.0.0.1:${await delayedPort(bench, portOf(grpc))}`;
  return latencySide(name, about, { 0: await lookupWay(bench, grpc), 1: await lookupWay(bench, far) });
}

async function lookupWay(bench: Bench, grpc: string): Promise<Once> {
  const client = new KvStoreClient({ server: grpc });
  bench.scope.defer(() => client.close());
  client.initialize('https://bench.example', 'bench');
  const tokens = BigInt64Array.from({ length: blocks * blockTokens }, (_, index) => BigInt(index * 7));
  const hashes = chainedHashes(tokens);
  const buffer = Buffer.alloc(blockBytes, 'kv');
  for (const [index, hash] of hashes.entries()) {
    const own = tokens.subarray(index * blockTokens, (index + 1) * blockTokens);
    const parentHash = index === 0 ? 0n : hashes[index - 1]!;
    await client.writeAsync({ hash, parentHash, partitionKey: 'bench', tokens: own, buffer });
  }
  return async () => {
    const { cachedBlocks } = await client.lookup('bench', '', tokens, hashes);
    if (cachedBlocks !== blocks) throw new Error(`${cachedBlocks} of ${blocks} blocks were found`);
  };
}

async function existsSide(bench: Bench, name: string, { respPort, about }: SideProcess): Promise<Side<LookupCase>> {
  const far = await delayedPort(bench, respPort);
  return latencySide(name, about, { 0: await existsWay(bench, respPort), 1: await existsWay(bench, far) });
}

async function existsWay(bench: Bench, respPort: number): Promise<Once> {
  const connection = await RespConnection.open(respPort);
  bench.scope.defer(() => connection.close());
  await connection.fill(blocks, blockBytes);
  const commands = Array.from({ length: blocks }, (_, index) => encode(['EXISTS', keyOf(index)]));
  return async () => {
    for (const command of commands) await connection.run([command]);
  };
}

export const lookup: Scenario = {
  name: 'lookup',
  summary: `one Lookup of ${blocks} warm blocks, against as many EXISTS over RESP, one after the other; also with 1 ms added`,
  async prepare(bench) {
    const shard = await startShard(bench);
    const cluster = await startCluster(bench);
    const redis = await startRedis(bench);
    return {
      cases,
      sides: [
        await lookupSide(bench, 'Lookup, shard', shard),
        await lookupSide(bench, 'Lookup, router', cluster),
        await existsSide(bench, '64 EXISTS, shard', shard),
        ...(redis === undefined ? [] : [await existsSide(bench, '64 EXISTS, redis-server', redis)]),
      ],
      notes: () => ['a Lookup is one request and one answer; its blocks are not read'],
    };
  },
};
