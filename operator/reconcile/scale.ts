/**
 * The verb "scale": how many pods the StatefulSet has, and which volumes may go.
 *
 * A StatefulSet removes its pods from the highest number down, so it keeps as many as the highest number that anybody
 * needs: wanted by the spec, named by the topology (owner, source or target of moving slots), or not known to be
 * unneeded by every process. It grows at once and shrinks only when `removable` of topology/change.ts says so.
 *
 *   scale-out   pods first, then the topology that gives them slots
 *   scale-in    the topology that takes their slots, then, when all have arrived, the pods, then their volumes
 */
import { removable } from '../../topology/change.ts';
import type { Authority } from './authority.ts';
import { processReports } from './topology.ts';
import type { PodView, ReportView, ShardSetView, VolumeView } from './view.ts';

export interface ScaleInput {
  readonly desired: number;
  readonly authority: Authority;
  readonly shardSet: ShardSetView | undefined;
  readonly volumes: readonly VolumeView[];
  readonly pods: readonly PodView[];
  readonly reports: readonly ReportView[];
  /** Of the whole cache's history: some topology was in force once. */
  readonly rememberedEpoch: number;
  /** Shards that were given up by annotation, and do not answer. */
  readonly givenUp: ReadonlySet<string>;
  readonly nameOf: (ordinal: number) => string;
}

export interface ScaleDecision {
  readonly replicas: number;
  /** Shards above the wanted ones that are still needed. */
  readonly held: readonly string[];
  /** Ready routers and shards that did not say which topology they run by, and so hold a removal up. */
  readonly silent: readonly string[];
}

export function decideScale(input: ScaleInput): ScaleDecision {
  const { desired, authority, shardSet, nameOf } = input;
  const running = Array.from({ length: shardSet?.replicas ?? 0 }, (_, ordinal) => nameOf(ordinal));
  if (authority.kind !== 'known') {
    // Every shard that has data is started, so that it can say what is in force; new ones wait until that is known.
    const retained = Math.max(running.length, ...input.volumes.map(({ ordinal }) => ordinal + 1));
    const hasHistory = retained > 0 || input.rememberedEpoch > 0;
    const replicas = hasHistory && authority.kind === 'unknown' ? retained || desired : Math.max(retained, desired);
    return { replicas, held: [], silent: [] };
  }
  const { shards, routers } = processReports(input.reports);
  const silent = silentProcesses(input);
  const free = new Set(silent.length > 0 ? [] : removable(authority.topology, running, [...shards, ...routers]));
  const named = new Set(authority.topology.shards.map(({ name }) => name));
  const highest = Math.max(desired, running.length, highestNumber(named, nameOf));
  let replicas = highest;
  while (replicas > desired) {
    const name = nameOf(replicas - 1);
    if (named.has(name) || (replicas <= running.length && !free.has(name))) break;
    replicas -= 1;
  }
  const held = Array.from({ length: Math.max(0, replicas - desired) }, (_, index) => nameOf(desired + index));
  return { replicas, held: held.filter((name) => !free.has(name)), silent };
}

/** A process that is ready serves by some topology: nothing is removed before it says by which. */
function silentProcesses({ pods, reports, givenUp, desired }: ScaleInput): string[] {
  const answered = new Set(reports.map(({ name }) => name));
  return pods
    .filter(({ role, ordinal }) => role === 'router' || ordinal < desired)
    .filter(({ name, isReady, isTerminating }) => isReady && !isTerminating && !answered.has(name))
    .map(({ name }) => name)
    .filter((name) => !givenUp.has(name));
}

/** One more than the highest number that a name has. */
function highestNumber(names: ReadonlySet<string>, nameOf: (ordinal: number) => string): number {
  let found = 0;
  // Numbers are counted up to the bound, since a name says nothing of its number that nameOf does not.
  for (const name of names) {
    const ordinal = Number(/-([0-9]+)$/.exec(name)?.[1]);
    if (Number.isInteger(ordinal) && nameOf(ordinal) === name) found = Math.max(found, ordinal + 1);
  }
  return found;
}

/**
 * The volumes of removed shards that may be deleted: their pods are gone, the StatefulSet makes no more of them, and
 * the topology in force has no place for them.
 */
export function removableVolumes(input: {
  readonly authority: Authority;
  readonly shardSet: ShardSetView | undefined;
  readonly desired: number;
  readonly volumes: readonly VolumeView[];
  readonly pods: readonly PodView[];
  readonly nameOf: (ordinal: number) => string;
}): readonly VolumeView[] {
  const { authority, shardSet, desired, volumes, pods, nameOf } = input;
  if (authority.kind !== 'known' || shardSet === undefined || !shardSet.isObserved) return [];
  const named = new Set(authority.topology.shards.map(({ name }) => name));
  const present = new Set(pods.map(({ name }) => name));
  return volumes.filter(({ ordinal, isTerminating }) => {
    const name = nameOf(ordinal);
    return !isTerminating && ordinal >= Math.max(desired, shardSet.replicas) && !named.has(name) && !present.has(name);
  });
}
