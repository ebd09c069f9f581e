/**
 * Resident memory: what N keys of 100 B take in a shard and in redis-server, and how close to its limit a shard stays
 * whose RAM is full. Each measurement has processes of its own, because memory that was freed does not all go back.
 */
import { residentBytes } from '../harness/children.ts';
import {
  type Bench,
  type Case,
  freshRoundsQuick,
  type Measured,
  type Scenario,
  type Side,
} from '../harness/scenario.ts';
import { RespConnection } from '../load/resp-connection.ts';
import { startShard } from '../sides/kvcache.ts';
import { startRedis } from '../sides/redis.ts';
import type { SideProcess } from '../sides/side-process.ts';

interface MemoryCase extends Case {
  readonly kind: 'keys' | 'full';
}

const resident = { name: 'resident', unit: 'B', better: 'less' } as const;
const perKey = { name: 'growth a key', unit: 'B', better: 'less' } as const;
const ofLimit = { name: 'resident of the limit', unit: 'share', better: 'less' } as const;
const valueBytes = 100;
const fullLimitBytes = 256 * 1024 * 1024;
const fullValueBytes = 1_000;

/** Fills a process that has just been started, and tells what it holds then. */
async function filled(side: SideProcess, keys: number, bytes: number): Promise<Measured> {
  const pid = side.pids[0]!;
  const before = residentBytes(pid);
  const connection = await RespConnection.open(side.respPort);
  try {
    await connection.fill(keys, bytes);
    const after = residentBytes(pid);
    return { [resident.name]: after, [perKey.name]: (after - before) / keys, [ofLimit.name]: after / fullLimitBytes };
  } finally {
    connection.close();
  }
}

/** Measures in a scope of its own, which ends what was started in it. */
function freshSide(
  bench: Bench,
  name: string,
  about: string,
  measure: (inner: Bench, what: MemoryCase, round: number) => Promise<Measured | undefined>,
): Side<MemoryCase> {
  return {
    name,
    about,
    async measure(what, { index }) {
      await using scope = new AsyncDisposableStack();
      bench.scope.defer(() => scope.disposeAsync());
      // Awaited here: the scope ends what is measured when this returns.
      return await measure({ ...bench, scope }, what, index);
    },
  };
}

export const memory: Scenario = {
  name: 'memory',
  summary:
    'resident memory of N keys of 100 B against redis-server, and of a shard whose RAM is full against its limit',
  async prepare(bench) {
    const keys = bench.quick ? 100_000 : 10_000_000;
    const fullKeys = bench.quick ? 300_000 : 1_000_000;
    const cases: readonly MemoryCase[] = [
      {
        title: `${keys} keys of 100 B`,
        kind: 'keys',
        figures: [resident, perKey],
        comparisons: [
          { side: 'shard', against: 'redis-server', goal: { atMost: 1.5 } },
          { side: 'shard', against: 'redis-server', figure: perKey.name },
        ],
      },
      { title: `full: ${fullKeys} keys of 1 KB in 256 MiB`, kind: 'full', figures: [ofLimit], comparisons: [] },
    ];
    const shard = freshSide(bench, 'shard', 'a new one for every measurement', (inner, { kind }, round) =>
      fillShard(inner, kind, kind === 'keys' ? keys : fullKeys, round),
    );
    // Asked for once, so that a missing one is told once.
    const redis = await startRedis(bench);
    const peer = freshSide(bench, 'redis-server', redis?.about ?? '', async (inner, { kind }) => {
      const side = kind === 'keys' ? await startRedis(inner) : undefined;
      return side === undefined ? undefined : filled(side, keys, valueBytes);
    });
    return {
      cases,
      sides: redis === undefined ? [shard] : [shard, peer],
      warmsUp: false,
      roundsMax: bench.quick ? freshRoundsQuick : undefined,
      notes: () => [
        'keys are of 16 B; a shard also has its whole runtime resident, which few keys do not pay for; goal when full: at most 1.25 of the limit',
      ],
    };
  },
};

async function fillShard(bench: Bench, kind: MemoryCase['kind'], keys: number, round: number): Promise<Measured> {
  const limit = kind === 'keys' ? '8GiB' : fullLimitBytes;
  const shard = await startShard(bench, { 'memory.limit': limit }, `${kind} ${round}`);
  return filled(shard, keys, kind === 'keys' ? valueBytes : fullValueBytes);
}
