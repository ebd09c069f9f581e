/**
 * The processes of a bench: started with a scope that ends them, on ports that are free, with their processor time.
 *
 * A child that ends by itself, or says nothing useful in time, is a fault that carries its last words.
 */
import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export const benchFolder = resolve(import.meta.dirname, '..');
const lastWordsMax = 4_096;
const connectPollMs = 20;
const startTimeoutMs = 60_000;
const endTimeoutMs = 20_000;

export interface Child {
  readonly process: ChildProcess;
  readonly pid: number;
  /** What it has said last, on both streams. */
  lastWords(): string;
}

/** Starts a program; with the scope it is told to end, and killed if it does not. */
export function startProgram(scope: AsyncDisposableStack, command: string, args: readonly string[]): Child {
  return adopt(scope, spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
}

/** Starts a module of the bench as a process that speaks to us by messages, buffers included. */
export function startModule(
  scope: AsyncDisposableStack,
  module: string,
  args: readonly string[] = [],
  flags: readonly string[] = [],
): Child {
  const child = fork(join(benchFolder, module), args, {
    serialization: 'advanced',
    silent: true,
    execArgv: [...flags],
  });
  return adopt(scope, child);
}

/** The next message of a child of ours; rejects with its last words if it ends instead. */
export async function message<Message>(child: Child): Promise<Message> {
  const fault = (): Error => new Error(`a process of the bench ended: ${child.lastWords()}`);
  if (child.process.exitCode !== null || child.process.signalCode !== null) throw fault();
  const waiting = new AbortController();
  const ended = once(child.process, 'exit', waiting).then(() => {
    throw fault();
  });
  try {
    const [received] = (await Promise.race([once(child.process, 'message', waiting), ended])) as [Message];
    return received;
  } finally {
    waiting.abort();
  }
}

/** Resolves when the child listens on the port. */
export async function untilListening(child: Child, port: number): Promise<void> {
  for (const endMs = Date.now() + startTimeoutMs; Date.now() < endMs; await delay(connectPollMs)) {
    if (child.process.exitCode !== null) break;
    if (await connects(port)) return;
  }
  throw new Error(`${child.process.spawnfile} does not listen: ${child.lastWords()}`);
}

/** The first line of what `--version` and its like say; undefined where the program is not installed. */
export function versionOf(command: string, flag = '--version'): string | undefined {
  const { error, stdout, stderr } = spawnSync(command, [flag], { encoding: 'utf8' });
  return error === undefined ? `${stdout}${stderr}`.trim().split('\n')[0] : undefined;
}

/** Processor time of all threads of these processes so far, in microseconds; undefined where the system does not tell. */
export function processorUs(pids: readonly number[]): number | undefined {
  if (process.platform !== 'linux') return undefined;
  return pids.reduce((sum, pid) => sum + processorUsOf(pid), 0);
}

/** Zero for a process that is gone. */
function processorUsOf(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const times = threads.map((thread) => {
      const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
      return Number(text.slice(0, text.indexOf(' '))) / 1_000;
    });
    return times.reduce((sum, time) => sum + time, 0);
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return 0;
    throw error;
  }
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return pages * 4_096;
}

function adopt(scope: AsyncDisposableStack, child: ChildProcess): Child {
  let words = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-lastWordsMax);
    });
  }
  child.on('error', (error) => {
    words += error.message;
  });
  endWith(scope, child);
  return { process: child, pid: child.pid ?? 0, lastWords: () => words.trim() };
}

/** The child ends with the scope; at once where that was left while the child began. */
export function endWith(scope: AsyncDisposableStack, child: ChildProcess): void {
  if (scope.disposed) child.kill('SIGKILL');
  else scope.defer(() => end(child));
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const isEnded = await Promise.race([ended.then(() => true), delay(endTimeoutMs, false, { ref: false })]);
  if (isEnded) return;
  child.kill('SIGKILL');
  await ended;
}

function connects(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}
