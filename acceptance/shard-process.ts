/**
 * One `kvcache shard` as a process of its own, for tests that need its settings, its exit code and its memory.
 *
 *     const shard = await ShardProcess.start({ dataPath, settings: { 'disk.size': '256MiB' } });
 *     await shard.end('SIGKILL');
 *     await shard.restart();                    // same data, same ports: its clients find it again
 *     await shard.loseDisk();                   // what comes next finds an empty folder
 *
 * Its doors are at ports that the system chose at its first start. A client talks to it without a router: a shard
 * without a topology owns every slot.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { spawnCommand } from '../cli/testing/command.ts';
import { KvcacheClient } from '../client/key-client.ts';
import type { ClientOptions } from '../client/options.ts';
import { KvStoreClient } from '../client/prompt-client.ts';
import { threadPoolSize } from '../limits.ts';
import type { SettingName } from '../settings/schema.ts';
import { environmentNameOf } from '../settings/setting.ts';
import { shardEnvironment } from '../process/process-environment.ts';
import type { ShardInfo } from '../shard/info.ts';
import { Metrics } from './metrics.ts';

export type GivenShardSettings = Readonly<Partial<Record<SettingName, string | number>>>;

export interface ShardProcessOptions {
  readonly dataPath: string;
  readonly settings?: GivenShardSettings;
  /** Further environment variables. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A line of the process's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

type Door = 'grpc' | 'http' | 'link' | 'resp' | 'tcp';

export class ShardProcess {
  readonly dataPath: string;
  /** The log of this run. */
  lines: LogLine[] = [];
  #settings: GivenShardSettings;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #clients: Disposable[] = [];
  #child: ChildProcess | undefined;
  #exit: Promise<Exit> = Promise.resolve({ code: null, signal: null });

  private constructor({ dataPath, settings = {}, environment = {} }: ShardProcessOptions) {
    this.dataPath = dataPath;
    this.#settings = {
      'grpc.port': 0,
      'http.port': 0,
      'link.port': 0,
      'resp.port': 0,
      'tcp.port': 0,
      'grpc.host': '127.0.0.1',
      'http.host': '127.0.0.1',
      'link.host': '127.0.0.1',
      'resp.host': '127.0.0.1',
      'tcp.host': '127.0.0.1',
      ...settings,
    };
    this.#environment = environment;
  }

  /** Resolves when the shard is ready; rejects with its last words if it ends before that. */
  static async start(options: ShardProcessOptions): Promise<ShardProcess> {
    const shard = new ShardProcess(options);
    await shard.restart();
    return shard;
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error('the shard does not run');
    return this.#child.pid;
  }

  /** host:port of its gRPC. */
  get server(): string {
    return `127.0.0.1:${this.#settings['grpc.port']}`;
  }

  /** The URL of its HTTP. */
  get url(): string {
    return `http://127.0.0.1:${this.#settings['http.port']}`;
  }

  /** The port of one of its doors. */
  portOf(door: Door): number {
    return Number(this.#settings[`${door}.port`]);
  }

  /** Starts it after it has ended, with these settings changed; resolves when it is ready. */
  async restart(changed: GivenShardSettings = {}): Promise<void> {
    this.#settings = { ...this.#settings, ...changed };
    this.spawn();
    const ready = await this.untilSaid('ready');
    for (const [door, address] of Object.entries(ready['addresses'] as Record<Door, string>)) {
      const port = Number(address.slice(address.lastIndexOf(':') + 1));
      this.#settings = { ...this.#settings, [`${door as Door}.port`]: port };
    }
  }

  /** Starts it and does not wait. */
  spawn(): void {
    if (this.#child !== undefined) throw new Error('the shard runs already');
    const settings = Object.entries(this.#settings).map(
      ([name, value]) => [environmentNameOf(name as SettingName), `${value}`] as const,
    );
    const child = spawnCommand(['shard', '--data-path', this.dataPath], {
      environment: {
        UV_THREADPOOL_SIZE: `${threadPoolSize}`,
        ...shardEnvironment,
        ...this.#environment,
        ...Object.fromEntries(settings),
      },
    });
    this.#child = child;
    this.lines = [];
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.lines.push(parsedLine(line));
        child.emit('said');
      });
    }
    this.#exit = once(child, 'close').then((how) => {
      this.#child = undefined;
      const [code, signal] = how as [Exit['code'], Exit['signal']];
      return { code, signal };
    });
  }

  /** Resolves with how it ended, when it has. */
  get ended(): Promise<Exit> {
    return this.#exit;
  }

  /** Sends a signal: SIGSTOP and SIGCONT pause and resume it. */
  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Sends a signal that ends it; resolves when it is gone. */
  async end(signal: NodeJS.Signals): Promise<Exit> {
    this.signal(signal);
    return this.#exit;
  }

  /** Takes its data away. It must not run. */
  loseDisk(): void {
    if (this.#child !== undefined) throw new Error('a running shard would write on into its files');
    rmSync(this.dataPath, { recursive: true, force: true });
  }

  /** Resolves with the line of the log that has this message; rejects if the process ends without one. */
  async untilSaid(message: string): Promise<LogLine> {
    const child = this.#child;
    for (;;) {
      const line = this.lines.find(({ msg }) => msg.includes(message));
      if (line !== undefined) return line;
      if (this.#child === undefined) throw new Error(`the shard ended: ${this.said()}`);
      await Promise.race([once(child!, 'said'), this.#exit]);
    }
  }

  /** The log of this run as text, for messages of tests. */
  said(): string {
    return this.lines.map((line) => JSON.stringify(line)).join('\n');
  }

  /** A client of its own doors, closed with it. */
  keyClient(options: ClientOptions = {}): KvcacheClient {
    return this.#closing(new KvcacheClient({ server: this.server, ...options }));
  }

  /** The same for prompt blocks, for container `acceptance`. */
  promptClient(options: ClientOptions = {}): KvStoreClient {
    const client = this.#closing(new KvStoreClient({ server: this.server, ...options }));
    client.initialize('https://acceptance.example', 'acceptance');
    return client;
  }

  async info(): Promise<ShardInfo> {
    using client = new KvcacheClient({ server: this.server });
    const [info] = await client.status();
    return info as unknown as ShardInfo;
  }

  metrics(): Promise<Metrics> {
    return Metrics.of(`127.0.0.1:${this.#settings['http.port']}`);
  }

  /** Ends whatever still runs and takes the data away. For `afterEach`. */
  async dispose(): Promise<void> {
    for (const client of this.#clients.splice(0)) client[Symbol.dispose]();
    if (this.#child !== undefined) await this.end('SIGKILL');
    this.loseDisk();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #closing<Client extends Disposable>(client: Client): Client {
    this.#clients.push(client);
    return client;
  }
}

function parsedLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    // Not of our log: a warning of the runtime, say.
    return { msg: line };
  }
}
