/**
 * The scaler against a model of a cluster: shards hold slots, take topologies late, and get what moves over several
 * looks; the supervisor is killed before or after anything it does, and another one goes on from the disk.
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ShardInfo } from '../../shard/info.ts';
import { SlotMap } from '../../topology/slot-map.ts';
import { topology } from '../../topology/place.ts';
import type { Topology, TopologyShard } from '../../topology/topology.ts';
import type { ClusterReport } from './cluster-links.ts';
import { type Desired, desiredOf } from './desired.ts';
import { type ScaleEvent, type ScaleHost, Scaler } from './scaler.ts';
import { membersOf } from './topology-file.ts';

const site = { portBase: 21_000, dataPath: '/nowhere' };
const sampledSlots = Array.from({ length: 128 }, (_, index) => index * 128);

interface ModelShard {
  topology: Topology;
  /** Looks until what is on its way has arrived. */
  looksLeft: number;
  /** Slots of which this shard has everything. */
  readonly holds: Set<number>;
}

/** What outlives the supervisor: the disk, and the shards' folders. */
class Cluster {
  topology: Topology;
  desired: Desired;
  readonly folders = new Map<string, Set<number>>();
  readonly deleted: string[] = [];

  constructor(shards: number) {
    this.desired = desiredOf(shards);
    this.topology = topology(undefined, membersOf(this.desired, site));
    const slots = new SlotMap(this.topology);
    for (const slot of sampledSlots) this.folderOf(slots.ownerOf(slot)).add(slot);
  }

  folderOf(name: string): Set<number> {
    const folder = this.folders.get(name) ?? new Set();
    this.folders.set(name, folder);
    return folder;
  }
}

class Killed extends Error {}

/** A supervisor's view of the cluster, with its children, which end with it. */
class Host implements ScaleHost {
  readonly sentences: string[] = [];
  readonly #cluster: Cluster;
  readonly #shards = new Map<string, ModelShard>();
  readonly #killed = Promise.withResolvers<never>();
  readonly #random: () => number;
  #router: number;
  /** Things that it may still do before it is killed. */
  #actionsLeft: number;
  unstartable: string | undefined;
  /** Does not answer, neither the supervisor nor the shards that wait for what it has. */
  away: string | undefined;

  constructor(cluster: Cluster, random: () => number, actionsLeft: number) {
    this.#cluster = cluster;
    this.#random = random;
    this.#actionsLeft = actionsLeft;
    this.#router = cluster.topology.epoch;
    this.#killed.promise.catch(() => undefined);
    for (const { name } of cluster.topology.shards) this.#launch(name);
  }

  get killed(): Promise<never> {
    return this.#killed.promise;
  }

