/**
 * The verb "topology": what to publish next, if anything.
 *
 *   unknown ──▶ (ask shards) ──▶ known, not published ──▶ restore the ConfigMap
 *   none ─────▶ publish the first
 *   known ────▶ topology/change.ts: steady, publish members, publish arrived, or wait
 *                 └─ what it waits for was given up by annotation ──▶ publish without it
 *
 * One document a pass: it is written and pushed, and the next pass sees who runs by it. The decision keeps no state, so an
 * operator that is killed between any two steps goes on where it stopped.
 */
import { abandoned, type ChangeStep, nextStep, type ProcessReport } from '../../topology/change.ts';
import { isMoving, topology as place } from '../../topology/place.ts';
import type { Topology, TopologyShard } from '../../topology/topology.ts';
import { above, type Authority } from './authority.ts';
import type { ReportView } from './view.ts';

export interface TopologyInput {
  readonly authority: Authority;
  /** The shards that the spec asks for. */
  readonly members: readonly TopologyShard[];
  readonly reports: readonly ReportView[];
  /** Shards that were given up by annotation, and do not answer. */
  readonly givenUp: ReadonlySet<string>;
}

export type PublishReason = 'first' | 'restored' | 'members' | 'arrived' | 'abandoned';

export type TopologyDecision =
  | { readonly kind: 'publish'; readonly topology: Topology; readonly reason: PublishReason }
  | Exclude<ChangeStep, { readonly kind: 'publish' }>
  /** Nobody has said yet what is in force. */
  | { readonly kind: 'unknown'; readonly names: readonly string[] };

export function decideTopology({ authority, members, reports, givenUp }: TopologyInput): TopologyDecision {
  if (authority.kind === 'unknown') return { kind: 'unknown', names: authority.waitingFor };
  if (authority.kind === 'none') {
    const first = place(undefined, members);
    // Records of earlier epochs may lie on shards' disks: what this document says is newer than all of them.
    const epoch = Math.max(first.epoch, above(authority.epochFloor));
    return { kind: 'publish', topology: { ...first, epoch }, reason: 'first' };
  }
  if (!authority.isPublished) return { kind: 'publish', topology: authority.topology, reason: 'restored' };
  const current = authority.topology;
  const step = nextStep({ current, members, ...processReports(reports) });
  if (step.kind !== 'wait' || step.reason === 'behind') return step;
  const without = withoutGivenUp(current, members, reports, givenUp);
  return without === undefined ? step : { kind: 'publish', topology: without, reason: 'abandoned' };
}

/**
 * The topology in which the slots of given-up shards arrive as they are; undefined where that helps nothing. Shards
 * that are wanted are never given up: their pods come back, and get back what disk and Blob hold.
 */
function withoutGivenUp(
  current: Topology,
  members: readonly TopologyShard[],
  reports: readonly ReportView[],
  givenUp: ReadonlySet<string>,
): Topology | undefined {
  const wanted = new Set(members.map(({ name }) => name));
  const lost = new Set(current.shards.map(({ name }) => name).filter((name) => givenUp.has(name) && !wanted.has(name)));
  if (lost.size === 0) return undefined;
  if (isMoving(current)) {
    const next = abandoned(current, lost);
    return next === current ? undefined : next;
  }
  // Whoever else must take part has to be there, as for any change.
  const answered = new Set(reports.map(({ name }) => name));
  const next = place(current, members);
  const needed = [...current.shards, ...next.shards].map(({ name }) => name);
  if (needed.some((name) => !lost.has(name) && !answered.has(name))) return undefined;
  return abandoned(next, lost);
}

export function processReports(reports: readonly ReportView[]): {
  readonly shards: readonly ProcessReport[];
  readonly routers: readonly ProcessReport[];
} {
  const of = (kind: ReportView['kind']): ProcessReport[] =>
    reports.flatMap((report) => {
      if (report.kind !== kind) return [];
      const { name, epoch, progress } = report;
      return progress === undefined ? { name, epoch } : { name, epoch, hasArrived: progress.hasArrived };
    });
  return { shards: of('shard'), routers: of('router') };
}

/** Every process that must be told: those that run by an older topology than the one in force. */
export function behind(current: Topology, reports: readonly ReportView[]): readonly string[] {
  return reports.filter(({ epoch }) => epoch < current.epoch).map(({ name }) => name);
}
