/** For tests: runs `kvcache` as a child process, and local clusters of it on ports that are free. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { localShardsMax } from '../../limits.ts';
import { layoutOf, portsOf } from '../dev/layout.ts';
import { requireFreePorts } from '../dev/ports.ts';
import type { ProcessRecord } from '../dev/state.ts';

const folder = resolve(import.meta.dirname, '..');
/** The launcher's, so that a test's many processes start fast. */
const compileCache = resolve(import.meta.dirname, '../../node_modules/.cache/compile');

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly bytes: Buffer;
}

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** `kubectl.ts` for the plugin. */
  readonly program?: 'main.ts' | 'kubectl.ts';
}

/** The environment without settings of whoever runs the tests. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const isOurs = (name: string): boolean => /^(KVCACHE_|KVSTORE_|NO_COLOR$|FORCE_COLOR$)/.test(name);
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOurs(name)));
}

export function spawnCommand(args: readonly string[], options: RunOptions & { detached?: boolean } = {}): ChildProcess {
  return spawn(process.execPath, [join(folder, options.program ?? 'main.ts'), ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { NODE_COMPILE_CACHE: compileCache, ...cleanEnvironment(), ...options.environment },
    cwd: options.cwd ?? tmpdir(),
    detached: options.detached ?? false,
  });
}

/** Runs a command to its end. */
export async function kvcache(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = spawnCommand(args, options);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout!.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr!.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin!.end(options.input ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  const bytes = Buffer.concat(out);
  return { code, out: bytes.toString('utf8'), err: Buffer.concat(err).toString('utf8'), bytes };
}

/** The first of a hundred ports of which a cluster finds its own free. */
export async function freePortBase(): Promise<number> {
  for (;;) {
    const portBase = 20_000 + Math.floor(Math.random() * 100) * 100;
    const ports = portsOf(layoutOf({ portBase, shards: localShardsMax, dataPath: '.' }), true);
    try {
      await requireFreePorts('127.0.0.1', ports, portBase);
      return portBase;
    } catch {
      // Some other test has it; try the next.
    }
  }
}

export function makeFolder(): string {
  return mkdtempSync(join(tmpdir(), 'kvcache-dev-'));
}

/** `kvcache dev` as a child process in a process group of its own, as a terminal starts it. */
export class DevProcess {
  readonly portBase: number;
  readonly dataPath: string;
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;

  private constructor(child: ChildProcess, portBase: number, dataPath: string) {
    this.#child = child;
    this.portBase = portBase;
    this.dataPath = dataPath;
    this.#closed = once(child, 'close');
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.lines.push(line);
        child.emit('said');
      });
    }
  }

  /** Starts a cluster; resolves when it is ready. */
  static async start(
    options: { portBase?: number; dataPath?: string; args?: readonly string[] } = {},
  ): Promise<DevProcess> {
    const portBase = options.portBase ?? (await freePortBase());
    const dataPath = options.dataPath ?? makeFolder();
    const args = ['dev', '--port-base', `${portBase}`, '--data', dataPath, ...(options.args ?? [])];
    const dev = new DevProcess(spawnCommand(args, { detached: true }), portBase, dataPath);
    await dev.untilSaid('kvcache is ready');
    return dev;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Resolves when a line that holds `text` has been printed; rejects if the process ends before that. */
  async untilSaid(text: string): Promise<void> {
    while (!this.lines.some((line) => line.includes(text))) {
      if (this.#child.exitCode !== null) throw new Error(`kvcache dev ended: ${this.lines.join('\n')}`);
      await Promise.race([once(this.#child, 'said'), this.#closed]);
    }
  }

  async run(args: readonly string[], options?: RunOptions): Promise<Outcome> {
    return kvcache([...args, '--port-base', `${this.portBase}`], options);
  }

  async processes(): Promise<ProcessRecord[]> {
    const { out } = await this.run(['status', '--json']);
    return (JSON.parse(out) as { processes: ProcessRecord[] }).processes;
  }

  async pidOf(id: string): Promise<number> {
    const found = (await this.processes()).find((record) => record.id === id);
    if (!found?.pid) throw new Error(`${id} does not run`);
    return found.pid;
  }

  /** Sends a signal to the process alone, or to its whole group as a terminal does; resolves with the exit code. */
  async end(signal: NodeJS.Signals, target: 'process' | 'group' = 'process'): Promise<number | null> {
    this.signal(signal, target);
    await this.#closed;
    return this.#child.exitCode;
  }

  signal(signal: NodeJS.Signals, target: 'process' | 'group' = 'process'): void {
    process.kill(target === 'group' ? -this.pid : this.pid, signal);
  }

  /** Ends whatever still runs and takes the data away. */
  async dispose(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.end('SIGTERM');
    rmSync(this.dataPath, { recursive: true, force: true });
  }
}

/** Resolves when no process has any of these ids; there is no event for processes that are not ours. */
export async function untilGone(pids: readonly number[]): Promise<void> {
  for (const pid of pids) {
    while (isAlive(pid)) await delay(20);
  }
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
