/**
 * What durability costs: a shard that forces its log every second and uploads to Blob, against one that does neither.
 * redis-benchmark writes at full rate while one connection reads, one key after the other.
 */
import { type Bench, type Case, rate, type Scenario, type Side } from '../harness/scenario.ts';
import { quantile } from '../harness/statistics.ts';
import { RedisBenchmark } from '../load/redis-benchmark.ts';
import { encode, keyOf, RespConnection } from '../load/resp-connection.ts';
import { type KvcacheProcess, startBlob, startShard } from '../sides/kvcache.ts';
import { hasRedisBenchmark } from '../sides/redis.ts';

const keys = 10_000;
const valueBytes = 100;
/** A GET is answered by two lines: the length, and the value. */
const linesOfGet = 2;
const p999 = { name: 'p99.9 of GET', unit: 'ms', better: 'less' } as const;
const p50 = { name: 'p50 of GET', unit: 'ms', better: 'less' } as const;
const only: Case = {
  title: 'SET 100 B, c=50, P=16, GET beside it',
  figures: [rate, p50, p999],
  comparisons: [
    { side: 'durable', against: 'in memory', goal: { atLeast: 0.85 } },
    { side: 'durable', against: 'in memory', figure: p999.name, goal: { atMost: 3 } },
  ],
};

async function durabilitySide(bench: Bench, name: string, about: string, shard: KvcacheProcess): Promise<Side> {
  const load = new RedisBenchmark(bench.scope, shard.respPort);
  const reader = await RespConnection.open(shard.respPort);
  bench.scope.defer(() => reader.close());
  await reader.fill(keys, valueBytes);
  const reads = Array.from({ length: keys }, (_, index) => encode(['GET', keyOf(index)]));
  return {
    name,
    about,
    async measure(_, { measuredMs }) {
      const latenciesMs: number[] = [];
      const writes = { areOver: false };
      const reading = async (): Promise<void> => {
        for (let index = 0; !writes.areOver; index = (index + 7_919) % keys) {
          const beganMs = performance.now();
          await reader.run([reads[index]!], linesOfGet);
          latenciesMs.push(performance.now() - beganMs);
        }
      };
      const writing = load
        .measure({ command: 'set', valueBytes, clients: 50, pipeline: 16, keys }, measuredMs)
        .finally(() => {
          writes.areOver = true;
        });
      const [{ perSecond }] = await Promise.all([writing, reading()]);
      latenciesMs.sort((a, b) => a - b);
      return {
        [rate.name]: perSecond,
        [p50.name]: quantile(latenciesMs, 0.5),
        [p999.name]: quantile(latenciesMs, 0.999),
      };
    },
  };
}

export const durability: Scenario = {
  name: 'durability',
  summary: 'log forced every second and uploads to Blob, against neither: SET at full rate, and GET beside it',
  async prepare(bench) {
    if (!hasRedisBenchmark(bench)) return { cases: [], sides: [] };
    const blob = await startBlob(bench);
    const durable = await startShard(bench, blob, 'durable');
    const memory = await startShard(bench, { 'log.fsync': 'never' }, 'in-memory');
    const about = 'acknowledgement=memory log.fsync=everysec blob.flush_interval=1s, to Azurite on this machine';
    return {
      cases: [only],
      sides: [
        await durabilitySide(bench, 'durable', about, durable),
        await durabilitySide(bench, 'in memory', 'acknowledgement=memory log.fsync=never, no Blob', memory),
      ],
      notes: () => ['Azurite takes its part of the same processors, which an account of Azure does not'],
    };
  },
};
