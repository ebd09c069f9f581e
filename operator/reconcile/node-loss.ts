/**
 * The verb "node loss": a shard whose node is gone.
 *
 * Kubernetes deletes the pods of a lost node and then waits for its kubelet to confirm, for ever; a StatefulSet makes no
 * second pod of the same name meanwhile. With `nodeLossPolicy: Wait` nothing is done: the node, or a person, decides.
 * With `RestoreFromBlob` the shard starts elsewhere, in two steps that each follow from what is seen:
 *
 *   1. the pod should have been gone and its node is lost         delete the pod without waiting for its node
 *   2. the new pod cannot be placed because its volume lies on    delete the volume and the pod: both come anew, and
 *      a lost node                                                the shard restores itself from Blob
 *
 * A volume that can follow to another node, as network disks do, is not touched by that. Should the old process still run
 * behind a broken network, the new one has taken over its manifest in Blob, and the old one is fenced.
 */
import { nodeLossPatienceMs } from '../../limits.ts';
import type { PodView, VolumeView } from './view.ts';

/** `unknown`: the operator may not read nodes. */
export type NodeState = 'ready' | 'lost' | 'unknown';

export interface NodeLossInput {
  readonly policy: 'Wait' | 'RestoreFromBlob';
  /** Shards' pods. */
  readonly pods: readonly PodView[];
  readonly volumes: readonly VolumeView[];
  readonly nodeState: (node: string) => NodeState;
  readonly nowMs: number;
}

export interface NodeLossDecision {
  /** Shards whose node is lost. */
  readonly lost: readonly PodView[];
  readonly forceDelete: readonly PodView[];
  readonly replace: readonly { readonly pod: PodView; readonly volume: VolumeView }[];
}

/** What the scheduler says of a volume that lies on another node, in this and older versions of Kubernetes. */
const volumeElsewhere = /volume node affinity conflict|PersistentVolume's node affinity/;

export function decideNodeLoss({ policy, pods, volumes, nodeState, nowMs }: NodeLossInput): NodeLossDecision {
  const lost = pods.filter(({ node }) => node !== undefined && nodeState(node) === 'lost');
  if (policy === 'Wait') return { lost, forceDelete: [], replace: [] };
  const forceDelete = pods.filter(
    ({ node, dueGoneAtMs }) =>
      node !== undefined &&
      dueGoneAtMs !== undefined &&
      nowMs - dueGoneAtMs >= nodeLossPatienceMs &&
      nodeState(node) === 'lost',
  );
  const replace = pods.flatMap((pod) => {
    const volume = volumes.find(({ ordinal }) => ordinal === pod.ordinal);
    const isStranded =
      volume?.node !== undefined &&
      nodeState(volume.node) === 'lost' &&
      !pod.isTerminating &&
      pod.trouble?.reason === 'Unschedulable' &&
      volumeElsewhere.test(pod.trouble.message);
    return isStranded ? [{ pod, volume }] : [];
  });
  return { lost, forceDelete, replace };
}
