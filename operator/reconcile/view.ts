/**
 * What the decisions look at: small plain facts, taken from Kubernetes' objects and the processes' own reports.
 *
 * Every decision of the operator is a pure function from these to actions, so that it can be tested on tables and in a
 * simulated cluster. What a field of a pod's status means is said once, in `pod-view.ts`, and not in each decision.
 */
import type { ShardProgress } from '../pods/report.ts';

export type PodRole = 'shard' | 'router';

/**
 * Why a pod does not get ready, where that is more than taking its time. It may still pass: an image appears, a node has
 * room again. A pod of a superseded revision in trouble is not waited for.
 */
export interface PodTrouble {
  /** As Kubernetes calls it: ImagePullBackOff, CrashLoopBackOff, Unschedulable, … */
  readonly reason: string;
  readonly message: string;
}

export interface PodView {
  readonly name: string;
  readonly uid: string;
  readonly role: PodRole;
  /** Of a shard: the number at the end of its name. */
  readonly ordinal: number;
  /** The revision of the pod template that it was made from. */
  readonly revision: string;
  readonly ip: string | undefined;
  readonly node: string | undefined;
  readonly isReady: boolean;
  /** Its process runs, ready or not: it may be asked. */
  readonly isRunning: boolean;
  /** Deleted, and not gone yet. */
  readonly isTerminating: boolean;
  /** When it should have been gone at the latest: deletion and grace period. */
  readonly dueGoneAtMs: number | undefined;
  /** Since when it is ready, or not: its making, if it never was. */
  readonly readyChangedAtMs: number;
  readonly trouble: PodTrouble | undefined;
  readonly restarts: number;
  /** Changes whenever the process starts again. */
  readonly process: string;
}

export interface VolumeView {
  /** The name of the PersistentVolumeClaim. */
  readonly name: string;
  readonly uid: string;
  readonly ordinal: number;
  readonly isTerminating: boolean;
  readonly requestedBytes: number;
  readonly storageClass: string | undefined;
  /** The node for which the scheduler had the volume made. */
  readonly node: string | undefined;
}

/** The StatefulSet of the shards. */
export interface ShardSetView {
  readonly uid: string;
  readonly replicas: number;
  /** The controller has seen the newest spec, so that `updateRevision` is about it. */
  readonly isObserved: boolean;
  readonly updateRevision: string;
  /** What its volume claim template asks for. */
  readonly volumeBytes: number | undefined;
  readonly isTerminating: boolean;
}

/** What decisions need of a report (pods/report.ts). A process that did not answer in this pass has none. */
export interface ReportView {
  readonly kind: PodRole;
  readonly name: string;
  /** 0: it has been given no topology yet. */
  readonly epoch: number;
  readonly progress?: Pick<ShardProgress, 'hasArrived'> | undefined;
}

/** `c-shard-3` → 3; undefined for another StatefulSet's pod. */
export function ordinalOf(name: string, prefix: string): number | undefined {
  if (!name.startsWith(`${prefix}-`)) return undefined;
  const tail = name.slice(prefix.length + 1);
  return /^(0|[1-9][0-9]*)$/.test(tail) ? Number(tail) : undefined;
}
