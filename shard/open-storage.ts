/** From settings to a shard's storage: Blob account, write-behind, and the log over both. */
import type { Logger } from 'pino';
import { segmentAgeMaxMs } from '../limits.ts';
import { hasBlob } from '../settings/blob-conflicts.ts';
import type { LiveSettings } from '../settings/live.ts';
import type { TopologySource } from '../topology/source.ts';
import type { TopologyBlob } from './blob/topology-blob.ts';
import type { WriteBehind } from './blob/write-behind.ts';
import { systemClock } from './clock.ts';
import type { RecordIndex } from './journal.ts';
import { LiveCompactorOptions, LiveEvictorOptions } from './live-options.ts';
import { openStorage, type Storage } from './storage/storage.ts';

export interface OpenedStorage {
  readonly storage: Storage;
  readonly writeBehind: WriteBehind | undefined;
  readonly topologyBlob: TopologyBlob | undefined;
}

/**
 * Finds the newest topology there is, locks the data directory, takes the shard over in Blob, and recovers into `index`. `onFenced` is called when another
 * process takes the shard over later; storage refuses writes by then.
 */
export async function openShardStorage(
  live: LiveSettings,
  index: RecordIndex,
  topology: TopologySource,
  logger: Logger,
  onFenced: (reason: string) => void,
): Promise<OpenedStorage> {
  const settings = live.current;
  const shard = settings['shard.name'];
  // A shard without Blob does without Azure's libraries, whose code is a third of all that it would load.
  const blob = hasBlob(settings) ? await import('./blob/open-blob.ts') : undefined;
  const store = blob?.openBlobStore(settings, logger);
  const topologyBlob = store && (await blob?.openTopologyBlob(store, topology, logger));
  // Recovery goes by one topology from its first record to its last, whatever comes meanwhile.
  const { slots } = topology;
  let storage: Storage | undefined;
  const writeBehind =
    store &&
    blob?.openWriteBehind(store, {
      shard,
      flushIntervalMs: settings['blob.flush_interval'],
      onFenced: (reason) => {
        storage?.fence(reason);
        onFenced(reason);
      },
      log: logger,
      clock: systemClock,
    });
  storage = await openStorage({
    folder: settings['data.path'],
    fsync: settings['log.fsync'],
    segmentBytes: settings['log.segment_size'],
    segmentAgeMs: segmentAgeMaxMs,
    eviction: new LiveEvictorOptions(live),
    compaction: new LiveCompactorOptions(live),
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
    recoveryEpoch: slots.epoch,
    sinceOf: (slot) => slots.heldSince(slot, shard) ?? Infinity,
  });
  topologyBlob?.follow(topology);
  return { storage, writeBehind, topologyBlob };
}
