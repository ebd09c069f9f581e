/**
 * redis-benchmark as load generator: it is Redis' own, in C, and asks every side the same.
 *
 * It takes a number of requests and not a time, so the number follows from the rate of the run before. Its processor
 * time is watched while it runs: what it would reach with a core to itself and a server that costs nothing is its
 * ceiling, and a rate close to that is its own and not the server's.
 */
import { type ChildProcess, execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { processorUs } from '../harness/children.ts';

const run = promisify(execFile);
/** Where nothing is known of a load yet. */
const requestsFirst = 2_000;
const sampleMs = 20;
const runMsMax = 300_000;
/** Bytes that a measurement may move: large values are slow, and a log of them fills a disk. */
const movedBytesMax = 512 * 1024 * 1024;

export interface RespLoad {
  readonly command: 'get' | 'set';
  readonly valueBytes: number;
  readonly clients: number;
  readonly pipeline: number;
  readonly keys: number;
}

export interface RespRates {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly requests: number;
}

/** The row of `redis-benchmark --csv` for the one test that was asked for. Throws where there is none. */
export function parseCsv(output: string): Omit<RespRates, 'requests'> {
  const lines = output.split('\n').filter((line) => line.startsWith('"'));
  const names = cellsOf(lines[0] ?? '');
  const cells = cellsOf(lines[1] ?? '');
  const cell = (name: string): number => {
    const value = Number(cells[names.indexOf(name)] ?? NaN);
    if (!Number.isFinite(value)) throw new Error(`redis-benchmark told no ${name}: ${output.trim() || 'nothing'}`);
    return value;
  };
  return { perSecond: cell('rps'), p50Ms: cell('p50_latency_ms'), p99Ms: cell('p99_latency_ms') };
}

function cellsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"/g)].map(([, cell]) => cell!);
}

/** redis-benchmark against one port, which remembers how fast each load was there. */
export class RedisBenchmark {
  readonly #port: number;
  #running: ChildProcess | undefined;
  readonly #perSecond = new Map<string, number>();
  /** Requests a second of processor time, by load: how fast it could be. */
  readonly #ceilings: number[] = [];

  /** Runs end with the scope: redis-benchmark tries a server that is gone for ever, at full speed. */
  constructor(scope: AsyncDisposableStack, port: number) {
    this.#port = port;
    scope.defer(() => void this.#running?.kill());
  }

  /** The lowest rate that it could have reached in any of its runs, over the rate that it did reach, at least 1. */
  get headroom(): number {
    return Math.min(...this.#ceilings);
  }

  async measure(load: RespLoad, measuredMs: number): Promise<RespRates> {
    const { command, valueBytes, clients, pipeline, keys } = load;
    const name = `${command} ${valueBytes} ${pipeline}`;
    const known = this.#perSecond.get(name);
    const wanted = known === undefined ? requestsFirst : (known * measuredMs) / 1_000;
    const requests = Math.ceil(Math.max(clients * pipeline, Math.min(wanted, movedBytesMax / valueBytes)));
    const numbers = { p: this.#port, n: requests, c: clients, P: pipeline, d: valueBytes, r: keys };
    const flags = Object.entries(numbers).flatMap(([flag, value]) => [`-${flag}`, String(value)]);
    const running = run('redis-benchmark', ['-h', '127.0.0.1', '-t', command, ...flags, '--csv'], {
      timeout: runMsMax,
    });
    this.#running = running.child;
    const pid = running.child.pid ?? 0;
    const beganMs = performance.now();
    let share = 0;
    const sampler = setInterval(() => {
      const usedUs = processorUs([pid]) ?? 0;
      if (usedUs > 0) share = usedUs / 1_000 / (performance.now() - beganMs);
    }, sampleMs);
    try {
      const { stdout } = await running;
      const rates = parseCsv(stdout);
      // The first run is short and slow: most of it is connecting.
      if (known !== undefined && share > 0) this.#ceilings.push(1 / Math.min(1, share));
      this.#perSecond.set(name, rates.perSecond);
      return { ...rates, requests };
    } finally {
      clearInterval(sampler);
    }
  }
}
