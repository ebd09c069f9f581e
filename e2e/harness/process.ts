/** Child processes of the harness: docker, kind, helm, kubectl. Their words are kept, for they say what went wrong. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Default: five minutes. */
  readonly timeoutMs?: number;
}

const timeoutDefaultMs = 300_000;

/** Runs a command to its end, whatever that is. Rejects only if it cannot be started. */
export async function outcomeOf(command: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? timeoutDefaultMs,
    killSignal: 'SIGKILL',
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  // A child that reads nothing may be gone before its input is written; its exit code tells all there is to tell.
  child.stdin.on('error', (error: NodeJS.ErrnoException) => err.push(Buffer.from(`${error.message}\n`)));
  child.stdin.end(options.input ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
}

/** Runs a command and answers what it printed; rejects with its own words where it fails. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, out, err } = await outcomeOf(command, args, options);
  if (code === 0) return out;
  const reason = code === null ? 'was ended (too slow?)' : `ended with ${code}`;
  throw new Error(`${command} ${args.join(' ')} ${reason}:\n${`${err}${out}`.trim()}`);
}
