/**
 * The longest stall of a shard's event loop, which is the latency that nobody can get around: while millions of keys
 * come in, while RAM is full and every write drops another value, and while compaction rewrites the log.
 *
 * Each measurement has a shard of its own. It tells the stall itself, as /metrics has it: the longest time between two
 * runs of a timer since it was last asked, less the timer's own interval.
 */
import { type Bench, type Case, freshRoundsQuick, rate, type Scenario, type Side } from '../harness/scenario.ts';
import { RespConnection } from '../load/resp-connection.ts';
import { type Settings, startShard } from '../sides/kvcache.ts';

interface StallCase extends Case {
  readonly settings: Settings;
  readonly keys: number;
  readonly valueBytes: number;
  /** How often all of the keys are written. */
  readonly times: number;
}

const timerMs = 10;
const stall = { name: 'longest stall', unit: 'ms', better: 'less' } as const;
const fixed = { figures: [stall, rate], comparisons: [] };

function casesOf(quick: boolean): readonly StallCase[] {
  const keys = quick ? 100_000 : 10_000_000;
  return [
    { ...fixed, title: `load ${keys} keys`, settings: { 'memory.limit': '8GiB' }, keys, valueBytes: 100, times: 1 },
    {
      ...fixed,
      title: 'full RAM: ten times what fits',
      settings: { 'memory.limit': '256MiB', 'hot.size': quick ? '10MiB' : '64MiB' },
      keys: quick ? 100_000 : 640_000,
      valueBytes: 1_000,
      times: 1,
    },
    {
      ...fixed,
      title: 'compaction: keys overwritten ten times',
      settings: { 'log.segment_size': '4MiB', 'log.compaction_bandwidth': '256MiB' },
      keys: quick ? 10_000 : 200_000,
      valueBytes: 500,
      times: 10,
    },
  ];
}

async function longestStallMs(http: string): Promise<number> {
  const response = await fetch(`http://${http}/metrics`);
  const text = await response.text();
  const found = /^nodejs_eventloop_lag_max_seconds ([\d.e+-]+)$/m.exec(text);
  if (found === null) throw new Error('the shard does not tell how long its event loop stalled');
  return Number(found[1]) * 1_000 - timerMs;
}

function stallSide(bench: Bench): Side<StallCase> {
  return {
    name: 'shard',
    about: 'a new one for every measurement, with the settings of its case; log.fsync=everysec, no Blob',
    async measure({ title, settings, keys, valueBytes, times }, round) {
      const shard = await startShard(bench, settings, `${title} ${round.index}`);
      const connection = await RespConnection.open(shard.respPort);
      try {
        // Being asked makes it begin anew: what its start took is not of interest here.
        await longestStallMs(shard.http);
        const beganMs = performance.now();
        for (let time = 0; time < times; time++) await connection.fill(keys, valueBytes);
        const seconds = (performance.now() - beganMs) / 1_000;
        return { [stall.name]: await longestStallMs(shard.http), [rate.name]: (keys * times) / seconds };
      } finally {
        connection.close();
        await shard.stop();
      }
    },
  };
}

export const loopStall: Scenario = {
  name: 'loop-stall',
  summary: "the longest stall of a shard's event loop: loading keys, RAM full, compaction",
  async prepare(bench) {
    return {
      cases: casesOf(bench.quick),
      sides: [stallSide(bench)],
      warmsUp: false,
      roundsMax: bench.quick ? freshRoundsQuick : undefined,
      notes: () => ['goal: at most 20 ms; on a machine with other work a stall also is what the system gave to others'],
    };
  },
};
