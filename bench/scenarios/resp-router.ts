import { bandwidth, rate, type Scenario } from '../harness/scenario.ts';
import { startCluster } from '../sides/kvcache.ts';
import { hasRedisBenchmark, startNutcracker } from '../sides/redis.ts';
import { respCase, respPlan } from './resp.ts';

const KiB = 1024;
const loads = [
  { valueBytes: 100, pipeline: 1, clients: 50, keys: 10_000, goal: 0.8 },
  { valueBytes: 100, pipeline: 16, clients: 50, keys: 10_000, goal: 0.8 },
  { valueBytes: 64 * KiB, pipeline: 1, clients: 8, keys: 256, goal: 1 },
  { valueBytes: 1024 * KiB, pipeline: 1, clients: 8, keys: 64, goal: 1 },
];

export const respRouter: Scenario = {
  name: 'resp-router',
  summary: 'RESP through a router and three shards, against nutcracker in front of three redis-servers',
  async prepare(bench) {
    if (!hasRedisBenchmark(bench)) return { cases: [], sides: [] };
    const cases = loads.flatMap(({ goal, ...load }) =>
      (['get', 'set'] as const).map((command) => {
        const figure = load.valueBytes >= 64 * KiB ? bandwidth.name : rate.name;
        const against = 'nutcracker + 3 redis';
        return respCase({ ...load, command }, [
          { side: 'router + 3 shards', against, figure, goal: { atLeast: goal } },
        ]);
      }),
    );
    const sides = [await startCluster(bench), await startNutcracker(bench)];
    return respPlan(
      bench,
      cases,
      sides.filter((side) => side !== undefined),
    );
  },
};
