/**
 * Options of a shard's parts as views over its live settings: a change is in force at the next look.
 */
import type { LiveSettings } from '../settings/live.ts';
import type { KeyspaceOptions, ServedSlots } from './keyspace/keyspace.ts';
import type { CompactorOptions } from './storage/compactor.ts';
import type { EvictorOptions } from './storage/evictor.ts';

export function keyspaceOptions(live: LiveSettings, serving?: ServedSlots): KeyspaceOptions {
  return {
    nodeName: live.current['shard.name'],
    serving,
    memoryLimitBytes: live.current['memory.limit'],
    minimumAcknowledgement: live.current['log.fsync'] === 'always' ? 'disk' : 'memory',
    get acknowledgement() {
      return live.current.acknowledgement;
    },
    get diskThresholdBytes() {
      return live.current['value.disk_threshold'];
    },
  };
}

export function evictorOptions(live: LiveSettings): EvictorOptions {
  return {
    diskBytes: live.current['disk.size'],
    unflushedBytesMax: live.current['blob.max_unflushed'],
    get enabled() {
      return live.current['eviction.enabled'];
    },
    get diskUsageThreshold() {
      return live.current['eviction.disk_usage_threshold'];
    },
    get batchSize() {
      return live.current['eviction.batch_size'];
    },
    get retentionAgeMs() {
      return live.current['blob.retention_age'];
    },
    get retentionBytes() {
      return live.current['blob.retention_size'];
    },
    get onBlobFull() {
      return live.current['blob.on_full'];
    },
  };
}

export function compactorOptions(live: LiveSettings): CompactorOptions {
  return {
    segmentBytes: live.current['log.segment_size'],
    get liveRatio() {
      return live.current['log.compaction_ratio'];
    },
    get bytesPerSecond() {
      return live.current['log.compaction_bandwidth'];
    },
  };
}
