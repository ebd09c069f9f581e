/**
 * From Kubernetes' objects to the facts that decisions look at: what a pod's status means, said once.
 */
import type { persistentVolumeClaims, pods, Resource, statefulSets, Stored } from '../kube/resources.ts';
import { quantityBytes } from '../manifests/quantity.ts';
import { ordinalOf, type PodRole, type PodTrouble, type PodView, type ShardSetView, type VolumeView } from './view.ts';

type ShapeOf<T> = T extends Resource<infer Shape extends object> ? Shape : never;
export type Pod = Stored<ShapeOf<typeof pods>>;
export type StatefulSet = Stored<ShapeOf<typeof statefulSets>>;
export type VolumeClaim = Stored<ShapeOf<typeof persistentVolumeClaims>>;

type ContainerStatus = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number];

/** Reasons for which a container waits that pass by themselves while it starts. */
const startingReasons: ReadonlySet<string> = new Set(['ContainerCreating', 'PodInitializing']);
const messageCharsMax = 500;

export function podView(pod: Pod, role: PodRole, prefix: string): PodView {
  const { metadata, spec, status } = pod;
  const container = status?.containerStatuses?.[0];
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return {
    name: metadata.name,
    uid: metadata.uid,
    role,
    ordinal: role === 'shard' ? (ordinalOf(metadata.name, prefix) ?? -1) : -1,
    revision: metadata.labels?.['controller-revision-hash'] ?? metadata.labels?.['pod-template-hash'] ?? '',
    ip: status?.podIP,
    node: spec?.nodeName,
    isReady: ready?.status === 'True',
    isRunning: container?.state?.running !== undefined,
    isTerminating: metadata.deletionTimestamp !== undefined,
    dueGoneAtMs: timeOf(metadata.deletionTimestamp),
    readyChangedAtMs: timeOf(ready?.lastTransitionTime) ?? timeOf(metadata.creationTimestamp) ?? 0,
    trouble: ready?.status === 'True' ? undefined : troubleOf(pod, container),
    restarts: container?.restartCount ?? 0,
    process: container?.containerID ?? '',
  };
}

function troubleOf({ status }: Pod, container: ContainerStatus | undefined): PodTrouble | undefined {
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') {
    const { reason = 'Unschedulable', message = 'no node takes it' } = scheduled;
    return trouble(reason, message);
  }
  if (status?.phase === 'Failed') return trouble(status.reason ?? 'Failed', status.message ?? 'its pod has failed');
  const waiting = container?.state?.waiting;
  if (waiting?.reason !== undefined && !startingReasons.has(waiting.reason)) {
    return trouble(waiting.reason, waiting.message ?? lastWords(container) ?? 'its container does not start');
  }
  return undefined;
}

function trouble(reason: string, message: string): PodTrouble {
  return { reason, message: message.slice(0, messageCharsMax) };
}

function lastWords(container: ContainerStatus | undefined): string | undefined {
  const ended = container?.lastState?.terminated;
  if (ended === undefined) return undefined;
  return `the process ended with ${ended.exitCode}${ended.message ? `: ${ended.message.trim()}` : ''}`;
}

export function shardSetView(set: StatefulSet): ShardSetView {
  const { metadata, spec, status } = set;
  const template = spec?.volumeClaimTemplates?.[0];
  const requested = template?.spec?.resources?.requests?.['storage'];
  return {
    uid: metadata.uid,
    replicas: spec?.replicas ?? 1,
    isObserved: (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0) && status?.updateRevision !== undefined,
    updateRevision: status?.updateRevision ?? '',
    volumeBytes: requested === undefined ? undefined : quantityBytes(requested),
    isTerminating: metadata.deletionTimestamp !== undefined,
  };
}

/** The scheduler writes down for which node it had the volume made. */
const selectedNodeAnnotation = 'volume.kubernetes.io/selected-node';

export function volumeView(claim: VolumeClaim, ordinal: number): VolumeView {
  const { metadata, spec } = claim;
  return {
    name: metadata.name,
    uid: metadata.uid,
    ordinal,
    isTerminating: metadata.deletionTimestamp !== undefined,
    requestedBytes: quantityBytes(spec?.resources?.requests?.['storage'] ?? '0'),
    storageClass: spec?.storageClassName,
    node: metadata.annotations?.[selectedNodeAnnotation],
  };
}

export function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text);
}
