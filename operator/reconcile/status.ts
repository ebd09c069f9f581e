/**
 * The status of a KVCache, and when it is worth a write.
 *
 * A write of the status wakes every watcher, ourselves included, so an idle cache must cost none: figures have three
 * digits, and a status that differs in figures alone is written at most every `statusFiguresIntervalMs`. Everything else
 * (a condition, a shard's phase, an epoch, the progress of a change) is written with the pass that saw it.
 */
import { isDeepStrictEqual } from 'node:util';
import { statusFiguresIntervalMs } from '../../limits.ts';
import type { KVCacheStatus } from '../api/schema.ts';
import type { ShardPhase, ShardStatus } from '../api/status.ts';
import { selectorLabels, selectorText } from '../manifests/names.ts';
import type { ShardReport } from '../pods/report.ts';
import { type Assessment, shardPods, slotsServed } from './assessment.ts';
import { conditionsOf, verdicts } from './conditions.ts';
import { bytesText, hitRateText, lagText, roundedCount } from './figures.ts';
import type { PodView } from './view.ts';

const messageCharsMax = 1_024;

export function statusOf(seen: Assessment, before: KVCacheStatus | undefined): KVCacheStatus {
  const { cache, authority, routers, shardSet } = seen;
  const generation = cache.metadata.generation ?? 0;
  const reports = shardReports(seen);
  const wanted = cache.spec.shards.replicas;
  const ready = shardPods(seen).filter((pod) => serves(pod) && pod.ordinal < wanted).length;
  const hitRate = hitRateText(sumOfReads(reports));
  const epoch = authority.kind === 'known' ? authority.topology.epoch : before?.epoch;
  return {
    observedGeneration: generation,
    conditions: conditionsOf(verdicts(seen), before?.conditions ?? [], generation, new Date(seen.nowMs).toISOString()),
    replicas: shardSet?.replicas ?? 0,
    selector: selectorText(selectorLabels(cache, 'shard')),
    shardsReady: `${ready}/${wanted}`,
    routersReady: `${routers.ready}/${routers.desired}`,
    ...(epoch !== undefined && { epoch }),
    slotsServed: slotsServed(seen),
    ...(hitRate !== undefined && { hitRate }),
    ...(reports.length > 0 && {
      memoryUsed: bytesText(reports.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)),
    }),
    ...scalingOf(seen, reports, before),
    ...rolloutOf(seen),
    shards: shardStatuses(seen, reports),
  };
}

/** Of an object that this operator cannot read: of its status only the epoch is kept, which must never be forgotten. */
export function refusedStatus(
  stored: { readonly metadata: { readonly generation?: number }; readonly status?: unknown },
  message: string,
  now: Date,
): KVCacheStatus {
  const { epoch, conditions } = (stored.status ?? {}) as KVCacheStatus;
  const generation = stored.metadata.generation ?? 0;
  const refused = { reason: 'SpecRefused', message } as const;
  const judged = { Ready: { status: 'False', ...refused }, Degraded: { status: 'True', ...refused } } as const;
  return {
    observedGeneration: generation,
    conditions: conditionsOf(judged, Array.isArray(conditions) ? conditions : [], generation, now.toISOString()),
    ...(typeof epoch === 'number' && { epoch }),
  };
}

/** Whether to write it now, given what is stored and when that was written. */
export function isWorthWriting(next: KVCacheStatus, stored: KVCacheStatus | undefined, sinceWriteMs: number): boolean {
  if (isDeepStrictEqual(next, stored)) return false;
  if (stored === undefined || sinceWriteMs >= statusFiguresIntervalMs) return true;
  return !isDeepStrictEqual(withoutFigures(next), withoutFigures(stored));
}

function withoutFigures(status: KVCacheStatus): object {
  const noFigures = { hitRate: undefined, keys: undefined, memory: undefined, blobLag: undefined };
  const shards = status.shards?.map((shard) => Object.assign({}, shard, noFigures));
  return { ...status, hitRate: undefined, memoryUsed: undefined, shards };
}

function serves({ isReady, isTerminating }: PodView): boolean {
  return isReady && !isTerminating;
}

function shardReports({ reports }: Assessment): ShardReport[] {
  return reports.flatMap((report) => (report.kind === 'shard' ? [report] : []));
}

