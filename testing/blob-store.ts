/** A TestStore whose segments also go to a real Azurite, each under a prefix of its own. */
import { openBlobAccount } from '../shard/blob/blob-account.ts';
import { BlobStore } from '../shard/blob/blob-store.ts';
import { impatient } from '../shard/blob/fixtures.ts';
import { WriteBehind } from '../shard/blob/write-behind.ts';
import { systemClock } from '../shard/clock.ts';
import type { StorageOptions } from '../shard/storage/storage-options.ts';
import { TestStore } from './store.ts';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

export interface BlobTestStore {
  readonly store: TestStore;
  readonly below: WriteBehind;
  readonly blobs: BlobStore;
  /** Reasons for which the store was fenced. */
  readonly fenced: string[];
}

export async function openBlobTestStore(
  folder: string,
  connectionString: string,
  prefix: string,
  options: Partial<StorageOptions> = {},
): Promise<BlobTestStore> {
  const blobs = new BlobStore(openBlobAccount({ connectionString, container: 'tests', prefix }), impatient);
  const fenced: string[] = [];
  let store: TestStore | undefined;
  const below = new WriteBehind(blobs, {
    shard: prefix,
    flushIntervalMs: 50,
    slowRetryDelayMs: 100,
    onFenced: (reason) => {
      fenced.push(reason);
      store?.storage.fence(reason);
    },
    log: quiet,
    clock: systemClock,
  });
  store = await TestStore.open(folder, { below, ...options });
  return { store, below, blobs, fenced };
}
