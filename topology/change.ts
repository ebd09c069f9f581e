/**
 * What to do next so that a cluster comes to have the members that are wanted: one pure function, called again and
 * again with what is seen, by whoever publishes topologies (the operator, the supervisor of a local cluster).
 *
 *   nothing ──▶ first topology ──▶ steady ◀──────────────┐
 *                                    │ members differ    │ every process runs the settled epoch
 *                                    ▼                   │
 *                                  moving ──▶ settled ───┘   (what left may be removed)
 *                                    every slot has arrived
 *
 * It keeps no state of its own: the topology in force and the shards' reports say where a change stands, so it goes on
 * after any crash of its caller. One change at a time: a run of slots has one source, so new members wait until all
 * slots of the change before have arrived; new addresses do not.
 */
import { isMoving, settled, topology } from './place.ts';
import type { Topology, TopologyShard } from './topology.ts';

/** What a process told of itself last. One that cannot be reached has no report. */
export interface ProcessReport {
  readonly name: string;
  /** The epoch that it runs by. */
  readonly epoch: number;
  /** Shards: whether everything that was on its way to it at that epoch has arrived, as safe as it was before. */
  readonly hasArrived?: boolean;
}

export interface ChangeInput {
  /** The highest epoch that anybody has; undefined only if there is no data at all. */
  readonly current: Topology | undefined;
  /** The shards that there should be. */
  readonly members: readonly TopologyShard[];
  readonly shards: readonly ProcessReport[];
  readonly routers: readonly ProcessReport[];
}

export type ChangeStep =
  /** Everybody runs the topology, it has the wanted members, and nothing moves. */
  | { readonly kind: 'steady' }
  | { readonly kind: 'publish'; readonly topology: Topology; readonly reason: 'first' | 'members' | 'arrived' }
  /** Nothing can be done until these processes report (again), or their slots have arrived. */
  | { readonly kind: 'wait'; readonly reason: 'unreported' | 'behind' | 'moving'; readonly names: readonly string[] };

/** The next step. Throws KvcacheError CONFIG for members that no topology can have. */
export function nextStep({ current, members, shards, routers }: ChangeInput): ChangeStep {
  if (current === undefined) return { kind: 'publish', topology: topology(undefined, members), reason: 'first' };
  const reports = new Map(shards.map((report) => [report.name, report]));
  if (isMoving(current)) return afterMoving(current, members, reports);
  const next = topology(current, members);
  const needed = [...new Set([...current.shards, ...next.shards].map(({ name }) => name))];
  // Slots that move away from a shard that cannot be reached, or to one, would be out of reach until it is.
  if (next !== current) {
    const missing = needed.filter((name) => !reports.has(name));
    if (missing.length > 0) return { kind: 'wait', reason: 'unreported', names: missing };
  }
  const behind = [...shards.filter(({ name }) => needed.includes(name)), ...routers]
    .filter(({ epoch }) => epoch < current.epoch)
    .map(({ name }) => name);
  if (behind.length > 0) return { kind: 'wait', reason: 'behind', names: behind };
  return next === current ? { kind: 'steady' } : { kind: 'publish', topology: next, reason: 'members' };
}

function afterMoving(
  current: Topology,
  members: readonly TopologyShard[],
  reports: ReadonlyMap<string, ProcessReport>,
): ChangeStep {
  // Nothing arrives from a shard that is looked for where it was.
  const readdressed = withAddresses(current, members);
  if (readdressed !== current) return { kind: 'publish', topology: readdressed, reason: 'members' };
  const targets = new Set(current.slots.filter(({ source }) => source !== undefined).map(({ shards }) => shards[0]!));
  const waiting = [...targets].filter((name) => {
    const report = reports.get(name);
    return report === undefined || report.epoch < current.epoch || report.hasArrived !== true;
  });
  if (waiting.length === 0) return { kind: 'publish', topology: settled(current), reason: 'arrived' };
  const unreported = waiting.filter((name) => !reports.has(name));
  return unreported.length > 0
    ? { kind: 'wait', reason: 'unreported', names: unreported }
    : { kind: 'wait', reason: 'moving', names: waiting };
}

/** The topology, one epoch later, with those addresses that have changed; itself where none has. */
function withAddresses(current: Topology, members: readonly TopologyShard[]): Topology {
  const addresses = new Map(members.map(({ name, address }) => [name, address]));
  const shards = current.shards.map(({ name, address }) => ({ name, address: addresses.get(name) ?? address }));
  if (shards.every(({ address }, place) => address === current.shards[place]!.address)) return current;
  return { ...current, epoch: current.epoch + 1, shards };
}

/**
 * The processes among `running` that may be stopped for good: shards that own nothing and hold nothing that somebody
 * waits for, once every process that is there runs by the topology that says so.
 */
export function removable(
  current: Topology,
  running: readonly string[],
  reports: readonly ProcessReport[],
): readonly string[] {
  if (isMoving(current) || reports.some(({ epoch }) => epoch < current.epoch)) return [];
  const named = new Set(current.shards.map(({ name }) => name));
  return running.filter((name) => !named.has(name));
}

/**
 * The topology without what the shards in `lost` still held: their slots arrive as they are, one epoch later. For
 * shards that will never come back; what only they held is lost. The topology itself if they hold nothing.
 */
export function abandoned(current: Topology, lost: ReadonlySet<string>): Topology {
  if (!current.slots.some(({ source }) => source !== undefined && lost.has(source))) return current;
  const slots = current.slots.map((run) => {
    if (run.source === undefined || !lost.has(run.source)) return run;
    const { from, to, shards, since } = run;
    return { from, to, shards, since };
  });
  const needed = new Set(slots.flatMap(({ shards, source }) => (source === undefined ? shards : [...shards, source])));
  return {
    version: 1,
    epoch: current.epoch + 1,
    shards: current.shards.filter(({ name }) => needed.has(name)),
    slots,
  };
}
