/**
 * Options of a shard's parts as views over its live settings: a change is in force at the next look.
 *
 * They are classes because V8 keeps an object literal with a getter as a dictionary, where each look takes 10 ns
 * more, and a command has several.
 */
import type { LiveSettings } from '../settings/live.ts';
import { indexBytesMaxOf } from './hot/memory-budget.ts';
import type { KeyspaceOptions, ServedSlots } from './keyspace/keyspace-options.ts';
import type { CompactorOptions } from './storage/compactor.ts';
import type { EvictorOptions } from './storage/evictor.ts';

export class LiveKeyspaceOptions implements KeyspaceOptions {
  readonly nodeName: string;
  readonly serving: ServedSlots | undefined;
  readonly indexBytesMax: number;
  readonly minimumAcknowledgement: KeyspaceOptions['minimumAcknowledgement'];
  readonly #live: LiveSettings;

  constructor(live: LiveSettings, serving?: ServedSlots) {
    this.nodeName = live.current['shard.name'];
    this.serving = serving;
    this.indexBytesMax = indexBytesMaxOf(live.current['memory.limit']);
    this.minimumAcknowledgement = live.current['log.fsync'] === 'always' ? 'disk' : 'memory';
    this.#live = live;
  }

  get acknowledgement(): KeyspaceOptions['acknowledgement'] {
    return this.#live.current.acknowledgement;
  }

  get diskThresholdBytes(): number {
    return this.#live.current['value.disk_threshold'];
  }
}

export class LiveEvictorOptions implements EvictorOptions {
  readonly diskBytes: number;
  readonly unflushedBytesMax: number;
  readonly #live: LiveSettings;

  constructor(live: LiveSettings) {
    this.diskBytes = live.current['disk.size'];
    this.unflushedBytesMax = live.current['blob.max_unflushed'];
    this.#live = live;
  }

  get enabled(): boolean {
    return this.#live.current['eviction.enabled'];
  }

  get diskUsageThreshold(): number {
    return this.#live.current['eviction.disk_usage_threshold'];
  }

  get batchSize(): number {
    return this.#live.current['eviction.batch_size'];
  }

  get retentionAgeMs(): number {
    return this.#live.current['blob.retention_age'];
  }

  get retentionBytes(): number {
    return this.#live.current['blob.retention_size'];
  }

  get onBlobFull(): EvictorOptions['onBlobFull'] {
    return this.#live.current['blob.on_full'];
  }
}

export class LiveCompactorOptions implements CompactorOptions {
  readonly segmentBytes: number;
  readonly #live: LiveSettings;

  constructor(live: LiveSettings) {
    this.segmentBytes = live.current['log.segment_size'];
    this.#live = live;
  }

  get liveRatio(): number {
    return this.#live.current['log.compaction_ratio'];
  }

  get bytesPerSecond(): number {
    return this.#live.current['log.compaction_bandwidth'];
  }
}
