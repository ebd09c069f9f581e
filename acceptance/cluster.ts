/**
 * A real local cluster for acceptance tests: `kvcache dev` as people start it, with every process of it within reach.
 *
 *     const cluster = await TestCluster.start({ shards: 3 });
 *     await cluster.kill('shard-1');            // SIGKILL; the supervisor starts it again
 *     await cluster.untilReady('shard-1');
 *     await cluster.wipe('shard-2');            // its disk is gone, and it comes up again without it
 *     await cluster.scale(5);                   // kvcache scale 5
 *     await cluster.killSupervisor();           // SIGKILL; everything ends, and
 *     await cluster.startSupervisor();          // comes up again on the same data
 *     await cluster.stop();                     // SIGTERM, as Ctrl-C; fails if anything is left
 *
 * Processes are found in the state that the cluster writes, which `kvcache status --json` prints: it is there at once,
 * also while a shard is paused and does not answer.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findCluster, type ProcessRecord } from '../cli/dev/state.ts';
import { layoutOf, portsOf } from '../cli/dev/layout.ts';
import { requireFreePorts } from '../cli/dev/ports.ts';
import type { PlaygroundReport } from '../cli/playground/report.ts';
import { DevProcess, isAlive, type Outcome, untilGone } from '../cli/testing/command.ts';
import { KvcacheClient } from '../client/key-client.ts';
import type { ClientOptions } from '../client/options.ts';
import { KvStoreClient } from '../client/prompt-client.ts';
import { localShardsMax } from '../limits.ts';
import { parseTopology } from '../topology/document.ts';
import type { Topology } from '../topology/topology.ts';

export interface TestClusterOptions {
  /** Default 3. */
  readonly shards?: number;
  /** Further flags of `kvcache dev`. */
  readonly args?: readonly string[];
}

/** How often the state of a process is looked at; the supervisor writes it on every change. */
const pollMs = 25;

export class TestCluster {
  #dev: DevProcess;
  readonly #args: readonly string[];
  readonly #clients: Disposable[] = [];

  private constructor(dev: DevProcess, args: readonly string[]) {
    this.#dev = dev;
    this.#args = args;
  }

  /** Resolves when every process is ready. */
  static async start({ shards = 3, args = [] }: TestClusterOptions = {}): Promise<TestCluster> {
    return new TestCluster(await DevProcess.start({ args: ['--shards', `${shards}`, ...args] }), args);
  }

  /** host:port of the router's gRPC. */
  get server(): string {
    return `127.0.0.1:${this.#dev.portBase}`;
  }

  get dataPath(): string {
    return this.#dev.dataPath;
  }

  /** Everything that `kvcache dev` has printed so far. */
  get lines(): readonly string[] {
    return this.#dev.lines;
  }

  get shardIds(): string[] {
    return this.processes().flatMap(({ role, id }) => (role === 'shard' ? [id] : []));
  }

  /** Runs a command of `kvcache` against this cluster. */
  run(args: readonly string[]): Promise<Outcome> {
    return this.#dev.run(args);
  }

  /** Runs `kvcache scale`, which waits until everything has arrived. */
  scale(shards: number, args: readonly string[] = []): Promise<Outcome> {
    return this.run(['scale', `${shards}`, ...args]);
  }

  /** Ends `kvcache dev` at once; resolves when its children have noticed and ended too. */
  async killSupervisor(): Promise<void> {
    const pids = this.processes().flatMap(({ pid }) => pid ?? []);
    await this.#dev.end('SIGKILL');
    await untilGone(pids);
  }

  /** Starts `kvcache dev` again on the same data and ports, with the flags of the first start. */
  async startSupervisor(): Promise<void> {
    const { portBase, dataPath } = this.#dev;
    this.#dev = await DevProcess.start({ portBase, dataPath, args: this.#args });
  }

