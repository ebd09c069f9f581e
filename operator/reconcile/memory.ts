/**
 * What the operator remembers of a cache from one pass to the next. None of it is needed to go on right: it saves
 * requests, and says for how long something has been so. A restarted operator begins with nothing.
 */
import type { BlobAccountOptions } from '../../shard/blob/blob-account.ts';
import type { KVCacheStatus } from '../api/schema.ts';
import type { Applied } from './applier.ts';
import type { Obstacle } from './assessment.ts';

export class CacheMemory {
  /** Of the object: another one of the same name begins anew. */
  readonly uid: string;
  readonly applied = new Map<string, Applied>();
  /** The run of the process and the settings that it has taken, by pod. */
  readonly settings = new Map<string, string>();
  /** The document that a process was seen to run by, at the epoch in force. */
  verifiedTopology: string | undefined;
  lastStatus: KVCacheStatus | undefined;
  /** What was in the way in the pass before. */
  obstacles: readonly Obstacle[] = [];
  statusWrittenAtMs = -Infinity;
  /** Where the blobs are that are to be deleted with the cache. */
  blobAccount: BlobAccountOptions | undefined;
  areBlobsGone = false;
  /** The API server has refused to make something for this reason; a namespace that goes never stays. */
  isNamespaceTerminating = false;
  readonly #since = new Map<string, number>();
  readonly #silentSince = new Map<string, number>();

  constructor(uid: string) {
    this.uid = uid;
  }

  /**
   * Whether a controller has yet to see what was applied last. Informers may be behind our own writes, and what they show
   * of an object would then pass for the state of the new spec.
   */
  isUnseen({ kind }: { readonly kind: string }, name: string, observedGeneration: number | undefined): boolean {
    return (this.applied.get(`${kind} ${name}`)?.generation ?? 0) > (observedGeneration ?? 0);
  }

  /** How long `what` has had this value, seen at every pass. */
  lasting(what: string, value: string, nowMs: number): number {
    const key = `${what} ${value}`;
    if (!this.#since.has(key)) {
      for (const other of this.#since.keys()) if (other.startsWith(`${what} `)) this.#since.delete(other);
      this.#since.set(key, nowMs);
    }
    return nowMs - this.#since.get(key)!;
  }

  /** Notes who answered, of those who might have. */
  heard(names: Iterable<string>, answered: ReadonlySet<string>, nowMs: number): void {
    const asked = new Set(names);
    for (const name of this.#silentSince.keys()) if (!asked.has(name)) this.#silentSince.delete(name);
    for (const name of asked) {
      if (answered.has(name)) this.#silentSince.delete(name);
      else if (!this.#silentSince.has(name)) this.#silentSince.set(name, nowMs);
    }
  }

  /** How long it has not answered; 0 if it does, or was never waited for. */
  silentMs(name: string, nowMs: number): number {
    return nowMs - (this.#silentSince.get(name) ?? nowMs);
  }
}
