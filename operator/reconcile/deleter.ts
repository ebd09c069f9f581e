/**
 * The acting side of the verb "delete" (deletion.ts): the finalizer, and what is done before it goes.
 */
import { messageOf } from '../../errors.ts';
import type { BlobAccountOptions } from '../../shard/blob/blob-account.ts';
import type { KVCache } from '../api/schema.ts';
import type { KubeClient } from '../kube/client.ts';
import { statefulSets } from '../kube/resources.ts';
import { nameOf, namesOf, namespaceOf } from '../manifests/names.ts';
import type { Acting } from './acts.ts';
import { blobAccountOf, deleteBlobs } from './blob-cleanup.ts';
import type { CacheSecrets } from './cache-secrets.ts';
import type { ClusterFacts } from './cluster-facts.ts';
import { decideDeletion, type DeletionPromise, finalizer, needsFinalizer } from './deletion.ts';
import { type Informers, kvcaches } from './informers.ts';
import type { CacheMemory } from './memory.ts';
import { timeOf } from './pod-view.ts';

export interface DeleterParts {
  readonly client: KubeClient;
  readonly informers: Informers;
  readonly facts: ClusterFacts;
  readonly secrets: CacheSecrets;
}

/** `living`: go on with the pass. `deleting`: nothing else is to be done. `released`: it is gone, or about to be. */
export type DeletionState = 'living' | 'deleting' | 'released';

export class Deleter {
  readonly #parts: DeleterParts;

  constructor(parts: DeleterParts) {
    this.#parts = parts;
  }

  async step(acting: Acting, memory: CacheMemory, signal: AbortSignal): Promise<DeletionState> {
    const { cache } = acting;
    const promise = promiseOf(cache);
    const hasFinalizer = cache.metadata.finalizers?.includes(finalizer) === true;
    if (promise.deletesBlobs) await this.#keepAccount(cache, memory);
    if (cache.metadata.deletionTimestamp === undefined) {
      if (hasFinalizer !== needsFinalizer(promise)) await this.#setFinalizer(cache, !hasFinalizer);
      return 'living';
    }
    if (!hasFinalizer) return 'released';
    return await this.#delete(acting, promise, memory, signal);
  }

  async #delete(
    { cache, notes }: Acting,
    promise: DeletionPromise,
    memory: CacheMemory,
    signal: AbortSignal,
  ): Promise<DeletionState> {
    const { client, facts } = this.#parts;
    const namespace = namespaceOf(cache);
    const step = decideDeletion({
      ...promise,
      sinceMs: timeOf(String(cache.metadata.deletionTimestamp)) ?? 0,
      nowMs: Date.now(),
      isNamespaceTerminating: await facts.isNamespaceTerminating(namespace),
      isRunning: this.#isRunning(cache),
      areBlobsGone: memory.areBlobsGone,
    });
    switch (step.kind) {
      case 'hold':
        notes.happenings.push({ reason: 'DeletionHeld', message: 'spec.deletionProtection is true' });
        return 'living';
      case 'stopPods':
        await client.delete(statefulSets, { namespace, name: namesOf(cache).shardSet });
        return 'deleting';
      case 'deleteBlobs':
        memory.areBlobsGone = await this.#deleteBlobs(memory, signal);
        if (memory.areBlobsGone) notes.happenings.push({ reason: 'DataDeleted', message: 'the blobs are gone' });
        return 'deleting';
      case 'release':
        if (!step.isComplete) {
          const message = 'blobs could not be deleted in time and were left in the container; delete them by hand';
          notes.happenings.push({ reason: 'DeletionIncomplete', message });
        }
        await this.#setFinalizer(cache, false);
        return 'released';
      default:
        return step satisfies never;
    }
  }

  #isRunning(cache: KVCache): boolean {
    const { shardSets, pods } = this.#parts.informers;
    const namespace = namespaceOf(cache);
    const shardPods = pods.store
      .indexed(`${namespace}/${nameOf(cache)}`)
      .filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/component'] === 'shard');
    return shardPods.length > 0 || shardSets.store.get({ namespace, name: namesOf(cache).shardSet }) !== undefined;
  }

  /** Secrets may go before the KVCache does, as when a whole namespace is deleted. */
  async #keepAccount(cache: KVCache, memory: CacheMemory): Promise<void> {
    const account = await blobAccountOf(cache, this.#parts.secrets);
    if (account !== undefined) memory.blobAccount = account;
  }

  async #deleteBlobs({ blobAccount }: { blobAccount: BlobAccountOptions | undefined }, signal: AbortSignal) {
    if (blobAccount === undefined) throw new Error('the blobs cannot be deleted: their credentials are not there');
    try {
      return await deleteBlobs(blobAccount, signal);
    } catch (error) {
      throw new Error(`the blobs could not be deleted: ${messageOf(error)}`, { cause: error });
    }
  }

  async #setFinalizer(cache: KVCache, isWanted: boolean): Promise<void> {
    const { finalizers = [], resourceVersion } = cache.metadata;
    const others = finalizers.filter((name) => name !== finalizer);
    const next = isWanted ? [...others, finalizer] : others;
    const key = { namespace: namespaceOf(cache), name: nameOf(cache) };
    await this.#parts.client.patch(kvcaches, key, { metadata: { resourceVersion, finalizers: next } });
  }
}

function promiseOf({ spec }: KVCache): DeletionPromise {
  return {
    isProtected: spec.deletionProtection,
    deletesBlobs: spec.deletionPolicy === 'Delete' && spec.blob !== undefined,
  };
}
