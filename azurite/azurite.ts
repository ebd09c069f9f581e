/**
 * Azurite, the emulator of Azure Blob Storage, as a child process: the Blob account of a local cluster and of tests.
 *
 * It can be ended (SIGTERM: it saves everything), killed (SIGKILL: it forgets what it acknowledged in its last five
 * seconds, because it saves its metadata every five), paused and resumed (SIGSTOP, SIGCONT: connections stay open and
 * nothing answers), and started again on the same port over the same folder.
 *
 * The account and its key are Azurite's published ones; they protect nothing, so it listens on loopback only.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import { KvcacheError } from '../errors.ts';
import { azuriteStartTimeoutMs } from '../limits.ts';

export const azuriteAccount = 'devstoreaccount1';
export const azuriteAccountKey =
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

const host = '127.0.0.1';
const processFile = fileURLToPath(new URL('./azurite-process.ts', import.meta.url));

export interface AzuriteOptions {
  /** Where it keeps its data; made if missing. */
  readonly directory: string;
  /** 0 or absent: a free one, kept over restarts. */
  readonly port?: number;
}

/** The URL of the emulated account behind a port: Azurite's own or a proxy's in front of it. */
export function azuriteAccountUrl(port: number): string {
  return `http://${host}:${port}/${azuriteAccount}`;
}

export function azuriteConnectionString(port: number): string {
  return [
    'DefaultEndpointsProtocol=http',
    `AccountName=${azuriteAccount}`,
    `AccountKey=${azuriteAccountKey}`,
    `BlobEndpoint=${azuriteAccountUrl(port)}`,
  ].join(';');
}

/** Throws CONFIG where it is not installed, as in the image of kvcache, which has no use for an emulator. */
export function requireAzurite(from: string = import.meta.url): void {
  try {
    createRequire(from).resolve('azurite/dist/src/blob/main.js');
  } catch (error) {
    throw new KvcacheError(
      'CONFIG',
      'Azurite, the Blob account of a local cluster, is not installed here; name another account with --blob-connection-string or --blob-account-url, or use a clone of the repository',
      { cause: error },
    );
  }
}

export class Azurite {
  readonly #directory: string;
  #port: number;
  #child: ChildProcess | undefined;

  private constructor(options: AzuriteOptions) {
    this.#directory = options.directory;
    this.#port = options.port ?? 0;
  }

  /** Resolves when it answers; rejects with CONFIG if the port is taken, or it does not start. */
  static async start(options: AzuriteOptions): Promise<Azurite> {
    const azurite = new Azurite(options);
    await azurite.restart();
    return azurite;
  }

  get port(): number {
    return this.#port;
  }

  /** Undefined while it does not run. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get connectionString(): string {
    return azuriteConnectionString(this.#port);
  }

  get accountUrl(): string {
    return azuriteAccountUrl(this.#port);
  }

  /** Resolves when the running process has ended, for whatever reason; at once if none runs. */
  async ended(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await once(child, 'exit');
  }

  /** Starts it after `stop` or `kill`, on the same port over the same data. */
  async restart(): Promise<void> {
    if (this.#child !== undefined) throw new Error('Azurite runs already');
    await mkdir(this.#directory, { recursive: true });
    const flags = ['--skipApiVersionCheck', '--disableTelemetry', '--silent'];
    const child = fork(
      processFile,
      ['--blobHost', host, '--blobPort', String(this.#port), '--location', this.#directory, ...flags],
      { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], execArgv: [] },
    );
    this.#child = child;
    child.once('exit', () => {
      if (this.#child === child) this.#child = undefined;
    });
    this.#port = await portWhenListening(child, this.#port);
  }

  /** Ends it gently; everything it acknowledged is kept. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Kills it; what it acknowledged in the last five seconds may be lost. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const exit = once(child, 'exit');
    // A stopped process takes no SIGTERM until it goes on.
    child.kill('SIGCONT');
    child.kill(signal);
    await exit;
  }
}

/** Reads the child's first lines until it names the address it listens on. */
async function portWhenListening(child: ChildProcess, wantedPort: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let output = '';
  const fail = (why: string) => {
    const said = output.trim();
    reject(
      new KvcacheError(
        'CONFIG',
        output.includes('EADDRINUSE')
          ? `port ${wantedPort} for Azurite is taken by another process; choose another or end that process`
          : `Azurite ${why}${said === '' ? '' : `: ${said}`}`,
      ),
    );
  };
  const read = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4096);
    const listening = /successfully listens on http:\/\/[^\s:]+:(\d+)/u.exec(output);
    if (listening !== null) resolve(Number(listening[1]));
  };
  child.stdout?.on('data', read);
  child.stderr?.on('data', read);
  child.once('error', (error) => fail(`could not be started (${error.message})`));
  child.once('exit', (code, signal) => fail(`ended while starting (${signal ?? `exit code ${code}`})`));
  const timer = setTimeout(() => {
    fail(`did not start within ${azuriteStartTimeoutMs} ms`);
    child.kill('SIGKILL');
  }, azuriteStartTimeoutMs);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
