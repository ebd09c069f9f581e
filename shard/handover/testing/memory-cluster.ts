/**
 * For tests: shards and routers in one process over a network in memory, and a publisher that works as operators do.
 *
 * Shards have tiny segments, lose power, lose disks and come back with what they had. Two routers: one hears of every
 * topology, the other only when told. Slots that no key of the test is in stay with one shard for ever, so that a change
 * costs a handful of slots; which of the others move is for the test to say.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Acknowledgement } from '../../../commands/command.ts';
import type { Reply } from '../../../commands/reply.ts';
import { KvcacheError } from '../../../errors.ts';
import { slotCount } from '../../../limits.ts';
import { TopologyExchange } from '../../../link/topology-exchange.ts';
import { type LinkDirectory, Router } from '../../../router/router.ts';
import { roomyEviction, temporaryFolder } from '../../../testing/store.ts';
import { abandoned, type ChangeStep, nextStep, removable } from '../../../topology/change.ts';
import { formatTopology, parseTopology } from '../../../topology/document.ts';
import { TopologyHolder } from '../../../topology/holder.ts';
import type { SlotRun, Topology, TopologyShard } from '../../../topology/topology.ts';
import type { Clock } from '../../clock.ts';
import type { FileOperations } from '../../log/files.ts';
import { GatedTier, GatedAccount } from './gated-tier.ts';
import { MemoryNetwork, type MemoryLink } from './memory-network.ts';
import { MemoryShard } from './memory-shard.ts';

const KiB = 1024;
/** What a slow network adds to a command between shards at most. */
const slowMsMax = 200;

export interface MemoryClusterOptions {
  readonly shardCount: number;
  /** The shard that keeps the slots without keys. */
  readonly ballast: number;
  readonly hasBlob: boolean;
  /** What the log may take of a disk; undefined for more than is ever needed. */
  readonly diskBytes?: number | undefined;
  /** Tiny unless said otherwise. */
  readonly segmentBytes?: number;
  readonly files?: FileOperations;
  /** Bytes a second of values that come in the background. */
  readonly bandwidth?: number;
  readonly log: (message: string) => void;
}

export class MemoryCluster {
  readonly network = new MemoryNetwork();
  readonly clock: Clock;
  readonly shards: readonly TopologyShard[];
  readonly running: (MemoryShard | undefined)[];
  readonly routers: readonly MemoryRouter[];
  /** Every topology that was published, the newest last. */
  readonly published: Topology[];
  readonly #options: MemoryClusterOptions;
  readonly #folder = temporaryFolder('handover-model');
  readonly #accounts: readonly GatedAccount[];
  #aheadMs = 0;

  constructor(options: MemoryClusterOptions) {
    this.#options = options;
    const numbers = Array.from({ length: options.shardCount }, (_, number) => number);
    this.shards = numbers.map((number) => ({ name: `shard-${number}`, address: `10.0.0.${number}:7600` }));
    this.running = numbers.map(() => undefined);
    this.#accounts = numbers.map(() => new GatedAccount());
    const first = singleOwner(this.shards[options.ballast]!);
    this.published = [first];
    this.clock = {
      now: () => Date.now() + this.#aheadMs,
      after(delayMs, callback) {
        const timer = setTimeout(callback, delayMs);
        return () => clearTimeout(timer);
      },
    };
    this.routers = [0, 1].map((number) => new MemoryRouter(this.network, `router-${number}`, first, number === 0));
  }

  get topology(): Topology {
    return this.published.at(-1)!;
  }

