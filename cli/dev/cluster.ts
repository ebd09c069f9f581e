/**
 * A real cluster on this machine: Azurite, shards and a router as supervised child processes.
 *
 * All start at once; each waits for what it needs. They end in the order in which they need each other: the router,
 * then the shards, which flush to Blob, then Azurite.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KvcacheClient } from '../../client/key-client.ts';
import { KvcacheError, messageOf } from '../../errors.ts';
import { childKillMarginMs, clusterLinkedMs } from '../../limits.ts';
import type { GivenSettings } from '../../settings/schema.ts';
import { type DirectoryLock, lockDirectory } from '../../shard/storage/directory-lock.ts';
import { SupervisedChild } from './child.ts';
import { type Layout, layoutOf, portsOf } from './layout.ts';
import { hasOwnBlob, loopback, type MemberPlan, planMembers } from './members.ts';
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

/** How often the router is asked whether it reaches every shard. */
const linkedPollMs = 25;

interface Member {
  readonly plan: MemberPlan;
  readonly child: SupervisedChild;
}

export class LocalCluster {
  readonly layout: Layout;
  readonly #options: ClusterOptions;
  readonly #lock: DirectoryLock;
  readonly #startedAtMs = Date.now();
  readonly #members: readonly Member[];
  #stopping: Promise<void> | undefined;

  private constructor(options: ClusterOptions, layout: Layout, lock: DirectoryLock) {
    this.#options = options;
    this.layout = layout;
    this.#lock = lock;
    const plans = planMembers(layout, options.given, options.host);
    this.#members = plans.map((plan) => ({ plan, child: this.#childOf(plan) }));
  }

  /**
   * Resolves when every process is ready and the router reaches every shard. Rejects with CONFIG for taken ports and
   * shards that do not fit the data, with LOCKED if a cluster runs on the folder already, with SHUTDOWN if told to stop
   * meanwhile, and if a process does not start; nothing is left running then.
   */
  static async start(options: ClusterOptions): Promise<LocalCluster> {
    const dataPath = resolve(options.dataPath);
    makeFolder(dataPath);
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
    const { signal } = this.#options;
    for (const { plan } of this.#members) mkdirSync(plan.dataDirectory, { recursive: true });
    writePointer(this.layout.router.grpcPort, this.layout.statePath);
    // Told to stop, the children end, and so do the waits for them.
    signal.addEventListener('abort', () => void this.stop(), { once: true });
    const results = await Promise.allSettled(this.#members.map(({ child }) => child.start()));
    const failure = results.find((result) => result.status === 'rejected');
    if (failure === undefined) {
      await this.#untilLinked();
      return;
    }
    await this.stop();
    throw signal.aborted ? new KvcacheError('SHUTDOWN', 'stopped while starting') : failure.reason;
  }

  /** A router that was up before a shard may take a moment to try it again; until then it would answer misses. */
  async #untilLinked(): Promise<void> {
    const { router, shards } = this.layout;
    const host = this.#options.host === '0.0.0.0' ? loopback : this.#options.host;
    using client = new KvcacheClient({ server: `${host}:${router.grpcPort}`, timeoutMs: clusterLinkedMs });
    const untilMs = performance.now() + clusterLinkedMs;
    while (performance.now() < untilMs && !this.#options.signal.aborted) {
      if ((await client.status()).length === shards.length) return;
      await delay(linkedPollMs);
    }
    if (!this.#options.signal.aborted)
      this.#options.say('the router does not reach every shard yet; see kvcache status');
  }

  async #stop(): Promise<void> {
    const killAfterMs = this.#options.shutdownGraceMs + childKillMarginMs;
    for (const role of ['router', 'shard', 'azurite'] as const) {
      const members = this.#members.filter(({ plan }) => plan.role === role);
      await Promise.all(members.map(({ child }) => child.stop(killAfterMs)));
    }
    removeClusterState(this.layout.statePath, this.layout.router.grpcPort);
    await this.#lock.release();
  }

  #childOf({ id, run }: MemberPlan): SupervisedChild {
    return new SupervisedChild({
      ...run,
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
    const children = this.#members.map(({ plan, child }): ProcessRecord => ({
      role: plan.role,
      id: plan.id,
      pid: child.pid,
      state: child.state,
      restarts: child.restarts,
      addresses: plan.addresses,
      dataDirectory: plan.dataDirectory,
      log: child.logPath,
    }));
    try {
      writeClusterState(this.layout.statePath, {
        version: 1,
        dataDirectory: this.layout.dataPath,
        startedAtMs: this.#startedAtMs,
        processes: [supervisor, ...children],
      });
    } catch (error) {
      // Only `kvcache status` reads it; the cluster does without while the disk is full.
      this.#options.say(`the list of processes cannot be written: ${messageOf(error)}`);
    }
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code;
    throw new KvcacheError('CONFIG', `the folder ${path} cannot be made (${reason}); choose another with --data`);
  }
}
