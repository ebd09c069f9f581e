/**
 * The verb "delete": what becomes of a KVCache's data when it is deleted.
 *
 * Everything in the cluster has the KVCache as its owner, disks too where they should go with it, and the garbage
 * collector removes it, also without an operator. So with `deletionPolicy: Retain` there is no finalizer, and nothing that
 * could stick. A finalizer is there only where something is promised that the garbage collector does not do: to hold the
 * deletion (`deletionProtection`), and to delete blobs.
 *
 *   held ─▶ stop pods ─▶ delete blobs ─▶ release
 *     └──────── deadline, or nothing more is promised ──▲
 *
 * Each step is seen from what is there, so that a killed operator goes on with the first that is not done. Pods go first:
 * a shard that still ran would write its blobs again. Jobs for it were rejected: a terminating namespace takes no pods.
 */
import { deletionDeadlineMs, namespaceDeletionDeadlineMs } from '../../limits.ts';

export const finalizer = 'kvcache.dev/cleanup';

export interface DeletionPromise {
  readonly isProtected: boolean;
  readonly deletesBlobs: boolean;
}

/** Whether the KVCache should carry the finalizer while it is not deleted. */
export function needsFinalizer({ isProtected, deletesBlobs }: DeletionPromise): boolean {
  return isProtected || deletesBlobs;
}

export interface DeletionInput extends DeletionPromise {
  readonly sinceMs: number;
  readonly nowMs: number;
  /** Everything in it goes, whatever this KVCache says. */
  readonly isNamespaceTerminating: boolean;
  /** The StatefulSet, or pods of shards, those that are ending included. */
  readonly isRunning: boolean;
  /** All blobs were seen to be gone after the last pod was. */
  readonly areBlobsGone: boolean;
}

export type DeletionStep =
  /** The deletion waits for `deletionProtection: false`; the cache goes on as ever. */
  | { readonly kind: 'hold' }
  | { readonly kind: 'stopPods' }
  | { readonly kind: 'deleteBlobs' }
  /** Take the finalizer off; `isComplete` is false where blobs had to be left. */
  | { readonly kind: 'release'; readonly isComplete: boolean };

export function decideDeletion(input: DeletionInput): DeletionStep {
  const { isProtected, deletesBlobs, isNamespaceTerminating, sinceMs, nowMs } = input;
  if (isProtected && !isNamespaceTerminating) return { kind: 'hold' };
  if (!deletesBlobs || (input.areBlobsGone && !input.isRunning)) return { kind: 'release', isComplete: true };
  const deadlineMs = isNamespaceTerminating ? namespaceDeletionDeadlineMs : deletionDeadlineMs;
  if (nowMs - sinceMs >= deadlineMs) return { kind: 'release', isComplete: false };
  return { kind: input.isRunning ? 'stopPods' : 'deleteBlobs' };
}
