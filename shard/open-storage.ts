/** From settings to a shard's storage: Blob account, write-behind, and the log over both. */
import type { Logger } from 'pino';
import { segmentAgeMaxMs } from '../limits.ts';
import { hasBlob } from '../settings/blob-conflicts.ts';
import type { LiveSettings } from '../settings/live.ts';
import type { Settings } from '../settings/schema.ts';
import type { TopologyView } from '../topology/holder.ts';
import { openBlobAccount } from './blob/blob-account.ts';
import { blobSecrets } from './blob/blob-secrets.ts';
import { BlobStore } from './blob/blob-store.ts';
import { WriteBehind } from './blob/write-behind.ts';
import { systemClock } from './clock.ts';
import type { RecordIndex } from './journal.ts';
import { compactorOptions, evictorOptions } from './live-options.ts';
import { openStorage, type Storage } from './storage/storage.ts';

function openWriteBehind(
  settings: Settings,
  logger: Logger,
  onFenced: (reason: string) => void,
): WriteBehind | undefined {
  if (!hasBlob(settings)) return undefined;
  const account = openBlobAccount({
    ...blobSecrets(settings),
    accountUrl: settings['blob.account_url'],
    identityClientId: settings['blob.identity_client_id'],
    container: settings['blob.container'],
    prefix: settings['blob.prefix'],
  });
  const store = new BlobStore(account);
  logger.info({ blob: account.description }, 'Blob tier');
  return new WriteBehind(store, {
    shard: settings['shard.name'],
    flushIntervalMs: settings['blob.flush_interval'],
    onFenced,
    log: logger,
    clock: systemClock,
  });
}

export interface OpenedStorage {
  readonly storage: Storage;
  readonly writeBehind: WriteBehind | undefined;
}

/**
 * Locks the data directory, takes the shard over in Blob, and recovers into `index`. `onFenced` is called when another
 * process takes the shard over later; storage refuses writes by then.
 */
export async function openShardStorage(
  live: LiveSettings,
  index: RecordIndex,
  topology: TopologyView,
  logger: Logger,
  onFenced: (reason: string) => void,
): Promise<OpenedStorage> {
  const settings = live.current;
  let storage: Storage | undefined;
  const writeBehind = openWriteBehind(settings, logger, (reason) => {
    storage?.fence(reason);
    onFenced(reason);
  });
  storage = await openStorage({
    folder: settings['data.path'],
    fsync: settings['log.fsync'],
    segmentBytes: settings['log.segment_size'],
    segmentAgeMs: segmentAgeMaxMs,
    eviction: evictorOptions(live),
    compaction: compactorOptions(live),
    get evictionIntervalMs() {
      return live.current['eviction.check_interval'];
    },
    get fullWaitMs() {
      return live.current['blob.full_wait'];
    },
    clock: systemClock,
    logger,
    index,
    below: writeBehind,
    epoch: () => topology.slots.epoch,
    // Nothing counts any more of a slot that this shard neither owns nor hands over.
    sinceOf: (slot) => topology.slots.heldSince(slot, settings['shard.name']) ?? Infinity,
  });
  return { storage, writeBehind };
}
