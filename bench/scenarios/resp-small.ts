import { type Comparison, rate, type Scenario } from '../harness/scenario.ts';
import { startShard } from '../sides/kvcache.ts';
import { hasRedisBenchmark, startRedis } from '../sides/redis.ts';
import { ceilingName, respCase, respPlan, startCeiling } from './resp.ts';

const keys = 10_000;
const comparisons: readonly Comparison[] = [
  { side: 'shard', against: ceilingName, figure: rate.name, goal: { atLeast: 0.9 } },
  { side: 'shard', against: 'redis-server', figure: rate.name, goal: { atLeast: 1 } },
];

export const respSmall: Scenario = {
  name: 'resp-small',
  summary:
    'RESP on a shard, 100 B, 50 connections, pipelines of 1 and 16, against redis-server and the ceiling of Node',
  async prepare(bench) {
    if (!hasRedisBenchmark(bench)) return { cases: [], sides: [] };
    const cases = [1, 16].flatMap((pipeline) =>
      (['get', 'set'] as const).map((command) =>
        respCase({ command, valueBytes: 100, clients: 50, pipeline, keys }, comparisons),
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
