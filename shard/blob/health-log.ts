/** What the log says when Blob comes, goes, or refuses. */
import type { BlobStore } from './blob-store.ts';
import type { BlobLog } from './shard-blobs.ts';

/**
 * Logs every change of the store's health; the returned function ends it. A missing container is no news before the
 * takeover (`isTakenOver`): at a first start it is made then, and if it could not be, the takeover says so.
 */
export function logHealthChanges(store: BlobStore, log: BlobLog, isTakenOver: () => boolean): () => void {
  const blob = store.description;
  return store.onHealthChange((health, problem) => {
    switch (health) {
      case 'unknown':
        return;
      case 'available':
        log.info({ blob }, 'Blob answers');
        return;
      case 'unavailable':
        log.warn({ blob, problem }, 'Blob does not answer; bytes wait on disk');
        return;
      case 'forbidden':
        log.error({ blob, problem }, 'Blob refuses this identity; it is tried again slowly');
        return;
      case 'containerMissing':
        if (isTakenOver()) log.error({ blob, problem }, 'the Blob container is missing; it is made again if permitted');
    }
  });
}
