/**
 * Brings a local cluster to the number of shards that is wanted, whatever it finds.
 *
 *   look: the topology in force, the shards that run, what they and the router report
 *     ├─ a shard is missing            start it
 *     ├─ nextStep says publish         write the topology, push it to everyone
 *     ├─ a shard is removable          end it; delete its folder if that was asked for
 *     └─ nothing of these              wait for a report, and look again
 *
 * It is level-triggered: each turn decides by what is there and remembers nothing of the turn before, so a crash of this
 * process, of a shard or of the router between any two lines only means that another turn is needed. What must outlive
 * it is on disk before it is acted on: the number of shards (desired.ts) and the topology (topology-file.ts). Another
 * number of shards that is asked for meanwhile counts from the next turn on; what is on the move arrives first.
 *
 * Rejected: a list of steps that is worked off and continued from a journal. It would be a second truth beside the
 * topology and the shards' reports, and wrong whenever these had gone on without it.
 */
import { KvcacheError, messageOf } from '../../errors.ts';
import { scaleIntervalMs } from '../../limits.ts';
import { abandoned, type ChangeStep, nextStep, removable } from '../../topology/change.ts';
import { isMoving } from '../../topology/place.ts';
import type { Topology, TopologyShard } from '../../topology/topology.ts';
import type { ClusterReport } from './cluster-links.ts';
import { type Desired, desiredOf, isDesired, ownersOf } from './desired.ts';
import { MoveMeter, type ScalePhase, type ScaleProgress, type ScaleWait } from './scale-progress.ts';

/** What the scaler does things with: the supervisor, or a model of one. */
export interface ScaleHost {
  /** Shards whose processes are kept running. */
  shards(): readonly string[];
  /** True if the shard's process is ready. */
  isUp(name: string): boolean;
  /** Resolves when the shard is ready; rejects if it does not start, and leaves nothing running then. */
  start(name: string): Promise<void>;
  /** Ends a shard for good: flushed, and its folder left as it is. */
  remove(name: string): Promise<void>;
  /** Deletes what a shard that does not run has on this disk; nothing happens if that is nothing. */
  deleteFolder(name: string): Promise<void>;
  report(): Promise<ClusterReport>;
  membersOf(desired: Desired): readonly TopologyShard[];
  /** Resolves when the topology is on disk; every process hears of it. */
  publish(topology: Topology): Promise<void>;
  /** The topology that this process runs by. */
  topologyOf(name: string): Promise<Topology>;
  /** Resolves when it is on disk. */
  store(desired: Desired): Promise<void>;
  /** Nothing will be asked for a while. */
  rest(): void;
  say(sentence: string): void;
}

export type ScaleEvent =
  | { readonly kind: 'progress'; readonly progress: ScaleProgress }
  | { readonly kind: 'done'; readonly shards: number; readonly epoch: number }
  /** The cluster goes back to the shards it had. */
  | { readonly kind: 'failed'; readonly shards: number; readonly message: string }
  /** Another number of shards was asked for. */
  | { readonly kind: 'superseded'; readonly shards: number };

export interface Accepted {
  readonly from: number;
  readonly shards: number;
  /** A change to another number of shards is under way, and its slots arrive first. */
  readonly isQueued: boolean;
}

type Listener = (event: ScaleEvent) => void;

export class Scaler {
  readonly #host: ScaleHost;
  readonly #intervalMs: number;
  readonly #meter = new MoveMeter();
  readonly #listeners = new Set<Listener>();
  #topology: Topology;
  #desired: Desired;
  #isSteady = false;
  #isStopped = false;
  #stored: Promise<void> = Promise.resolve();
  /** Shards that are given up at the next turn. */
  readonly #lost = new Set<string>();
  #lastFault = '';
  #wake: () => void = () => undefined;
  #running: Promise<void> | undefined;

  constructor(host: ScaleHost, topology: Topology, desired: Desired, intervalMs = scaleIntervalMs) {
    this.#host = host;
    this.#intervalMs = intervalMs;
    this.#topology = topology;
    this.#desired = desired;
  }

  /** Begins to look; what an earlier supervisor left unfinished goes on. */
  run(): void {
    this.#running = this.#loop();
  }