  shards(): string[] {
    return [...this.#shards.keys()];
  }

  isUp(name: string): boolean {
    return this.#shards.has(name) && name !== this.away;
  }

  async start(name: string): Promise<void> {
    await this.#act(() => {
      if (name === this.unstartable) throw new Error(`${name} ended while starting`);
      this.#launch(name);
    });
  }

  async remove(name: string): Promise<void> {
    await this.#act(() => {
      expect(this.#cluster.topology.shards.map((shard) => shard.name)).not.toContain(name);
      this.#shards.delete(name);
    });
  }

  async deleteFolder(name: string): Promise<void> {
    await this.#act(() => {
      expect(this.#shards.has(name)).toBe(false);
      if (this.#cluster.folders.delete(name)) this.#cluster.deleted.push(name);
    });
  }

  async report(): Promise<ClusterReport> {
    await this.#act(() => undefined);
    for (const shard of this.#shards.values()) if (this.#random() < 0.7) this.#take(shard);
    if (this.#random() < 0.7) this.#router = this.#cluster.topology.epoch;
    const answering = [...this.#shards].filter(([name]) => name !== this.away && this.#random() < 0.9);
    const shards = answering.map(([name, shard]) => this.#infoOf(name, shard));
    return { shards, routers: [{ name: 'router', pid: 1, uptimeMs: 0, epoch: this.#router, links: [], commands: 0 }] };
  }

  membersOf(desired: Desired): readonly TopologyShard[] {
    return membersOf(desired, site);
  }

  async publish(next: Topology): Promise<void> {
    await this.#act(() => {
      expect(next.epoch).toBe(this.#cluster.topology.epoch + 1);
      for (const { name } of next.shards) expect(this.#shards.has(name)).toBe(true);
      this.#cluster.topology = next;
    });
  }

  async topologyOf(): Promise<Topology> {
    return this.#cluster.topology;
  }

  async store(desired: Desired): Promise<void> {
    await this.#act(() => {
      this.#cluster.desired = desired;
    });
  }

  rest(): void {
    // Nothing is open.
  }

  say(sentence: string): void {
    this.sentences.push(sentence);
  }

  /** Does it, or is killed before it or right after it. A killed supervisor does nothing more. */
  async #act(action: () => void): Promise<void> {
    await new Promise(setImmediate);
    if (this.#actionsLeft < 0) return new Promise(() => undefined);
    this.#actionsLeft -= 1;
    const isLast = this.#actionsLeft < 0;
    if (!isLast || this.#random() < 0.5) action();
    if (!isLast) return undefined;
    this.#killed.reject(new Killed());
    return new Promise(() => undefined);
  }

  #launch(name: string): void {
    const { topology } = this.#cluster;
    const shard = { topology, looksLeft: 2, holds: this.#cluster.folderOf(name) };
    this.#shards.set(name, shard);
    this.#drop(name, shard);
  }

  #take(shard: ModelShard): void {
    const { topology } = this.#cluster;
    if (shard.topology === topology) return;
    shard.topology = topology;
    shard.looksLeft = Math.floor(this.#random() * 3);
    for (const [name, each] of this.#shards) if (each === shard) this.#drop(name, shard);
  }

  /** Slots that are neither its own nor waited for are gone; its own that come from elsewhere have not come yet. */
  #drop(name: string, { topology, holds }: ModelShard): void {
    const slots = new SlotMap(topology);
    for (const slot of holds) {
      const isOwn = slots.ownerOf(slot) === name && slots.sourceOf(slot) === undefined;
      if (!isOwn && slots.sourceOf(slot) !== name) holds.delete(slot);
    }
  }

  #infoOf(name: string, shard: ModelShard): ShardInfo {
    const slots = new SlotMap(shard.topology);
    const isAway = sampledSlots.some((slot) => slots.ownerOf(slot) === name && slots.sourceOf(slot) === this.away);
    if (this.away === undefined || !isAway) shard.looksLeft -= 1;
    const hasArrived = shard.looksLeft < 0;
    for (const slot of sampledSlots) {
      const source = slots.sourceOf(slot);
      if (!hasArrived || slots.ownerOf(slot) !== name || source === undefined || shard.holds.has(slot)) continue;
      // What moves must be where the topology says that it comes from.
      expect(this.#cluster.folderOf(source).has(slot)).toBe(true);
      shard.holds.add(slot);
    }
    const handover = { hasArrived, slotsArriving: 0, slotsOpen: 0, keysLeft: 0, bytesLeft: 0, bytesMoved: 0 };
    return { name, pid: 1, epoch: shard.topology.epoch, handover } as unknown as ShardInfo;
  }
}

/** Asks for this number of shards; resolves with how that ends. */
async function reach(scaler: Scaler, shards: number, deletes = false): Promise<ScaleEvent> {
  await scaler.request(shards, deletes);
  return until(scaler, 'done', 'failed', 'superseded');
}

/** The next event of one of these kinds. */
function until(scaler: Scaler, ...kinds: ScaleEvent['kind'][]): Promise<ScaleEvent> {
  return new Promise((resolve) => {
    const stop = scaler.listen((event) => {
      if (!kinds.includes(event.kind)) return;
      stop();
      resolve(event);
    });
  });
}

function runScaler(cluster: Cluster, host: Host): Scaler {
  const scaler = new Scaler(host, cluster.topology, cluster.desired, 0);
  scaler.run();
  return scaler;
}

/** A number from 0 to 1 after the other, the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('a scaler', () => {
  test('reaches every number of shards with all slots at their owners, however often it is killed', async () => {
    const wishes = fc.array(fc.record({ shards: fc.integer({ min: 1, max: 7 }), deletes: fc.boolean() }), {
      minLength: 1,
      maxLength: 4,
    });
    const kills = fc.array(fc.nat(12), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.nat(), wishes, kills, async (seed, wanted, killAfter) => {
        const random = randomOf(seed);
        const cluster = new Cluster(3);
        const left = [...killAfter];
        for (const { shards, deletes } of wanted) {
          for (;;) {
            const host = new Host(cluster, random, left.pop() ?? Infinity);
            const scaler = runScaler(cluster, host);
            try {
              await Promise.race([reach(scaler, shards, deletes), host.killed]);
            } catch (error) {
              if (error instanceof Killed) continue;
              throw error;
            }
            await scaler.stop();
            expect(host.shards()).toHaveLength(shards);
            break;
          }
          expect(cluster.desired).toEqual(desiredOf(shards));
          const slots = new SlotMap(cluster.topology);
          expect(slots.owners()).toHaveLength(shards);
          for (const slot of sampledSlots) expect(cluster.folderOf(slots.ownerOf(slot)).has(slot)).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('takes another number while one is under way as the next, and says so', async () => {
    const cluster = new Cluster(3);
    const scaler = runScaler(cluster, new Host(cluster, randomOf(1), Infinity));
    await until(scaler, 'done');
    expect(await scaler.request(5, false)).toEqual({ from: 3, shards: 5, isQueued: false });
    const first = until(scaler, 'done', 'superseded');
    expect(await scaler.request(2, false)).toEqual({ from: 5, shards: 2, isQueued: true });
    expect(await first).toEqual({ kind: 'superseded', shards: 2 });
    expect(await until(scaler, 'done')).toMatchObject({ shards: 2 });
    await scaler.stop();
  });

  test('stays as it was where a new shard does not start', async () => {
    const cluster = new Cluster(3);
    const host = new Host(cluster, randomOf(2), Infinity);
    host.unstartable = 'shard-4';
    const scaler = runScaler(cluster, host);
    expect(await reach(scaler, 5)).toEqual({ kind: 'failed', shards: 5, message: 'shard-4 ended while starting' });
    await until(scaler, 'done');
    expect(cluster.desired).toEqual(desiredOf(3));
    expect(host.shards()).toEqual(['shard-0', 'shard-1', 'shard-2']);
    expect(cluster.topology.epoch).toBe(1);
    await scaler.stop();
  });

  test('deletes the folders of those that leave, if it was told to, and of nobody else', async () => {
    const cluster = new Cluster(5);
    const scaler = runScaler(cluster, new Host(cluster, randomOf(3), Infinity));
    const foldersWith = async (shards: number, deletes: boolean): Promise<string[]> => {
      await reach(scaler, shards, deletes);
      return [...cluster.folders.keys()].sort();
    };
    expect(await foldersWith(4, false)).toContain('shard-4');
    expect(await foldersWith(2, true)).toEqual(['shard-0', 'shard-1', 'shard-4']);
    expect(cluster.deleted.sort()).toEqual(['shard-2', 'shard-3']);
    await scaler.stop();
  });

  test('gives up what a shard holds if it is away, and not before anything is waited for or while it is up', async () => {
    const cluster = new Cluster(3);
    const host = new Host(cluster, randomOf(4), Infinity);
    const scaler = runScaler(cluster, host);
    expect(() => scaler.abandon('shard-2')).toThrow('nothing is on its way from shard-2');
    const moving = new Promise<void>((resolve) => {
      scaler.listen((event) => {
        if (event.kind !== 'progress' || event.progress.phase !== 'moving') return;
        host.away ??= 'shard-2';
        resolve();
      });
    });
    await scaler.request(2, false);
    await moving;
    host.away = undefined;
    expect(() => scaler.abandon('shard-2')).toThrow('shard-2 is up and hands over what it holds');
    host.away = 'shard-2';
    scaler.abandon('shard-2');
    expect(await until(scaler, 'done')).toMatchObject({ shards: 2 });
    expect(host.shards()).toEqual(['shard-0', 'shard-1']);
    await scaler.stop();
  });
});
