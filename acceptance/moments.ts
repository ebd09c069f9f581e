/**
 * The steps of a change of shards, seen from outside: what the topology file says and what every process reports.
 *
 *     const watcher = new ChangeWatcher(cluster);
 *     await watcher.reach('opened');      // resolves at this step, or past it
 *
 *   asked          the supervisor knows, and has published nothing yet; new shards start
 *   published      the topology file has the moves
 *   acknowledged   a source runs by it, and takes no more writes for what leaves
 *   opening        some slots are served by their new owner
 *   opened         all are
 *   moved-40       so much of the values that there were to move has come
 *   moved-80
 *   moved          everything has come; it is not settled yet
 *   settled        the topology file has no moves any more
 *   dropped        no shard has slots to give, and all run by the settled topology
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ClusterLinks, type LinkedProcess } from '../cli/dev/cluster-links.ts';
import { readDesired } from '../cli/dev/desired.ts';
import { layoutOf } from '../cli/dev/layout.ts';
import { MoveMeter } from '../cli/dev/scale-progress.ts';
import { parseTopology } from '../topology/document.ts';
import { isMoving } from '../topology/place.ts';
import type { Topology } from '../topology/topology.ts';
import type { TestCluster } from './cluster.ts';

export const moments = [
  'asked',
  'published',
  'acknowledged',
  'opening',
  'opened',
  'moved-40',
  'moved-80',
  'moved',
  'settled',
  'dropped',
] as const;
export type Moment = (typeof moments)[number];

interface View {
  readonly topology: Topology;
  readonly shards: Awaited<ReturnType<ClusterLinks['report']>>['shards'];
}

/** The steps last a few milliseconds each. */
const lookPauseMs = 5;

export class ChangeWatcher implements Disposable {
  readonly #cluster: TestCluster;
  readonly #links = new ClusterLinks();
  readonly #meter = new MoveMeter();
  readonly #before: { readonly epoch: number; readonly shards: number };
  /** The first topology of the change that was seen, with its sources and targets. */
  #moving: Topology | undefined;

  /** To be made before the change begins. */
  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
    this.#before = { epoch: cluster.topology().epoch, shards: this.#desiredShards() };
  }

  /** The shards from which slots move; before that is known, all that own some. */
  get sources(): string[] {
    const { slots } = this.#moving ?? this.#cluster.topology();
    return [...new Set(slots.flatMap(({ source, shards }) => (this.#moving === undefined ? shards : (source ?? []))))];
  }

  /** The shards to which slots move; before that is known, those that are new. */
  get targets(): string[] {
    if (this.#moving === undefined) {
      const known = new Set(this.#cluster.topology().shards.map(({ name }) => name));
      return this.#cluster.shardIds.filter((id) => !known.has(id));
    }
    return [...new Set(this.#moving?.slots.flatMap(({ source, shards }) => (source === undefined ? [] : shards)))];
  }

  /** Resolves with the step that was found when this one was reached, which may be a later one. */
  async reach(moment: Moment): Promise<Moment> {
    const wanted = moments.indexOf(moment);
    for (;;) {
      const reached = this.#momentOf(await this.#look());
      if (reached !== undefined && moments.indexOf(reached) >= wanted) return reached;
      await delay(lookPauseMs);
    }
  }

  [Symbol.dispose](): void {
    this.#links.close();
  }

  async #look(): Promise<View> {
    const linked = this.#cluster.processes().flatMap(({ role, id, addresses }): LinkedProcess[] => {
      return role === 'shard' && addresses.link !== undefined ? [{ role, name: id, address: addresses.link }] : [];
    });
    const { shards } = await this.#links.report(linked);
    return { topology: this.#cluster.topology(), shards };
  }

  /** The last step that has been reached, undefined before the first. */
  #momentOf({ topology, shards }: View): Moment | undefined {
    if (topology.epoch === this.#before.epoch) {
      return this.#desiredShards() === this.#before.shards ? undefined : 'asked';
    }
    if (!isMoving(topology)) {
      const all = new Set(shards.map(({ name }) => name));
      const isThere = topology.shards.every(({ name }) => all.has(name));
      const isDropped = shards.every(({ epoch, handover }) => epoch >= topology.epoch && handover.slotsDeparting === 0);
      return isThere && isDropped ? 'dropped' : 'settled';
    }
    this.#moving ??= topology;
    const figures = this.#meter.read(topology, shards);
    if (figures.slotsOpen === figures.slotsMoving) return movedMoment(figures.bytesMoved, figures.bytesLeft);
    if (figures.slotsOpen > 0) return 'opening';
    const sources = new Set(this.sources);
    const hasAcknowledged = shards.some(
      ({ name, epoch }) => sources.has(name) && epoch >= topology.epoch && this.#hasCopy(name, topology.epoch),
    );
    return hasAcknowledged ? 'acknowledged' : 'published';
  }

  #desiredShards(): number {
    const { desiredPath } = layoutOf({ portBase: undefined, shards: 0, dataPath: this.#cluster.dataPath });
    return readDesired(desiredPath)!.shards;
  }

  /** A source has acknowledged an epoch when its own copy has it. */
  #hasCopy(name: string, epoch: number): boolean {
    return parseTopology(readFileSync(join(this.#cluster.dataPath, name, 'topology.json'), 'utf8')).epoch >= epoch;
  }
}

function movedMoment(bytesMoved: number, bytesLeft: number): Moment {
  if (bytesLeft === 0) return 'moved';
  const fraction = bytesMoved / (bytesMoved + bytesLeft);
  if (fraction >= 0.8) return 'moved-80';
  return fraction >= 0.4 ? 'moved-40' : 'opened';
}