  /** Resolves when nothing is being done any more. A shard that is being started must be ended by the caller. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#wake();
    await this.#running;
  }

  get topology(): Topology {
    return this.#topology;
  }

  /** The number of shards to have from now on. Rejects where it cannot be stored. */
  async request(shards: number, deletesFolders: boolean): Promise<Accepted> {
    const isUnderWay = !this.#isSteady;
    let from = shards;
    await this.#setDesired((now) => {
      from = now.shards;
      return desiredOf(shards, this.#deletingOf(now, shards, deletesFolders));
    });
    this.#isSteady = false;
    if (shards !== from) {
      this.#host.say(`scaling from ${from} to ${shards} shards`);
      this.#emit({ kind: 'superseded', shards });
    }
    this.#wake();
    return { from, shards, isQueued: isUnderWay && shards !== from };
  }

  /** Gives up waiting for what this shard still holds. Throws KvcacheError CONFIG where nothing is waited for from it. */
  abandon(name: string): void {
    if (abandoned(this.#topology, new Set([name])) === this.#topology) {
      throw new KvcacheError('CONFIG', `nothing is on its way from ${name}, so there is nothing to give up`);
    }
    if (this.#host.isUp(name)) {
      throw new KvcacheError(
        'CONFIG',
        `${name} is up and hands over what it holds; only a shard that is away can be given up`,
      );
    }
    this.#lost.add(name);
    this.#isSteady = false;
    this.#wake();
  }

  /** Calls back with everything that happens from now on; the returned function ends that. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #emit(event: ScaleEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** The next request and what the loop itself stores come one after the other. */
  #setDesired(update: (now: Desired) => Desired): Promise<void> {
    const stored = this.#stored.then(async () => {
      const desired = update(this.#desired);
      await this.#host.store(desired);
      this.#desired = desired;
    });
    this.#stored = stored.catch(() => undefined);
    return stored;
  }

  /** Whose folders go. The last request decides for those that have not left yet. */
  #deletingOf(now: Desired, shards: number, deletesFolders: boolean): string[] {
    const here = new Set([...this.#host.shards(), ...this.#topology.shards.map(({ name }) => name)]);
    const gone = now.deleting.filter((name) => !here.has(name));
    return [...gone, ...(deletesFolders ? here : [])].filter((name) => !isDesired(desiredOf(shards), name));
  }

  async #loop(): Promise<void> {
    while (!this.#isStopped) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const isSteady = await this.#turn();
      if (isSteady) this.#host.rest();
      const timer = isSteady ? undefined : setTimeout(() => this.#wake(), this.#intervalMs);
      await woken;
      clearTimeout(timer);
    }
  }

  /** True if there is nothing to do and nothing to wait for. */
  async #turn(): Promise<boolean> {
    const desired = this.#desired;
    try {
      const isSteady = await this.#look(desired);
      this.#lastFault = '';
      // Somebody may have asked for another number while this one was reached.
      if (!isSteady || desired !== this.#desired || this.#isStopped) return false;
      if (!this.#isSteady) this.#emit({ kind: 'done', shards: desired.shards, epoch: this.#topology.epoch });
      this.#isSteady = true;
      return true;
    } catch (error) {
      const fault = messageOf(error);
      if (fault !== this.#lastFault && !this.#isStopped) {
        this.#host.say(`the number of shards cannot be changed now, and is tried again: ${fault}`);
      }
      this.#lastFault = fault;
      return false;
    }
  }

  async #look(desired: Desired): Promise<boolean> {
    if (!(await this.#startMissing(desired))) return false;
    const report = await this.#host.report();
    if (this.#isStopped || desired !== this.#desired) return false;
    if ((await this.#catchUp(report)) || (await this.#abandonLost())) return false;
    const step = nextStep({
      current: this.#topology,
      members: this.#host.membersOf(desired),
      shards: report.shards.map(({ name, epoch, handover }) => ({ name, epoch, hasArrived: handover.hasArrived })),
      routers: report.routers,
    });
    const leaving = step.kind === 'publish' ? [] : this.#leaving(desired, report);
    this.#tell(desired, report, step, leaving);
    if (step.kind === 'publish') {
      await this.#publish(step.topology);
      return false;
    }
    await Promise.all(leaving.map((name) => this.#remove(name)));
    // One that leaves and still runs by an older topology is not removable yet, and nextStep does not wait for it.
    const isComplete = this.#host.shards().every((name) => isDesired(desired, name));
    if (step.kind !== 'steady' || !isComplete || leaving.length > 0 || this.#isStopped) return false;
    await this.#deleteFolders(desired);
    return true;
  }

  async #remove(name: string): Promise<void> {
    await this.#host.remove(name);
    this.#host.say(`${name} has left`);
  }

  async #publish(next: Topology): Promise<void> {
    await this.#host.publish(next);
    const hasArrived = isMoving(this.#topology) && !isMoving(next);
    this.#topology = next;
    if (hasArrived) this.#host.say(`everything has arrived: ${ownersOf(next)} shards serve`);
  }

  /** A shard that runs a later epoch than this supervisor knows, such as of a backup put back: the highest counts. */
  async #catchUp({ shards }: ClusterReport): Promise<boolean> {
    const ahead = shards.find(({ epoch }) => epoch > this.#topology.epoch);
    if (ahead === undefined) return false;
    await this.#publish(await this.#host.topologyOf(ahead.name));
    return true;
  }

  async #abandonLost(): Promise<boolean> {
    const lost = new Set(this.#lost);
    this.#lost.clear();
    const next = abandoned(this.#topology, lost);
    if (next === this.#topology) return false;
    this.#host.say(`what only ${[...lost].join(', ')} held is given up`);
    await this.#publish(next);
    return true;
  }

  /** Starts the shards that there should be; false if there was something to do. */
  async #startMissing(desired: Desired): Promise<boolean> {
    const running = new Set(this.#host.shards());
    const needed = [...this.#topology.shards, ...this.#host.membersOf(desired)].map(({ name }) => name);
    const missing = [...new Set(needed)].filter((name) => !running.has(name));
    if (missing.length === 0) return true;
    const waiting: ScaleWait = { reason: 'starting', names: missing };
    this.#emit({ kind: 'progress', progress: this.#progressOf(desired, 'preparing', [], waiting) });
    const results = await Promise.allSettled(missing.map((name) => this.#host.start(name)));
    const failure = results.find((result) => result.status === 'rejected');
    if (failure !== undefined && !this.#isStopped) await this.#giveUp(desired, messageOf(failure.reason));
    return false;
  }

  /** New shards that do not start leave the cluster as it was. */
  async #giveUp(desired: Desired, message: string): Promise<void> {
    if (desired !== this.#desired) return;
    const shards = ownersOf(this.#topology);
    await this.#setDesired(({ deleting }) => desiredOf(shards, deleting));
    this.#host.say(`the number of shards stays at ${shards}: ${message}`);
    this.#emit({ kind: 'failed', shards: desired.shards, message });
  }

  #leaving(desired: Desired, { shards, routers }: ClusterReport): readonly string[] {
    const running = this.#host.shards();
    return removable(this.#topology, running, [...shards, ...routers]).filter((name) => !isDesired(desired, name));
  }

  async #deleteFolders(desired: Desired): Promise<void> {
    if (desired.deleting.length === 0) return;
    for (const name of desired.deleting) await this.#host.deleteFolder(name);
    await this.#setDesired(({ shards, deleting }) =>
      desiredOf(
        shards,
        deleting.filter((name) => !desired.deleting.includes(name)),
      ),
    );
  }

  #tell(desired: Desired, report: ClusterReport, step: ChangeStep, leaving: readonly string[]): void {
    const waiting: ScaleWait | undefined =
      step.kind === 'wait'
        ? { reason: step.reason, names: step.names }
        : leaving.length > 0
          ? { reason: 'leaving', names: leaving }
          : undefined;
    const phase = this.#phaseOf(desired, step);
    this.#emit({ kind: 'progress', progress: this.#progressOf(desired, phase, report.shards, waiting) });
  }

  #phaseOf(desired: Desired, step: ChangeStep): ScalePhase {
    if (isMoving(this.#topology)) return 'moving';
    if (step.kind === 'steady' && this.#host.shards().length === desired.shards) return 'steady';
    return ownersOf(this.#topology) === desired.shards ? 'finishing' : 'preparing';
  }

  #progressOf(
    desired: Desired,
    phase: ScalePhase,
    infos: ClusterReport['shards'],
    waiting: ScaleWait | undefined,
  ): ScaleProgress {
    const { epoch } = this.#topology;
    return { shards: desired.shards, phase, epoch, ...this.#meter.read(this.#topology, infos), waiting };
  }
}
