/**
 * A cluster in memory, for property tests of the plan: a StatefulSet controller, pods that start, learn topologies, move
 * slots and die, a ConfigMap that people meddle with, and an operator that may be killed between any two of its acts.
 *
 * It knows the truth that no operator sees: which shard holds the keys of which slot, and the highest epoch that
 * anybody ever ran by. `faults` collects every violation of what must never happen.
 */
import { slotCount } from '../../../limits.ts';
import { parseTopology, formatTopology } from '../../../topology/document.ts';
import { isMoving } from '../../../topology/place.ts';
import type { Topology, TopologyShard } from '../../../topology/topology.ts';
import { type Observed, type Plan, planOf } from '../plan.ts';
import type { PodRole, PodView, ReportView, VolumeView } from '../view.ts';

interface Process {
  readonly role: PodRole;
  readonly ordinal: number;
  revision: string;
  isReady: boolean;
  isTerminating: boolean;
  changedAtMs: number;
  starts: number;
}

interface Disk {
  topology: Topology | undefined;
  arrivedEpoch: number;
}

export const shardOf = (ordinal: number): TopologyShard => ({
  name: `c-shard-${ordinal}`,
  address: `c-shard-${ordinal}.c-shards.n.svc:7051`,
});

export class SimulatedCluster {
  readonly faults: string[] = [];
  nowMs = 1_000_000;
  desired = 3;
  /** The pod template; pods of a bad revision never get ready. */
  revision = 'good-1';
  readonly silent = new Set<string>();
  #configMap: string | undefined;
  #olderConfigMap: string | undefined;
  #rememberedEpoch = 0;
  #highestEpoch = 0;
  #replicas: number | undefined;
  #appliedRevision = '';
  readonly #pods = new Map<string, Process>();
  readonly #disks = new Map<number, Disk>();
  readonly #routerCopies = new Map<string, Topology>();
  /** The shard that holds the keys of each slot, by run of the last topology that moved them. */
  #holders: string[] | undefined;

