import { bandwidth, type Comparison, type Scenario } from '../harness/scenario.ts';
import { startShard } from '../sides/kvcache.ts';
import { hasRedisBenchmark, startRedis } from '../sides/redis.ts';
import { ceilingName, respCase, respPlan, startCeiling } from './resp.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
/** Sizes with as many keys as fit well into the RAM of every side, and what a GET should reach. */
const sizes = [
  { valueBytes: 64 * KiB, keys: 256, getGoal: 1 },
  { valueBytes: MiB, keys: 64, getGoal: 1.5 },
  { valueBytes: 16 * MiB, keys: 8, getGoal: 1.5 },
];

function comparisonsOf(command: 'get' | 'set', getGoal: number): readonly Comparison[] {
  const figure = bandwidth.name;
  const redis = { side: 'shard', against: 'redis-server', figure };
  const ceiling = { side: 'shard', against: ceilingName, figure };
  return command === 'get'
    ? [{ ...redis, goal: { atLeast: getGoal } }, ceiling]
    : [redis, { ...ceiling, goal: { atLeast: 0.9 } }];
}

export const respLarge: Scenario = {
  name: 'resp-large',
  summary: 'RESP on a shard, 64 KiB to 16 MiB, 8 connections, against redis-server and the ceiling of Node',
  async prepare(bench) {
    if (!hasRedisBenchmark(bench)) return { cases: [], sides: [] };
    const cases = sizes
      .filter(({ valueBytes }) => !bench.quick || valueBytes <= MiB)
      .flatMap(({ valueBytes, keys, getGoal }) =>
        (['get', 'set'] as const).map((command) =>
          respCase({ command, valueBytes, clients: 8, pipeline: 1, keys }, comparisonsOf(command, getGoal)),
        ),
      );
    const sides = [await startShard(bench), await startRedis(bench), await startCeiling(bench)];
    return respPlan(
      bench,
      cases,
      sides.filter((side) => side !== undefined),
    );
  },
};
