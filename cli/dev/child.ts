/**
 * One supervised child: started, watched, started again when it ends, and ended in order.
 *
 *   starting ──ready──▶ ready ──ends──▶ restarting ──delay──▶ starting
 *       any ──stop()──▶ stopping ──▶ ended for good
 *
 * A child that ends before it has ever been ready is not started again: whoever started it is told.
 *
 * A child is a process group of its own, so that a terminal's Ctrl-C reaches the supervisor alone, which ends the
 * children in the right order. The channel between the two tells a child when the supervisor is gone, however it went.
 * Rejected: children that ignore SIGINT in the supervisor's group, for Azurite is not our program and does not.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  childLastWordsBytes,
  childLogBytesMax,
  restartDelayMaxMs,
  restartDelayMinMs,
  restartForgiveMs,
} from '../../limits.ts';
import { messageOf } from '../../errors.ts';
import { exitCodes } from '../../process/exit-codes.ts';
import type { ProcessState } from './state.ts';

export interface ChildOptions {
  readonly id: string;
  /** The module that the child runs. */
  readonly module: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Both its outputs go here. */
  readonly logPath: string;
  /** Resolves once this run of the child can be used. */
  readonly untilReady: (child: ChildProcess) => Promise<void>;
  /** Called on every change of state, with a sentence for people where there is something to say. */
  readonly onChange: (child: SupervisedChild, sentence?: string) => void;
}

/** One run of a child. `ended` rejects when it ends. */
interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<never>;
}

/** Exit codes after which starting again can only repeat the fault. */
const finalCodes: ReadonlySet<number | null> = new Set([exitCodes.usage, exitCodes.fenced]);

export class SupervisedChild {
  readonly #options: ChildOptions;
  #process: ChildProcess | undefined;
  #state: ProcessState = 'starting';
  #restarts = 0;
  #delayMs = restartDelayMinMs;
  #timer: NodeJS.Timeout | undefined;
  #startedAtMs = 0;
  #wasReady = false;
  #stopping: Promise<void> | undefined;

  constructor(options: ChildOptions) {
    this.#options = options;
  }

  get id(): string {
    return this.#options.id;
  }

  get logPath(): string {
    return this.#options.logPath;
  }

  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  get state(): ProcessState {
    return this.#state;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** Starts the child; resolves when it is ready, rejects when it ends before that. */
  async start(): Promise<void> {
    await this.#untilReady(this.#launch());
  }

  /** Throws where the log or the process cannot be made, such as on a full disk. */
  #launch(): Run {
    const { module, args, environment, logPath } = this.#options;
    const log = openLog(logPath);
    let child: ChildProcess;
    try {
      child = fork(module, [...args], {
        stdio: ['ignore', log, log, 'ipc'],
        detached: true,
        execArgv: [],
        env: environment,
      });
    } finally {
      closeSync(log);
    }
    this.#process = child;
    this.#startedAtMs = performance.now();
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => undefined);
    child.once('error', (error) => this.#ended(child, error.message, null, reject));
    child.once('exit', (code, signal) => this.#ended(child, signal ?? `exit code ${code}`, code, reject));
    this.#become('starting');
    return { child, ended: promise };
  }

  async #untilReady({ child, ended }: Run): Promise<void> {
    await Promise.race([this.#options.untilReady(child), ended]);
    this.#wasReady = true;
    this.#become('ready', this.#restarts > 0 ? `${this.id} is ready again` : undefined);
  }

  /** Ends the child gently, and by force after `killAfterMs`; resolves when it is gone. A second call waits too. */
  stop(killAfterMs: number): Promise<void> {
    this.#stopping ??= this.#stop(killAfterMs);
    return this.#stopping;
  }

  async #stop(killAfterMs: number): Promise<void> {
    clearTimeout(this.#timer);
    this.#become('stopping');
    const child = this.#process;
    if (!child) return;
    const exit = once(child, 'exit');
    const timer = setTimeout(() => {
      this.#options.onChange(this, `${this.id} did not end within ${killAfterMs} ms and is killed`);
      child.kill('SIGKILL');
    }, killAfterMs);
    // A stopped process takes no SIGTERM until it goes on.
    child.kill('SIGCONT');
    child.kill('SIGTERM');
    await exit;
    clearTimeout(timer);
  }

  kill(): void {
    this.#process?.kill('SIGKILL');
  }

  #become(state: ProcessState, sentence?: string): void {
    if (this.#state === 'stopping') return;
    this.#state = state;
    this.#options.onChange(this, sentence);
  }

  #ended(child: ChildProcess, how: string, code: number | null, reject: (reason: Error) => void): void {
    if (this.#process !== child) return;
    this.#process = undefined;
    const words = lastWordsOf(this.logPath);
    const why = words === undefined ? `its log ${this.logPath} is gone` : `${words} (all of it in ${this.logPath})`;
    reject(new Error(`${this.id} ended while starting (${how}): ${why}`));
    if (this.#state === 'stopping') return;
    if (!this.#wasReady) {
      this.#become('failed');
      return;
    }
    if (finalCodes.has(code)) {
      this.#become('failed', `${this.id} ended with exit code ${code} and stays down; its log is ${this.logPath}`);
      return;
    }
    if (performance.now() - this.#startedAtMs > restartForgiveMs) this.#delayMs = restartDelayMinMs;
    this.#restartLater(`${this.id} ended (${how}) and is started again; its log is ${this.logPath}`);
  }

  #restartLater(sentence: string): void {
    this.#become('restarting', sentence);
    this.#timer = setTimeout(() => this.#restart(), this.#delayMs);
    this.#delayMs = Math.min(this.#delayMs * 2, restartDelayMaxMs);
  }

  #restart(): void {
    this.#restarts++;
    let run: Run;
    try {
      run = this.#launch();
    } catch (error) {
      this.#restartLater(`${this.id} cannot be started (${messageOf(error)}) and is tried again`);
      return;
    }
    // A run that ends before it is ready has said so through #ended, which also arranges the next one.
    this.#untilReady(run).catch(() => undefined);
  }
}

/** Opens a log for appending; what has grown large is put aside, in place of what was put aside before. */
function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > childLogBytesMax) renameSync(path, `${path}.1`);
  return openSync(path, 'a');
}

/** The message of a log's last line; undefined where somebody took the log away. */
function lastWordsOf(path: string): string | undefined {
  let log: number;
  try {
    log = openSync(path, 'r');
  } catch {
    // Words about an end are not worth another one: whatever keeps the log from being read is told as its absence.
    return undefined;
  }
  const { size } = fstatSync(log);
  const tail = Buffer.alloc(Math.min(size, childLastWordsBytes));
  readSync(log, tail, 0, tail.byteLength, size - tail.byteLength);
  closeSync(log);
  const line = tail.toString('utf8').trimEnd().split('\n').at(-1)!;
  try {
    return (JSON.parse(line) as { msg?: string }).msg ?? line;
  } catch {
    // Not one of ours, such as Azurite's.
    return line;
  }
}

/** Resolves when a child of ours says over the channel that it is ready. */
export function untilReadyMessage(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.on('message', (message) => {
      if (typeof message === 'object' && 'kind' in message && message.kind === 'ready') resolve();
    });
  });
}
