/**
 * A real cluster on this machine: Azurite, shards and a router as supervised child processes.
 *
 * All start at once; each waits for what it needs. They end in the order in which they need each other: the router,
 * then the shards, which flush to Blob, then Azurite.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import net from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { azuriteConnectionString } from '../../azurite/azurite.ts';
import { KvcacheError } from '../../errors.ts';
import { childKillMarginMs, threadPoolSize } from '../../limits.ts';
import { environmentFor } from '../../settings/present.ts';
import type { GivenSettings } from '../../settings/schema.ts';
import { type DirectoryLock, lockDirectory } from '../../shard/storage/directory-lock.ts';
import { type ChildOptions, SupervisedChild, untilReadyMessage } from './child.ts';
import { type Layout, layoutOf, portsOf, type ShardPlace } from './layout.ts';
import { requireFreePorts } from './ports.ts';
import { type ProcessRecord, removeClusterState, writeClusterState, writePointer } from './state.ts';
import { knownTopology, shardCountOf, writeTopology } from './topology-file.ts';

export interface ClusterOptions {
  readonly portBase: number | undefined;
  readonly dataPath: string;
  readonly shards: number;
  /** False where `shards` is only the default. */
  readonly isShardsGiven: boolean;
  /** Where the router's public doors listen. */
  readonly host: string;
  readonly shutdownGraceMs: number;
  /** What was set for shards and router, handed on to them. */
  readonly given: GivenSettings;
  /** Aborted: give up starting. */
  readonly signal: AbortSignal;
  /** Says a sentence to the person who started the cluster. */
  readonly say: (sentence: string) => void;
}

const root = resolve(import.meta.dirname, '../..');
const commandModule = join(root, 'cli/main.ts');
const azuriteModule = join(root, 'azurite/azurite-process.ts');
const loopback = '127.0.0.1';
/** How often a child that cannot say so is asked whether it listens. */
const listenPollMs = 25;

interface Member {
  readonly child: SupervisedChild;
  readonly role: ProcessRecord['role'];
  readonly addresses: ProcessRecord['addresses'];
  readonly dataDirectory: string;
}

export class LocalCluster {
  readonly layout: Layout;
  readonly #options: ClusterOptions;
  readonly #lock: DirectoryLock;
  readonly #startedAtMs = Date.now();
  readonly #members: Member[] = [];
  #stopping: Promise<void> | undefined;

  private constructor(options: ClusterOptions, layout: Layout, lock: DirectoryLock) {
    this.#options = options;
    this.layout = layout;
    this.#lock = lock;
  }

  /**
   * Resolves when every process is ready. Rejects with CONFIG for taken ports and shards that do not fit the data, with
   * LOCKED if a cluster runs on the folder already, and if a process does not start; nothing is left running then.
   */
  static async start(options: ClusterOptions): Promise<LocalCluster> {
    const dataPath = resolve(options.dataPath);
    mkdirSync(dataPath, { recursive: true });
    const lock = await lockDirectory(dataPath);
    try {
      const known = knownTopology(dataPath);
      const shards = shardCountOf(known, options.shards, options.isShardsGiven, dataPath);
      const place = { portBase: options.portBase, shards, dataPath };
      const layout = layoutOf(place);
      await requireFreePorts(options.host, portsOf(layout, !hasOwnBlob(options.given)), options.portBase);
      writeTopology(known, place);
      const cluster = new LocalCluster(options, layout, lock);
      await cluster.#startAll();
      return cluster;
    } catch (error) {
      // After `stop` it is released already, which does no harm.
      await lock.release();
      throw error;
    }
  }

