/**
 * All verbs together: from what is seen to what should be done, without doing any of it.
 *
 * The reconciler (reconciler.ts) acts on a plan and makes the next one from what it then sees; the simulated cluster of the
 * tests does the same with a thousand accidents in between. Nothing is carried from one plan to the next but what the
 * cluster itself remembers, and a few durations, which decide only how long something is waited for.
 */
import { abandonPatienceMs, rollMovingPatienceMs } from '../../limits.ts';
import { isMoving } from '../../topology/place.ts';
import type { Topology, TopologyShard } from '../../topology/topology.ts';
import { type Authority, authorityOf } from './authority.ts';
import { decideNodeLoss, type NodeLossDecision, type NodeState } from './node-loss.ts';
import { decideRoll, type RollDecision } from './roll.ts';
import { decideScale, removableVolumes, type ScaleDecision } from './scale.ts';
import { behind, decideTopology, type TopologyDecision } from './topology.ts';
import type { PodView, ReportView, ShardSetView, VolumeView } from './view.ts';
import { decideVolumes, type VolumesDecision } from './volumes.ts';

export interface Observed {
  readonly nowMs: number;
  /** How many shards the spec asks for. */
  readonly desired: number;
  readonly shardOf: (ordinal: number) => TopologyShard;
  /** The topology of the ConfigMap; undefined if there is none, or none that can be read. */
  readonly published: Topology | undefined;
  readonly copies: readonly Topology[];
  readonly retained: Topology | undefined;
  /** The epoch in the status; 0 for none. */
  readonly rememberedEpoch: number;
  readonly shardSet: ShardSetView | undefined;
  readonly pods: readonly PodView[];
  readonly volumes: readonly VolumeView[];
  readonly reports: readonly ReportView[];
  /** Shards that an annotation names as given up. */
  readonly abandoned: ReadonlySet<string>;
  readonly silentMs: (name: string) => number;
  /** How long slots of the topology in force have been moving. */
  readonly movingMs: number;
  readonly volumeBytes: number;
  readonly canGrow: (storageClass: string | undefined) => boolean | undefined;
  readonly deletesScaledVolumes: boolean;
  readonly nodeLossPolicy: 'Wait' | 'RestoreFromBlob';
  readonly nodeState: (node: string) => NodeState;
}

export interface Plan {
  readonly authority: Authority;
  readonly topology: TopologyDecision;
  /** What is in force once the plan is done; undefined while nobody knows. */
  readonly current: Topology | undefined;
  /** Processes to be sent `current`. */
  readonly push: readonly string[];
  readonly scale: ScaleDecision;
  readonly roll: RollDecision;
  readonly volumes: VolumesDecision;
  readonly deleteVolumes: readonly VolumeView[];
  readonly nodeLoss: NodeLossDecision;
}

export function planOf(seen: Observed): Plan {
  const { desired, reports, pods, shardSet, nowMs } = seen;
  const nameOf = (ordinal: number): string => seen.shardOf(ordinal).name;
  const shardPods = pods.filter(({ role }) => role === 'shard');
  const answered = new Set(reports.map(({ name }) => name));
  const givenUp = givenUpOf(seen, answered);
  const holders = holdersOf(seen, nameOf).filter((name) => !givenUp.has(name));
  const authority = authorityOf({ ...seen, holders, answered });
  const members = Array.from({ length: desired }, (_, ordinal) => seen.shardOf(ordinal));
  const topology = decideTopology({ authority, members, reports, givenUp });
  const known = authority.kind === 'known' ? authority.topology : undefined;
  const current = topology.kind === 'publish' ? topology.topology : known;
  return {
    authority,
    topology,
    current,
    push: current === undefined ? [] : behind(current, reports),
    scale: decideScale({ ...seen, authority, givenUp, nameOf }),
    roll: decideRoll({
      shardSet,
      pods: shardPods,
      desired,
      level: new Set(reports.filter(({ epoch }) => epoch >= (current?.epoch ?? 0)).map(({ name }) => name)),
      isMoving: current !== undefined && isMoving(current) && seen.movingMs < rollMovingPatienceMs,
      nowMs,
    }),
    volumes: decideVolumes({ ...seen, wantedBytes: seen.volumeBytes }),
    deleteVolumes: seen.deletesScaledVolumes ? removableVolumes({ ...seen, authority, pods: shardPods, nameOf }) : [],
    nodeLoss: decideNodeLoss({ ...seen, policy: seen.nodeLossPolicy, pods: shardPods }),
  };
}

/** A shard that answers is not given up, whatever the annotation says: it may have been left there from another time. */
function givenUpOf({ abandoned, silentMs }: Observed, answered: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...abandoned].filter((name) => !answered.has(name) && silentMs(name) >= abandonPatienceMs));
}

/**
 * The shards that may hold data, and with it a copy of the topology. Where nothing is left in the cluster but the memory
 * of an epoch, the wanted ones are: Blob may have kept theirs.
 */
function holdersOf({ shardSet, volumes, rememberedEpoch, desired }: Observed, nameOf: (n: number) => string): string[] {
  const ordinals = new Set([...Array(shardSet?.replicas ?? 0).keys(), ...volumes.map(({ ordinal }) => ordinal)]);
  if (ordinals.size === 0 && rememberedEpoch > 0) return Array.from({ length: desired }, (_, each) => nameOf(each));
  return [...ordinals].map(nameOf);
}
