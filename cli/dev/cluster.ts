/**
 * A real cluster on this machine: Azurite, shards and a router as supervised child processes.
 *
 * All start at once; each waits for what it needs. What starts is what the topology lists; a change of the number of
 * shards that an earlier supervisor left unfinished goes on once that serves (scaler.ts).
 */
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { requireAzurite } from '../../azurite/azurite.ts';
import { KvcacheError } from '../../errors.ts';
import { childKillMarginMs, clusterLinkedMs } from '../../limits.ts';
import { deriveSettings } from '../../settings/derive.ts';
import { type LinkSecurity, linkSecurity } from '../../security/link-security.ts';
import type { GivenSettings } from '../../settings/schema.ts';
import { type DirectoryLock, lockDirectory } from '../../shard/storage/directory-lock.ts';
import type { Topology } from '../../topology/topology.ts';
import { ClusterLinks } from './cluster-links.ts';
import { ControlServer } from './control-server.ts';
import { type Desired, readDesired, writeDesired } from './desired.ts';
import { type Layout, layoutOf, portsOf, shardIndexOf, shardPlaceOf, type Site } from './layout.ts';
import { linkedProcesses, LocalHost } from './local-host.ts';
import { azuritePlan, hasOwnBlob, loopback, type MemberPlan, routerPlan, shardPlan } from './members.ts';
import { requireFreePorts } from './ports.ts';
import { Processes } from './processes.ts';
import { Scaler } from './scaler.ts';
import { desiredAtStart, knownTopology, writeFirstTopology } from './topology-file.ts';

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

/** What a cluster is made of before anything runs. */
interface Blueprint {
  readonly site: Site;
  readonly layout: Layout;
  readonly desired: Desired;
  readonly topology: Topology;
}

export class LocalCluster {
  readonly layout: Layout;
  readonly #options: ClusterOptions;
  readonly #lock: DirectoryLock;
  readonly #processes: Processes;
  readonly #security: LinkSecurity;
  readonly #links: ClusterLinks;
  readonly #scaler: Scaler;
  readonly #control: ControlServer;
  #stopping: Promise<void> | undefined;

  private constructor(options: ClusterOptions, { site, layout, desired, topology }: Blueprint, lock: DirectoryLock) {
    const { given, say } = options;
    this.#options = options;
    this.layout = layout;
    this.#lock = lock;
    // The internal ports of a local cluster are open to this machine alone, whatever is set.
    const settings = { ...deriveSettings(given), 'link.host': loopback };
    this.#security = linkSecurity(settings, { info: () => undefined, warn: (_, message) => say(message) });
    this.#links = new ClusterLinks(this.#security.client);
    const processes = new Processes(layout, options.shutdownGraceMs + childKillMarginMs, say);
    this.#processes = processes;
    const host = new LocalHost({ layout, site, given, processes, links: this.#links, say });
    this.#scaler = new Scaler(host, topology, desired);
    this.#control = new ControlServer(this.#scaler);
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
      const blueprint = await draw(options, dataPath);
      const cluster = new LocalCluster(options, blueprint, lock);
      await cluster.#startAll(blueprint);
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
    this.#processes.kill();
  }

  async #startAll({ desired, topology }: Blueprint): Promise<void> {
    const { signal, say } = this.#options;
    // Told to stop, the children end, and so do the waits for them.
    signal.addEventListener('abort', () => void this.stop(), { once: true });
    const results = await Promise.allSettled(this.#plans(topology).map((plan) => this.#processes.start(plan)));
    const failure = results.find((result) => result.status === 'rejected');
    if (failure !== undefined || signal.aborted) {
      await this.stop();
      throw signal.aborted ? new KvcacheError('SHUTDOWN', 'stopped while starting') : failure!.reason;
    }
    await this.#untilLinked(topology);
    if (signal.aborted) return;
    await this.#control.listen(this.layout.dataPath);
    if (desired.shards !== topology.shards.length) say(`going on with the change to ${desired.shards} shards`);
    this.#scaler.run();
  }

  #plans(topology: Topology): MemberPlan[] {
    const { layout } = this;
    const { given, host, portBase, dataPath } = this.#options;
    const places = topology.shards.map(({ name }) => shardPlaceOf(shardIndexOf(name)!, { portBase, dataPath }));
    return [
      ...(this.usesAzurite ? [azuritePlan(layout)] : []),
      ...places.map((place) => shardPlan(layout, place, given)),
      routerPlan(layout, given, host),
    ];
  }

  /** A router that was up before a shard may take a moment to try it again; until then it would answer misses. */
  async #untilLinked({ shards }: Topology): Promise<void> {
    const { signal, say } = this.#options;
    const processes = linkedProcesses(this.#processes.plans()).filter(({ role }) => role === 'router');
    const untilMs = performance.now() + clusterLinkedMs;
    while (performance.now() < untilMs && !signal.aborted) {
      const { routers } = await this.#links.report(processes);
      const ready = routers[0]?.links.filter(({ state }) => state === 'ready') ?? [];
      if (ready.length >= shards.length) return;
      await delay(linkedPollMs);
    }
    if (!signal.aborted) say('the router does not reach every shard yet; see kvcache status');
  }

  async #stop(): Promise<void> {
    // Whoever waits for a shard to start hears of its end; the scaler begins nothing new.
    const stopped = this.#scaler.stop();
    await this.#control.close();
    await this.#processes.stop();
    await stopped;
    this.#links.close();
    this.#security.close();
    await this.#lock.release();
  }
}

/** What is to be started, with its documents written. Throws CONFIG where that cannot be. */
async function draw(options: ClusterOptions, dataPath: string): Promise<Blueprint> {
  const { portBase, given, host } = options;
  if (!hasOwnBlob(given)) requireAzurite();
  const site = { portBase, dataPath };
  const known = knownTopology(dataPath);
  const { desiredPath } = layoutOf({ ...site, shards: 0 });
  const asked = { shards: options.shards, isGiven: options.isShardsGiven };
  const desired = desiredAtStart(known, readDesired(desiredPath), asked, dataPath);
  const indices = known?.shards.map(({ name }) => shardIndexOf(name)!) ?? [...Array(desired.shards).keys()];
  const layout = { ...layoutOf({ ...site, shards: 0 }), shards: indices.map((index) => shardPlaceOf(index, site)) };
  await requireFreePorts(host, portsOf(layout, !hasOwnBlob(given)), portBase);
  await writeDesired(desiredPath, desired);
  const topology = await writeFirstTopology(known, desired, site, layout.topologyPath);
  return { site, layout, desired, topology };
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code;
    throw new KvcacheError('CONFIG', `the folder ${path} cannot be made (${reason}); choose another with --data`);
  }
}