function sumOfReads(reports: readonly ShardReport[]): { hit: number; miss: number } {
  return reports.reduce((sum, { reads }) => ({ hit: sum.hit + reads.hit, miss: sum.miss + reads.miss }), {
    hit: 0,
    miss: 0,
  });
}

/** The change of shards under way, if any. Where it began is remembered by the status that was written before. */
function scalingOf(
  { cache, authority, topology, scale }: Assessment,
  reports: readonly ShardReport[],
  before: KVCacheStatus | undefined,
): Pick<KVCacheStatus, 'scaling'> {
  if (authority.kind !== 'known') return {};
  const { slots } = authority.topology;
  const owners = new Set(slots.map(({ shards }) => shards[0]!)).size;
  const moving = slots.filter(({ source }) => source !== undefined);
  const to = cache.spec.shards.replicas;
  const isUnderWay = moving.length > 0 || owners !== to || scale.held.length > 0 || topology.kind === 'publish';
  if (!isUnderWay) return {};
  const progress = reports.flatMap((report) => report.progress ?? []);
  const sum = (of: (each: (typeof progress)[number]) => number): number =>
    progress.reduce((total, each) => total + of(each), 0);
  return {
    scaling: {
      // The topology may have gone on since the status was written last; the pods had not.
      from: before?.scaling?.to === to ? before.scaling.from : before?.replicas || owners,
      to,
      slotsMoving: moving.length === 0 ? 0 : sum(({ slotsArriving }) => slotsArriving),
      keysLeft: roundedCount(sum(({ keysLeft }) => keysLeft)),
      bytesLeft: roundedCount(sum(({ bytesLeft }) => bytesLeft)),
      bytesMoved: roundedCount(sum(({ bytesMoved }) => bytesMoved)),
    },
  };
}

function rolloutOf(seen: Assessment): Pick<KVCacheStatus, 'rollout'> {
  const { roll, shardSet } = seen;
  if (roll.kind === 'done' || shardSet === undefined) return {};
  const pods = shardPods(seen);
  return {
    rollout: {
      updated: pods.filter(({ revision }) => revision === shardSet.updateRevision).length,
      total: shardSet.replicas,
      ...(roll.kind === 'halted' && { halted: `${roll.name}: ${roll.why}`.slice(0, messageCharsMax) }),
    },
  };
}

function shardStatuses(seen: Assessment, reports: readonly ShardReport[]): ShardStatus[] {
  const pods = new Map(shardPods(seen).map((pod) => [pod.name, pod]));
  const count = Math.max(seen.shardSet?.replicas ?? 0, ...shardPods(seen).map(({ ordinal }) => ordinal + 1));
  return Array.from({ length: count }, (_, ordinal) => {
    const name = seen.nameOf(ordinal);
    return shardStatus(
      seen,
      name,
      pods.get(name),
      reports.find((report) => report.name === name),
    );
  });
}

function shardStatus(
  seen: Assessment,
  name: string,
  pod: PodView | undefined,
  report: ShardReport | undefined,
): ShardStatus {
  const message = report?.fault ?? (pod?.trouble && `${pod.trouble.reason}: ${pod.trouble.message}`);
  const rate = report && hitRateText(report.reads);
  return {
    name,
    phase: phaseOf(seen, pod),
    ready: pod !== undefined && serves(pod),
    ...(pod?.node !== undefined && { node: pod.node }),
    ...(pod && { revision: pod.revision, upToDate: pod.revision === seen.shardSet?.updateRevision }),
    ...(report && {
      epoch: report.epoch,
      slots: report.slots,
      slotsArriving: report.progress?.slotsArriving ?? 0,
      keys: roundedCount(report.keys),
      memory: bytesText(report.memoryBytes),
    }),
    ...(rate !== undefined && { hitRate: rate }),
    ...(report?.blob && { blobLag: lagText(report.blob.lagMs) }),
    ...(pod && { restarts: pod.restarts }),
    ...(message !== undefined && { message: message.slice(0, messageCharsMax) }),
  };
}

function phaseOf({ cache, nodeLoss }: Assessment, pod: PodView | undefined): ShardPhase {
  if (pod === undefined || pod.node === undefined) return 'Pending';
  if (nodeLoss.lost.some(({ name }) => name === pod.name)) return 'Lost';
  if (pod.ordinal >= cache.spec.shards.replicas) return 'Draining';
  if (serves(pod)) return 'Ready';
  return pod.trouble === undefined && pod.restarts === 0 && !pod.isTerminating ? 'Starting' : 'Unready';
}