  /** Sees, plans, and does the first `actsMax` acts of the plan, as an operator that is killed then. */
  pass(actsMax = Infinity): Plan {
    const plan = planOf(this.observe());
    for (const act of this.#actsOf(plan).slice(0, actsMax)) act();
    return plan;
  }

  observe(): Observed {
    const reports = this.#reports();
    const copies = reports.flatMap(({ name }) => this.#copyOf(name) ?? []);
    return {
      nowMs: this.nowMs,
      desired: this.desired,
      shardOf,
      published: this.#configMap === undefined ? undefined : parseTopology(this.#configMap),
      copies,
      retained: undefined,
      rememberedEpoch: this.#rememberedEpoch,
      shardSet:
        this.#replicas === undefined
          ? undefined
          : {
              uid: 'set',
              replicas: this.#replicas,
              isObserved: true,
              updateRevision: this.#appliedRevision,
              volumeBytes: 1,
              isTerminating: false,
            },
      pods: [...this.#pods].map(([name, process]) => this.#podView(name, process)),
      volumes: [...this.#disks.keys()].map((ordinal) => volumeView(ordinal)),
      reports,
      abandoned: new Set(),
      silentMs: () => 0,
      movingMs: 0,
      volumeBytes: 1,
      canGrow: () => true,
      deletesScaledVolumes: true,
      nodeLossPolicy: 'Wait',
      nodeState: () => 'ready',
    };
  }

  /** A moment passes: the controller makes and removes pods, pods get ready. */
  tick(): void {
    this.nowMs += 2_000;
    if (this.#replicas === undefined) return;
    for (const [name, process] of this.#pods) {
      if (process.isTerminating) this.#pods.delete(name);
    }
    for (let ordinal = 0; ordinal < this.#replicas; ordinal++) {
      if (this.#pods.has(shardOf(ordinal).name)) continue;
      this.#disks.getOrInsertComputed(ordinal, () => ({ topology: undefined, arrivedEpoch: -1 }));
      this.#start(shardOf(ordinal).name, 'shard', ordinal, this.#appliedRevision);
    }
    for (const [name, process] of this.#pods) {
      if (process.role === 'shard' && process.ordinal >= this.#replicas) this.#terminate(name, process);
    }
    for (const process of this.#pods.values()) {
      if (process.isReady || process.revision.startsWith('bad') || this.nowMs - process.changedAtMs < 4_000) continue;
      process.isReady = true;
      process.changedAtMs = this.nowMs;
    }
  }

  /** The mounted ConfigMap reaches one pod. */
  learn(name: string): void {
    if (this.#configMap !== undefined) this.#offer(name, parseTopology(this.#configMap));
  }

  /** Everything on its way to a shard arrives, if its sources are there and have taken the epoch too. */
  arrive(ordinal: number): void {
    const { name } = shardOf(ordinal);
    const topology = this.#copyOf(name);
    if (topology === undefined || this.#holders === undefined || !this.#isUp(name)) return;
    const runs = topology.slots.filter(({ shards, source }) => shards[0] === name && source !== undefined);
    const sources = new Set(runs.map(({ source }) => source!));
    for (const source of sources) {
      if (!this.#isUp(source) || (this.#copyOf(source)?.epoch ?? 0) < topology.epoch) return;
    }
    for (const { from, to, source } of runs) {
      for (let slot = from; slot <= to; slot++) if (this.#holders[slot] === source) this.#holders[slot] = name;
    }
    this.#disks.get(ordinal)!.arrivedEpoch = topology.epoch;
  }

  kill(name: string): void {
    const process = this.#pods.get(name);
    if (process === undefined) return;
    process.isReady = false;
    process.starts += 1;
    process.changedAtMs = this.nowMs;
  }

  deletePod(name: string): void {
    const process = this.#pods.get(name);
    if (process !== undefined) this.#terminate(name, process);
  }

  deleteConfigMap(): void {
    this.#configMap = undefined;
  }

  rollBackConfigMap(): void {
    this.#configMap = this.#olderConfigMap ?? this.#configMap;
  }

  get names(): string[] {
    return [...this.#pods.keys()];
  }

  /** Everything is as it should be. */
  get isSettled(): boolean {
    if (this.#configMap === undefined) return false;
    const topology = parseTopology(this.#configMap);
    const shards = [...this.#pods].filter(([, { role }]) => role === 'shard');
    return (
      !isMoving(topology) &&
      topology.shards.length === this.desired &&
      shards.length === this.desired &&
      this.#disks.size === this.desired &&
      shards.every(([, { isReady, revision }]) => isReady && revision === this.revision) &&
      this.names.every((name) => this.#copyOf(name)?.epoch === topology.epoch)
    );
  }

  #actsOf(plan: Plan): (() => void)[] {
    const acts: (() => void)[] = [];
    const { topology, current, roll } = plan;
    if (topology.kind === 'publish') {
      acts.push(() => (this.#rememberedEpoch = Math.max(this.#rememberedEpoch, topology.topology.epoch)));
      acts.push(() => this.#publish(topology.topology));
    }
    for (const name of plan.push) acts.push(() => this.#offer(name, current!));
    acts.push(() => this.#apply(plan));
    for (const { ordinal } of plan.deleteVolumes) acts.push(() => this.#deleteVolume(ordinal));
    if (roll.kind === 'discard')
      acts.push(
        ...roll.pods.map(
          ({ name }) =>
            () =>
              this.deletePod(name),
        ),
      );
    if (roll.kind === 'restart') acts.push(() => this.#restart(roll.pod.name));
    if (current !== undefined)
      acts.push(() => (this.#rememberedEpoch = Math.max(this.#rememberedEpoch, current.epoch)));
    return acts;
  }

  #publish(topology: Topology): void {
    if (topology.epoch < this.#highestEpoch) {
      this.faults.push(`epoch ${topology.epoch} was published after ${this.#highestEpoch}`);
    }
    this.#olderConfigMap = this.#disks.size > 0 ? this.#configMap : undefined;
    this.#configMap = formatTopology(topology);
  }

  #apply({ scale, current }: Plan): void {
    if (this.#replicas !== undefined) {
      for (let ordinal = scale.replicas; ordinal < this.#replicas; ordinal++) this.#checkUnneeded(ordinal, 'removed');
    }
    this.#replicas = scale.replicas;
    this.#appliedRevision = this.revision;
    if (current === undefined) return;
    for (const name of ['c-router-a', 'c-router-b']) {
      if (!this.#pods.has(name)) this.#start(name, 'router', -1, 'r');
    }
  }

  #deleteVolume(ordinal: number): void {
    this.#checkUnneeded(ordinal, 'left without its volume');
    this.#disks.delete(ordinal);
  }

  #checkUnneeded(ordinal: number, what: string): void {
    const { name } = shardOf(ordinal);
    const held = this.#holders?.filter((holder) => holder === name).length ?? 0;
    if (held > 0) this.faults.push(`${name} was ${what} while it held ${held} of ${slotCount} slots`);
  }

  #restart(name: string): void {
    const others = [...this.#pods].filter(([other, { role, ordinal }]) => {
      return role === 'shard' && other !== name && ordinal < this.desired;
    });
    const away = others.filter(([, { isReady, isTerminating }]) => !isReady || isTerminating).map(([other]) => other);
    if (away.length > 0) this.faults.push(`${name} was restarted while ${away.join(', ')} were away`);
    this.deletePod(name);
  }

  #start(name: string, role: PodRole, ordinal: number, revision: string): void {
    const starts = 0;
    this.#pods.set(name, {
      role,
      ordinal,
      revision,
      isReady: false,
      isTerminating: false,
      changedAtMs: this.nowMs,
      starts,
    });
    this.learn(name);
  }

  #terminate(name: string, process: Process): void {
    process.isTerminating = true;
    process.isReady = false;
    if (process.role === 'router') {
      this.#pods.delete(name);
      this.#routerCopies.delete(name);
    }
  }

  #isUp(name: string): boolean {
    const process = this.#pods.get(name);
    return process !== undefined && !process.isTerminating && !process.revision.startsWith('bad');
  }

  #offer(name: string, topology: Topology): void {
    const process = this.#pods.get(name);
    if (process === undefined || (this.#copyOf(name)?.epoch ?? 0) >= topology.epoch) return;
    this.#highestEpoch = Math.max(this.#highestEpoch, topology.epoch);
    if (process.role === 'router') {
      this.#routerCopies.set(name, topology);
      return;
    }
    this.#disks.get(process.ordinal)!.topology = topology;
    // Keys are written as soon as somebody owns their slots.
    this.#holders ??= topology.slots.flatMap(({ from, to, shards }) => Array<string>(to - from + 1).fill(shards[0]!));
  }

  #copyOf(name: string): Topology | undefined {
    const process = this.#pods.get(name);
    return process?.role === 'shard' ? this.#disks.get(process.ordinal)?.topology : this.#routerCopies.get(name);
  }

  #reports(): ReportView[] {
    return this.names
      .filter((name) => this.#isUp(name) && !this.silent.has(name))
      .map((name) => {
        const { role, ordinal } = this.#pods.get(name)!;
        const epoch = this.#copyOf(name)?.epoch ?? 0;
        const progress = role === 'shard' ? { hasArrived: this.#hasArrived(ordinal) } : undefined;
        return { kind: role, name, epoch, progress };
      });
  }

  #hasArrived(ordinal: number): boolean {
    const disk = this.#disks.get(ordinal);
    const { name } = shardOf(ordinal);
    const expects = disk?.topology?.slots.some(({ shards, source }) => shards[0] === name && source !== undefined);
    return expects !== true || disk?.arrivedEpoch === disk?.topology?.epoch;
  }

  #podView(name: string, process: Process): PodView {
    const { role, ordinal, revision, isReady, isTerminating, changedAtMs } = process;
    return {
      name,
      uid: name,
      role,
      ordinal,
      revision,
      ip: '10.0.0.1',
      node: 'node',
      isReady,
      isRunning: true,
      isTerminating,
      dueGoneAtMs: undefined,
      readyChangedAtMs: changedAtMs,
      trouble: !isReady && revision.startsWith('bad') ? { reason: 'CrashLoopBackOff', message: '' } : undefined,
      restarts: process.starts,
      process: `${name}-${process.starts}`,
    };
  }
}

function volumeView(ordinal: number): VolumeView {
  return {
    name: `data-${shardOf(ordinal).name}`,
    uid: `data-${ordinal}`,
    ordinal,
    isTerminating: false,
    requestedBytes: 1,
    storageClass: undefined,
    node: undefined,
  };
}
