/** Everything that a pass has seen and decided: what status, conditions and Events are made of. */
import type { KVCache } from '../api/schema.ts';
import type { ProcessReport } from '../pods/report.ts';
import type { Authority } from './authority.ts';
import type { NodeLossDecision } from './node-loss.ts';
import type { RollDecision } from './roll.ts';
import type { ScaleDecision } from './scale.ts';
import type { TopologyDecision } from './topology.ts';
import type { PodView, ShardSetView } from './view.ts';
import type { VolumesDecision } from './volumes.ts';

/** The routers' Deployment. */
export interface RoutersView {
  readonly desired: number;
  readonly ready: number;
  /** Some pods are not of the newest template yet, or too many. */
  readonly isRolling: boolean;
  /** The controller has given up waiting for new pods; its words. */
  readonly stuck: string | undefined;
}

/** Something that kept the operator from doing what it wanted. */
export interface Obstacle {
  readonly kind: 'ObjectTaken' | 'ApplyFailed' | 'SpecRefused' | 'SettingsRefused' | 'EvictionBlocked';
  readonly message: string;
}

export interface Assessment {
  readonly cache: KVCache;
  readonly nowMs: number;
  readonly nameOf: (ordinal: number) => string;
  readonly pods: readonly PodView[];
  readonly reports: readonly ProcessReport[];
  readonly shardSet: ShardSetView | undefined;
  readonly routers: RoutersView;
  readonly authority: Authority;
  readonly topology: TopologyDecision;
  readonly scale: ScaleDecision;
  readonly roll: RollDecision;
  readonly nodeLoss: NodeLossDecision;
  readonly volumes: VolumesDecision;
  readonly obstacles: readonly Obstacle[];
  /** How long the change of the topology has been waiting for the same. */
  readonly waitingMs: number;
  /** How long a running process has not answered; 0 for one that does. */
  readonly silentMs: (name: string) => number;
}

export function shardPods({ pods }: Pick<Assessment, 'pods'>): readonly PodView[] {
  return pods.filter(({ role }) => role === 'shard');
}

/** Shards that others wait for to get the rest of moving slots, and that do not answer. */
export function awaySources({ authority, reports }: Pick<Assessment, 'authority' | 'reports'>): string[] {
  if (authority.kind !== 'known') return [];
  const answered = new Set(reports.map(({ name }) => name));
  const sources = new Set(authority.topology.slots.flatMap(({ source }) => (source === undefined ? [] : [source])));
  return [...sources].filter((name) => !answered.has(name)).sort();
}

/** Slots whose owner has a pod that is ready. */
export function slotsServed({ authority, pods }: Pick<Assessment, 'authority' | 'pods'>): number {
  if (authority.kind !== 'known') return 0;
  const ready = new Set(pods.filter(({ isReady, isTerminating }) => isReady && !isTerminating).map(({ name }) => name));
  return authority.topology.slots
    .filter(({ shards }) => ready.has(shards[0]!))
    .reduce((sum, { from, to }) => sum + to - from + 1, 0);
}

/** Routers in service that do not reach a shard which is ready: what they answer for its slots is no better than a miss. */
export function unlinkedRouters({ pods, reports }: Pick<Assessment, 'pods' | 'reports'>): string[] {
  const ready = new Set(pods.filter(({ isReady, isTerminating }) => isReady && !isTerminating).map(({ name }) => name));
  return reports.flatMap((report) => {
    if (report.kind !== 'router' || !ready.has(report.name)) return [];
    const unreached = report.unreached.filter((shard) => ready.has(shard)).sort();
    return unreached.length === 0 ? [] : [`${report.name} does not reach ${unreached.join(', ')}`];
  });
}
