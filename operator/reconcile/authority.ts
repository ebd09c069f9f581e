/**
 * Which topology is in force: the highest epoch that anybody has.
 *
 * A topology is published by writing the ConfigMap first and pushing afterwards, so the ConfigMap is normally ahead of
 * every process or level with it. When it is gone, rolled back or edited by hand, the copies that processes keep on
 * their disks say what is in force, and the ConfigMap follows them.
 *
 *   somebody has one, none higher is known of        known
 *   nobody has one, and there are no data            none: the first may be computed
 *   data or a higher epoch are known of, and
 *   those who may have it have not answered          unknown: nothing may be computed, shards are started and asked
 *
 * The status of the KVCache is told of an epoch before the ConfigMap is, so no epoch above it was ever published, and
 * whoever has that very epoch has what is in force.
 *
 * Invariant: what is in force never has a lower epoch than what was ever published. Epochs mark log records; one that came back would make
 * dropped records valid again. Rejected: computing the topology anew from the members, which gives the same document
 * only for a cache that was never scaled.
 */
import { topologyEpochMax } from '../../limits.ts';
import { formatTopology } from '../../topology/document.ts';
import type { Topology } from '../../topology/topology.ts';

export interface AuthorityInput {
  /** What the ConfigMap says; undefined if there is none, or none that can be read. */
  readonly published: Topology | undefined;
  /** What processes run by, those that were given none left out. */
  readonly copies: readonly Topology[];
  /** What was put beside the data in Blob, if anything. */
  readonly retained: Topology | undefined;
  /** The highest epoch that the status remembers; 0 for none. */
  readonly rememberedEpoch: number;
  /** The shards that may hold a copy: those whose pods, StatefulSet or volumes exist. */
  readonly holders: readonly string[];
  /** The shards that answered, with a topology or without. */
  readonly answered: ReadonlySet<string>;
}

export type Authority =
  /** `isPublished` is false where the ConfigMap says something else. */
  | { readonly kind: 'known'; readonly topology: Topology; readonly isPublished: boolean }
  /** The first topology may be computed; its epoch must be above `epochFloor`. */
  | { readonly kind: 'none'; readonly epochFloor: number }
  | { readonly kind: 'unknown'; readonly waitingFor: readonly string[] };

export function authorityOf(input: AuthorityInput): Authority {
  const { published, copies, retained, rememberedEpoch, holders, answered } = input;
  // Between equal epochs the processes are right: they ignore a document that changed without a new epoch.
  const best = [...copies, retained, published].reduce(higher, undefined);
  const epoch = best?.epoch ?? 0;
  const isTrusted = epoch > 0 && epoch >= rememberedEpoch && (published !== undefined || epoch === rememberedEpoch);
  const silent = holders.filter((name) => !answered.has(name));
  if (!isTrusted && silent.length > 0) return { kind: 'unknown', waitingFor: silent };
  if (best === undefined || epoch === 0) return { kind: 'none', epochFloor: rememberedEpoch };
  const topology = epoch < rememberedEpoch ? { ...best, epoch: above(rememberedEpoch) } : best;
  const isPublished = published !== undefined && formatTopology(published) === formatTopology(topology);
  return { kind: 'known', topology, isPublished };
}

/** The next epoch. Epochs end where 32 bits do, which a change a second reaches after 136 years. */
export function above(epoch: number): number {
  return Math.min(topologyEpochMax, epoch + 1);
}

function higher(a: Topology | undefined, b: Topology | undefined): Topology | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.epoch > a.epoch ? b : a;
}