  get usesAzurite(): boolean {
    return !hasOwnBlob(this.#options.given);
  }

  /** Ends everything in order; a second call waits for the first. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Ends every child at once. */
  kill(): void {
    for (const { child } of this.#members) child.kill();
  }

  async #startAll(): Promise<void> {
    if (this.usesAzurite) this.#members.push(this.#azurite());
    for (const place of this.layout.shards) this.#members.push(this.#shard(place));
    this.#members.push(this.#router());
    writePointer(this.layout.router.grpcPort, this.layout.statePath);
    // Told to stop, the children end, and so do the waits for them.
    this.#options.signal.addEventListener('abort', () => void this.stop(), { once: true });
    const results = await Promise.allSettled(this.#members.map(({ child }) => child.start()));
    const failure = results.find((result) => result.status === 'rejected');
    if (failure === undefined) return;
    await this.stop();
    throw this.#options.signal.aborted ? new KvcacheError('SHUTDOWN', 'stopped while starting') : failure.reason;
  }

  async #stop(): Promise<void> {
    const killAfterMs = this.#options.shutdownGraceMs + childKillMarginMs;
    for (const role of ['router', 'shard', 'azurite'] as const) {
      const members = this.#members.filter((member) => member.role === role);
      await Promise.all(members.map(({ child }) => child.stop(killAfterMs)));
    }
    removeClusterState(this.layout.statePath, this.layout.router.grpcPort);
    await this.#lock.release();
  }

  #azurite(): Member {
    const { dataPath, blobPort } = this.layout.azurite;
    mkdirSync(dataPath, { recursive: true });
    const args = ['--blobHost', loopback, '--blobPort', `${blobPort}`, '--location', dataPath];
    const child = this.#child('azurite', {
      module: azuriteModule,
      args: [...args, '--skipApiVersionCheck', '--disableTelemetry', '--silent'],
      environment: inheritedEnvironment(),
      untilReady: (process) => untilListening(process, blobPort),
    });
    return { child, role: 'azurite', addresses: { blob: `${loopback}:${blobPort}` }, dataDirectory: dataPath };
  }

  #shard({ name, dataPath, linkPort, grpcPort, httpPort }: ShardPlace): Member {
    const environment = childEnvironment(this.#options.given, 'shard');
    if (this.usesAzurite) {
      environment['KVCACHE_BLOB_CONNECTION_STRING'] = azuriteConnectionString(this.layout.azurite.blobPort);
    }
    const flags = {
      'shard-name': name,
      'data-path': dataPath,
      'topology-path': this.layout.topologyPath,
      'link-host': loopback,
      'link-port': linkPort,
      'grpc-host': loopback,
      'grpc-port': grpcPort,
      'http-host': loopback,
      'http-port': httpPort,
    };
    const child = this.#child(name, {
      module: commandModule,
      args: ['shard', ...flagArguments(flags)],
      environment,
      untilReady: untilReadyMessage,
    });
    const address = (port: number): string => `${loopback}:${port}`;
    const addresses = { grpc: address(grpcPort), http: address(httpPort), link: address(linkPort) };
    return { child, role: 'shard', addresses, dataDirectory: dataPath };
  }

  #router(): Member {
    const { dataPath, grpcPort, httpPort } = this.layout.router;
    const { host, given } = this.#options;
    const flags = {
      'data-path': dataPath,
      'topology-path': this.layout.topologyPath,
      'grpc-host': host,
      'grpc-port': grpcPort,
      'http-host': host,
      'http-port': httpPort,
    };
    const child = this.#child('router', {
      module: commandModule,
      args: ['router', ...flagArguments(flags)],
      environment: childEnvironment(given, 'router'),
      untilReady: untilReadyMessage,
    });
    const addresses = { grpc: `${host}:${grpcPort}`, http: `${host}:${httpPort}` };
    return { child, role: 'router', addresses, dataDirectory: dataPath };
  }

  #child(id: string, options: Omit<ChildOptions, 'id' | 'logPath' | 'onChange'>): SupervisedChild {
    return new SupervisedChild({
      ...options,
      id,
      logPath: join(this.layout.logsPath, `${id}.log`),
      onChange: (_, sentence) => {
        if (sentence !== undefined) this.#options.say(sentence);
        this.#writeState();
      },
    });
  }

  #writeState(): void {
    const supervisor: ProcessRecord = {
      role: 'supervisor',
      id: 'supervisor',
      pid: process.pid,
      state: this.#stopping ? 'stopping' : 'ready',
      restarts: 0,
      addresses: {},
      dataDirectory: this.layout.dataPath,
      log: null,
    };
    const children = this.#members.map(({ child, role, addresses, dataDirectory }) => ({
      role,
      id: child.id,
      pid: child.pid,
      state: child.state,
      restarts: child.restarts,
      addresses,
      dataDirectory,
      log: child.logPath,
    }));
    writeClusterState(this.layout.statePath, {
      version: 1,
      dataDirectory: this.layout.dataPath,
      startedAtMs: this.#startedAtMs,
      processes: [supervisor, ...children],
    });
  }
}

function hasOwnBlob(given: GivenSettings): boolean {
  return given['blob.connection_string'] !== undefined || given['blob.account_url'] !== undefined;
}

/** This process's environment without its own settings, and those of the child: secrets stay off command lines. */
function childEnvironment(given: GivenSettings, role: 'shard' | 'router'): Record<string, string | undefined> {
  return { ...inheritedEnvironment(), UV_THREADPOOL_SIZE: `${threadPoolSize}`, ...environmentFor(given, role) };
}

function inheritedEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KVCACHE_')));
}

function flagArguments(flags: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(flags).flatMap(([name, value]) => [`--${name}`, `${value}`]);
}

/** Resolves when something listens on the port, or when the child has ended. */
async function untilListening(child: ChildProcess, port: number): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    if (await connects(port)) return;
    await delay(listenPollMs);
  }
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, loopback);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
