/** What the three scenarios over RESP share: sides that redis-benchmark loads, with the keys that it will ask for. */
import { processorUs, startModule, message } from '../harness/children.ts';
import {
  type Bench,
  bandwidth,
  type Case,
  type Comparison,
  type Plan,
  p99,
  processorTime,
  rate,
} from '../harness/scenario.ts';
import type { Side } from '../harness/scenario.ts';
import { digits } from '../harness/present.ts';
import { RedisBenchmark, type RespLoad } from '../load/redis-benchmark.ts';
import { fillKeys } from '../load/resp-connection.ts';
import type { SideProcess } from '../sides/side-process.ts';

export interface RespCase extends Case, RespLoad {}

export const ceilingName = 'bare Node';
const KiB = 1024;
const warmUpRuns = 4;
/** From here on bytes a second say more than operations. */
const largeBytes = 16 * KiB;

/** The bare server of Node, the ceiling of whatever is written in it. */
export async function startCeiling(bench: Bench): Promise<SideProcess> {
  const child = startModule(bench.scope, 'sides/bare-resp.ts');
  const respPort = await message<number>(child);
  const about = `Node ${process.version}: parse, Map, answer; no log, no bound`;
  return { name: ceilingName, about, pids: [child.pid], respPort, grpc: '' };
}

export function respCase(load: RespLoad, comparisons: readonly Comparison[]): RespCase {
  const { command, valueBytes, pipeline, clients } = load;
  const first = valueBytes >= largeBytes ? bandwidth : rate;
  const title = `${command.toUpperCase()} ${sizeOf(valueBytes)}, c=${clients}, P=${pipeline}`;
  return { title, figures: [first, p99, processorTime], comparisons, ...load };
}

export function sizeOf(bytes: number): string {
  if (bytes >= KiB * KiB) return `${bytes / KiB / KiB} MiB`;
  return bytes >= KiB ? `${bytes / KiB} KiB` : `${bytes} B`;
}

export function respPlan(
  { scope }: Bench,
  cases: readonly RespCase[],
  processes: readonly SideProcess[],
): Plan<RespCase> {
  const loads = processes.map((side) => new RedisBenchmark(scope, side.respPort));
  return {
    cases,
    sides: processes.map((side, index) => respSide(side, loads[index]!)),
    notes: () => [
      `load: redis-benchmark; it could have been ${digits(Math.min(...loads.map(({ headroom }) => headroom)))} times as fast or more in every run (where that is close to 1, it is the limit)`,
      'writes: acknowledged in memory; nobody forces the disk before the answer; no Blob',
    ],
  };
}

/** Fills itself with the keys of a case before it is measured. */
export function respSide(side: SideProcess, load: RedisBenchmark): Side<RespCase> {
  let filled = '';
  return {
    name: side.name,
    about: side.about,
    async measure(what, { index, measuredMs }) {
      const data = `${what.keys} ${what.valueBytes}`;
      if (data !== filled) await fillKeys(side.respPort, what.keys, what.valueBytes);
      filled = data;
      if (index < 0) await warmUp(load, what, measuredMs);
      const before = processorUs(side.pids);
      const { perSecond, p99Ms, requests } = await load.measure(what, measuredMs);
      const used = (processorUs(side.pids) ?? NaN) - (before ?? NaN);
      return {
        [rate.name]: perSecond,
        [bandwidth.name]: perSecond * what.valueBytes,
        [p99.name]: p99Ms,
        ...(Number.isNaN(used) ? {} : { [processorTime.name]: used / requests }),
      };
    },
  };
}

/** The first runs are short, until the load knows how fast it is here; what is compiled as it runs needs more of them. */
async function warmUp(load: RedisBenchmark, what: RespLoad, measuredMs: number): Promise<void> {
  const endMs = performance.now() + measuredMs;
  while (performance.now() < endMs) await load.measure(what, measuredMs / warmUpRuns);
}