  /** Runs the playground; rejects if it printed no report. */
  async playground(args: readonly string[]): Promise<{ report: PlaygroundReport; code: number | null }> {
    const { out, err, code } = await this.run(['playground', ...args, '--json']);
    if (out === '') throw new Error(`the playground printed no report: ${err}`);
    return { report: JSON.parse(out) as PlaygroundReport, code };
  }

  /** A client of the router, closed with the cluster. */
  keyClient(options: ClientOptions = {}): KvcacheClient {
    return this.#closing(new KvcacheClient({ server: this.server, ...options }));
  }

  /** The same for prompt blocks, for container `acceptance`. */
  promptClient(options: ClientOptions = {}): KvStoreClient {
    const client = this.#closing(new KvStoreClient({ server: this.server, ...options }));
    client.initialize('https://acceptance.example', 'acceptance');
    return client;
  }

  /** The topology that the supervisor has published last. */
  topology(): Topology {
    return parseTopology(readFileSync(join(this.dataPath, 'topology.json'), 'utf8'));
  }

  processes(): readonly ProcessRecord[] {
    return findCluster(this.#dev.portBase)?.processes ?? [];
  }

  /** The process of this id, which runs. */
  process(id: string): ProcessRecord & { readonly pid: number } {
    const found = this.processes().find((record) => record.id === id);
    if (!found?.pid) throw new Error(`${id} does not run`);
    return { ...found, pid: found.pid };
  }

  /** Sends a signal: SIGSTOP and SIGCONT pause and resume a process. */
  signal(id: string, signal: NodeJS.Signals): void {
    process.kill(this.process(id).pid, signal);
  }

  /** Ends a process; resolves when it is gone. The supervisor starts another one. */
  async kill(id: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const { pid } = this.process(id);
    process.kill(pid, signal);
    await untilGone([pid]);
  }

  /** Ends a process and waits for the one that takes its place. */
  async restart(id: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.kill(id, signal);
    await this.untilReady(id);
  }

  /** Takes a process's data away as a lost disk does, under a process that no longer runs, and waits for the next. */
  async wipe(id: string): Promise<void> {
    const { pid, dataDirectory } = this.process(id);
    // Stopped first, so that it writes nothing more, and killed after, so that its successor finds nothing.
    process.kill(pid, 'SIGSTOP');
    rmSync(dataDirectory, { recursive: true, force: true });
    process.kill(pid, 'SIGKILL');
    await untilGone([pid]);
    await this.untilReady(id);
  }

  /** Resolves when the process of this id lives and is ready. */
  async untilReady(id: string): Promise<void> {
    for (;;) {
      const found = this.processes().find((record) => record.id === id);
      if (found?.state === 'ready' && found.pid !== null && isAlive(found.pid)) return;
      if (found?.state === 'failed') throw new Error(`${id} has failed: ${this.lines.join('\n')}`);
      await delay(pollMs);
    }
  }

  /** Ends the cluster as Ctrl-C does; rejects if it did not end well or left anything behind. */
  async stop(): Promise<void> {
    this.#closeClients();
    const pids = this.processes().flatMap(({ pid }) => pid ?? []);
    const code = await this.#dev.end('SIGTERM');
    if (code !== 0) throw new Error(`kvcache dev ended with ${code}: ${this.lines.join('\n')}`);
    const left = pids.filter(isAlive);
    if (left.length > 0) throw new Error(`processes ${left.join(', ')} outlived their cluster`);
    const layout = layoutOf({ portBase: this.#dev.portBase, shards: localShardsMax, dataPath: this.dataPath });
    await requireFreePorts('127.0.0.1', portsOf(layout, true), this.#dev.portBase);
    if (existsSync(layout.statePath)) throw new Error(`${layout.statePath} was left behind`);
  }

  /** Ends whatever still runs and takes the data away. For `afterEach`; `stop` is the one that checks. */
  async dispose(): Promise<void> {
    this.#closeClients();
    await this.#dev.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #closing<Client extends Disposable>(client: Client): Client {
    this.#clients.push(client);
    return client;
  }

  #closeClients(): void {
    for (const client of this.#clients.splice(0)) client[Symbol.dispose]();
  }
}
