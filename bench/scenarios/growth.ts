/**
 * How the cost of a command grows: with the number of keys, of connections and of shards, and with the size of values,
 * each over three decades where a machine has room for them, and one at a time. What is compared is processor time, which
 * tells of the work and not of who else has the machine.
 *
 * A router's cluster is started for every number of shards and kept until the next number; it idles meanwhile.
 */
import {
  type Bench,
  freshRoundsQuick,
  type Plan,
  processorTime,
  type Round,
  type Scenario,
  type Side,
} from '../harness/scenario.ts';
import { RedisBenchmark, type RespLoad } from '../load/redis-benchmark.ts';
import { shardsUsual, startCluster, startShard } from '../sides/kvcache.ts';
import { hasRedisBenchmark, startRedis } from '../sides/redis.ts';
import type { SideProcess } from '../sides/side-process.ts';
import { respCase, type RespCase, respSide } from './resp.ts';

interface GrowthCase extends RespCase {
  /** Set: behind a router, with so many shards. */
  readonly shards?: number;
}

const routerName = 'router and its shards';
const usual: RespLoad = { command: 'get', valueBytes: 100, clients: 50, pipeline: 16, keys: 10_000 };
const single = { clients: 8, pipeline: 1 };
/** As many as fit well into the RAM of every side. */
const largeBytesMax = 256 * 1024 * 1024;

/** The numbers of each axis. A short run has two sizes of values alone: all else fills much or starts processes. */
const keyCounts = [1_000, 10_000, 100_000, 1_000_000];
const connectionCounts = [8, 80, 800, 8_000];
const valueSizes = [100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
const valueSizesQuick = valueSizes.slice(0, 2);
const shardCounts = [1, 3, 10, 30];

function caseOf(title: string, axis: string, value: number, load: Partial<RespLoad>, shards?: number): GrowthCase {
  const whole = respCase({ ...usual, ...load }, []);
  const others = whole.figures.filter(({ name }) => name !== processorTime.name);
  const series = whole.command.toUpperCase();
  return {
    ...whole,
    title: `${series}, ${title}`,
    axis: { name: axis, value, series },
    figures: [processorTime, ...others],
    ...(shards !== undefined && { shards }),
  };
}

function sizeCasesOf(command: RespLoad['command'], sizes: readonly number[]): readonly GrowthCase[] {
  return sizes.map((valueBytes) => {
    const keys = Math.min(usual.keys, Math.ceil(largeBytesMax / valueBytes));
    const load = { ...single, command, valueBytes, keys };
    return caseOf(`values of ${valueBytes} B, c=8, P=1`, 'bytes of a value', valueBytes, load);
  });
}

function casesOf(command: RespLoad['command'], quick: boolean): readonly GrowthCase[] {
  if (quick) return sizeCasesOf(command, valueSizesQuick);
  return [
    ...keyCounts.map((keys) => caseOf(`${keys} keys`, 'keys', keys, { command, keys })),
    ...connectionCounts.map((clients) => {
      const load = { ...single, command, clients };
      return caseOf(`${clients} connections, P=1`, 'connections, one command at a time', clients, load);
    }),
    ...sizeCasesOf(command, valueSizes),
    ...shardCounts.map((shards) =>
      caseOf(`${shards} shards behind a router`, 'shards behind a router', shards, { command }, shards),
    ),
  ];
}

function directSide(bench: Bench, side: SideProcess): Side<GrowthCase> {
  const inner = respSide(side, new RedisBenchmark(bench.scope, side.respPort));
  return {
    ...inner,
    measure: async (what, round) => (what.shards === undefined ? inner.measure(what, round) : undefined),
  };
}

function routerSide(bench: Bench): Side<GrowthCase> {
  const clusters = new Map<number, Promise<Side<RespCase>>>();
  const start = async (shards: number): Promise<Side<RespCase>> => {
    const cluster = await startCluster({ ...bench, folder: `${bench.folder}/shards-${shards}` }, {}, shards);
    return respSide(cluster, new RedisBenchmark(bench.scope, cluster.respPort));
  };
  return {
    name: routerName,
    about: 'processor time of the router and all of its shards; acknowledgement=memory log.fsync=everysec no Blob',
    async measure(what: GrowthCase, round: Round) {
      const { shards } = what;
      if (shards === undefined) return undefined;
      const cluster = clusters.get(shards) ?? start(shards);
      clusters.set(shards, cluster);
      // Each of many shards gets its share of what warms up a few.
      const isMany = round.index < 0 && shards > shardsUsual;
      const measuredMs = isMany ? (round.measuredMs * shards) / shardsUsual : round.measuredMs;
      return (await cluster).measure(what, { ...round, measuredMs });
    },
  };
}

export const growth: Scenario = {
  name: 'growth',
  summary: 'what a GET and a SET cost by number of keys, connections and shards and by size of values',
  async prepare(bench): Promise<Plan> {
    if (!hasRedisBenchmark(bench)) return { cases: [], sides: [] };
    const processes = [await startShard(bench), await startRedis(bench)].filter((side) => side !== undefined);
    return {
      ...(bench.quick && { roundsMax: freshRoundsQuick }),
      cases: [...casesOf('get', bench.quick), ...casesOf('set', bench.quick)],
      sides: [...processes.map((side) => directSide(bench, side)), routerSide(bench)],
      notes: () => [
        `unless a case says otherwise: ${usual.valueBytes} B, ${usual.keys} keys, c=${usual.clients}, P=${usual.pipeline}`,
      ],
    };
  },
};