  /** Whether what shards ask of each other, and of Blob, takes a while. */
  set isSlow(isSlow: boolean) {
    for (const account of this.#accounts) account.readMsMax = isSlow ? slowMsMax : 0;
    if (isSlow) this.network.delayOf = (name) => (name.startsWith('HANDOVER.') ? Math.random() * slowMsMax : 0);
    else this.network.hurry();
  }

  advance(ms: number): void {
    this.#aheadMs += ms;
  }

  numberOf(shard: string): number {
    return this.shards.findIndex(({ name }) => name === shard);
  }

  runOf(slot: number): SlotRun {
    return this.topology.slots.find(({ from, to }) => from <= slot && slot <= to)!;
  }

  async do(router: number, args: readonly (string | Buffer)[], acknowledgement?: Acknowledgement): Promise<Reply> {
    const [name, ...rest] = args.map((argument) => Buffer.from(argument));
    const context = {
      session: { door: 'library', peer: '', tenant: '' } as const,
      // The other router may never learn where a slot is now.
      deadlineMs: this.clock.now() + (router === 0 ? 2_000 : 200),
      acknowledgement,
    };
    return this.routers[router]!.router.execute({ name: name!.toString(), args: rest }, context);
  }

  // ── Shards ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Starts a shard whose topology file says this, or what is published now if that is older than its data. */
  async start(number: number, topology = this.topology): Promise<void> {
    if (this.running[number] !== undefined) return;
    try {
      this.running[number] = await this.#start(number, topology);
    } catch (error) {
      if (!(error instanceof KvcacheError) || error.code !== 'CONFIG') throw error;
      this.running[number] = await this.#start(number, this.topology);
    }
  }

  async stop(number: number): Promise<void> {
    const shard = this.running[number];
    this.running[number] = undefined;
    await shard?.stop();
  }

  async losePower(number: number, tornBytes = 0): Promise<void> {
    const shard = this.running[number];
    this.running[number] = undefined;
    await shard?.losePower(tornBytes);
  }

  /** Of a shard that does not run. */
  loseDisk(number: number): void {
    rmSync(this.#folderOf(number), { recursive: true, force: true });
  }

  silenceBlob(isSilent: boolean): void {
    for (const account of this.#accounts) account.isSilent = isSilent;
  }

  async close(): Promise<void> {
    this.silenceBlob(false);
    for (const router of this.routers) router.close();
    await Promise.all(this.running.keys().map((number) => this.losePower(number)));
    this.#folder.remove();
  }

  // ── Topologies ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Publishes what nextStep says, telling those processes that `tells` picks; what nextStep said. */
  drive(tells: (place: number) => boolean): ChangeStep {
    const step = this.#step();
    if (step.kind === 'publish') this.publish(step.topology, tells);
    return step;
  }

  /** The topology that gives each of these slots the owner named; itself where nothing would move. */
  movedTo(current: Topology, owners: ReadonlyMap<number, string>): Topology {
    return withOwners(current, owners, this.shards);
  }

  /** If nothing moves and everybody who is needed is there: gives each of these slots the owner named. */
  change(owners: ReadonlyMap<number, string>, tells: (place: number) => boolean): boolean {
    if (this.#step().kind !== 'steady') return false;
    const next = this.movedTo(this.topology, owners);
    const isMissing = [...this.topology.shards, ...next.shards].some(({ name }) => {
      const shard = this.running[this.numberOf(name)];
      return shard === undefined || shard.topology.slots.epoch < this.topology.epoch;
    });
    if (isMissing || next === this.topology) return false;
    this.publish(next, tells);
    return true;
  }

  /** Gives these shards up for lost, as sources. */
  abandon(lost: ReadonlySet<string>, tells: (place: number) => boolean): boolean {
    const next = abandoned(this.topology, lost);
    if (next === this.topology) return false;
    this.publish(next, tells);
    return true;
  }

  /** Shards that own nothing and hold nothing, if everybody knows. */
  removable(): readonly number[] {
    const names = this.running.flatMap((shard) => (shard === undefined ? [] : [shard.name]));
    return removable(this.topology, names, [...this.#reports(), ...this.#routerReports()]).map((name) =>
      this.numberOf(name),
    );
  }

  publish(topology: Topology, tells: (place: number) => boolean): void {
    this.published.push(parseTopology(formatTopology(topology)));
    this.tell(tells);
  }

  /** The newest topology reaches these processes: shards by their number, then the second router. */
  tell(tells: (place: number) => boolean): void {
    for (const [number, shard] of this.running.entries()) if (tells(number)) shard?.topology.offer(this.topology);
    this.routers[0]!.topology.offer(this.topology);
    if (tells(this.shards.length)) this.routers[1]!.topology.offer(this.topology);
  }

  #step(): ChangeStep {
    const owners = new Set(this.topology.slots.map(({ shards }) => shards[0]!));
    return nextStep({
      current: this.topology,
      members: this.shards.filter(({ name }) => owners.has(name)),
      shards: this.#reports(),
      routers: this.#routerReports().slice(0, 1),
    });
  }

  #reports(): { name: string; epoch: number; hasArrived: boolean }[] {
    return this.running.flatMap((shard) => {
      if (shard === undefined) return [];
      const { epoch } = shard.topology.slots;
      return [{ name: shard.name, epoch, hasArrived: shard.handover.report().hasArrived }];
    });
  }

  #routerReports(): { name: string; epoch: number }[] {
    return this.routers.map(({ topology }, number) => ({ name: `router-${number}`, epoch: topology.slots.epoch }));
  }

  #folderOf(number: number): string {
    return join(this.#folder.path, `shard-${number}`);
  }

  async #start(number: number, topology: Topology): Promise<MemoryShard> {
    const { hasBlob, diskBytes, segmentBytes = 8 * KiB, bandwidth = 1024 * KiB, files, log } = this.#options;
    return MemoryShard.start({
      ...this.shards[number]!,
      folder: this.#folderOf(number),
      clock: this.clock,
      network: this.network,
      topology,
      storage: {
        fsync: 'never',
        segmentBytes,
        segmentAgeMs: 3_600_000,
        eviction: { ...roomyEviction, batchSize: 2, ...(diskBytes !== undefined && { diskBytes }) },
        evictionIntervalMs: 1_000,
        compaction: { liveRatio: 0.7, bytesPerSecond: 1e12, segmentBytes },
        fullWaitMs: 500,
        ...(files && { files }),
        ...(hasBlob && { below: new GatedTier(this.#accounts[number]!) }),
      },
      hotBytes: 16 * KiB,
      diskThresholdBytes: 1 * KiB,
      bandwidth: () => bandwidth,
      log,
    });
  }
}

/** A router over the network. One that gossips gets newer topologies from shards, and gives them. */
export class MemoryRouter implements LinkDirectory {
  readonly topology: TopologyHolder;
  readonly router: Router;
  readonly #network: MemoryNetwork;
  readonly #name: string;
  readonly #exchange: TopologyExchange | undefined;
  readonly #links = new Map<string, MemoryLink>();

  constructor(network: MemoryNetwork, name: string, first: Topology, gossips: boolean) {
    this.#network = network;
    this.#name = name;
    this.topology = new TopologyHolder(first);
    if (gossips) this.#exchange = new TopologyExchange(this.topology, () => undefined);
    this.router = new Router({ links: this, topology: this.topology, unavailableReads: 'error' });
    this.#follow();
    this.topology.onChange(() => this.#follow());
  }

  get(shard: string): MemoryLink | undefined {
    return this.#links.get(shard);
  }

  all(): readonly MemoryLink[] {
    return [...this.#links.values()];
  }

  close(): void {
    this.#exchange?.close();
    for (const link of this.#links.values()) link.close();
  }

  #follow(): void {
    const { shards } = this.topology.slots.topology;
    for (const [name, link] of this.#links) {
      if (shards.some((shard) => shard.name === name)) continue;
      link.close();
      this.#links.delete(name);
    }
    for (const { name, address } of shards) {
      if (this.#links.has(name)) continue;
      this.#links.set(
        name,
        this.#network.open(this.#name, name, address, (link) => this.#exchange?.onEpoch(link)),
      );
    }
  }
}

function singleOwner(shard: TopologyShard): Topology {
  const slots = [{ from: 0, to: slotCount - 1, shards: [shard.name], since: 1 }];
  return { version: 1, epoch: 1, shards: [shard], slots };
}

/** The topology itself where nothing would move. */
function withOwners(current: Topology, owners: ReadonlyMap<number, string>, all: readonly TopologyShard[]): Topology {
  const epoch = current.epoch + 1;
  let isSame = true;
  const slots: SlotRun[] = current.slots.flatMap((run) => {
    const cuts: SlotRun[] = [];
    let from = run.from;
    for (const [slot, owner] of [...owners].sort((a, b) => a[0] - b[0])) {
      if (slot < run.from || slot > run.to || owner === run.shards[0]) continue;
      isSame = false;
      if (slot > from) cuts.push({ ...run, from, to: slot - 1 });
      cuts.push({
        from: slot,
        to: slot,
        shards: [owner],
        since: epoch,
        source: run.shards[0]!,
        sourceSince: run.since,
      });
      from = slot + 1;
    }
    if (from <= run.to) cuts.push({ ...run, from, to: run.to });
    return cuts;
  });
  if (isSame) return current;
  const named = new Set(slots.flatMap(({ shards, source }) => (source === undefined ? shards : [...shards, source])));
  return { version: 1, epoch, shards: all.filter(({ name }) => named.has(name)), slots };
}
