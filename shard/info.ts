/**
 * What a shard tells of itself: the reply to SHARDINFO, which `kvcache status` shows. Bytes, milliseconds, counts.
 *
 * Metrics (shard/metrics.ts) say more and in Prometheus' names; this is what a person looks at first.
 */
import { slotCount } from '../limits.ts';
import type { TopologyView } from '../topology/holder.ts';
import type { WriteBehind } from './blob/write-behind.ts';
import type { Handover, HandoverReport } from './handover/handover.ts';
import type { Engine } from './keyspace/engine.ts';
import type { Storage } from './storage/storage.ts';

export interface ShardInfo {
  readonly name: string;
  readonly pid: number;
  readonly uptimeMs: number;
  /** The topology epoch that it runs by, and the slots that are its own by it. */
  readonly epoch: number;
  readonly slots: number;
  readonly handover: HandoverReport;
  readonly keys: number;
  /** Versions of prompt blocks. */
  readonly blocks: number;
  readonly hot: { readonly bytes: number; readonly bytesMax: number; readonly copies: number };
  readonly index: { readonly bytes: number };
  readonly reads: { readonly hot: number; readonly cold: number; readonly miss: number };
  /** Copies dropped from RAM, keys deleted to make room, segment files dropped that Blob has; since the start. */
  readonly evictions: { readonly copies: number; readonly keys: number; readonly files: number };
  /** Keys with an expiry. */
  readonly expiring: number;
  readonly expired: number;
  /** Since the start. */
  readonly commands: number;
  readonly memory: { readonly residentBytes: number };
  /** Links to this shard: of routers, and of shards that take slots over. */
  readonly links: number;
  readonly disk: { readonly bytes: number; readonly bytesMax: number; readonly segments: number };
  /** Absent without a Blob account. */
  readonly blob?: {
    readonly state: string;
    readonly bytes: number;
    readonly segments: number;
    readonly unflushedBytes: number;
    /** How long ago everything then written was in Blob; 0 while everything is. */
    readonly lagMs: number;
    readonly commits: number;
  };
  readonly dataDirectory: string;
  /** Why it takes no writes, if so. */
  readonly fault?: string;
}

export interface ShardParts {
  readonly name: string;
  readonly dataDirectory: string;
  readonly diskBytesMax: number;
  readonly topology: TopologyView;
  readonly engine: Engine;
  readonly storage: Storage;
  readonly writeBehind: WriteBehind | undefined;
  readonly handover: Handover;
}

export function ownedSlots(topology: TopologyView, shard: string): number {
  const { slots } = topology;
  let owned = 0;
  for (let slot = 0; slot < slotCount; slot++) if (slots.ownerOf(slot) === shard) owned++;
  return owned;
}

export function shardInfo(parts: ShardParts, links: number): ShardInfo {
  const { name, topology, storage, writeBehind } = parts;
  const engine = parts.engine.stats();
  const { fault } = storage;
  return {
    name,
    pid: process.pid,
    uptimeMs: Math.round(process.uptime() * 1_000),
    epoch: topology.slots.epoch,
    slots: ownedSlots(topology, name),
    handover: parts.handover.report(),
    keys: engine.keys,
    blocks: engine.blocks,
    hot: { bytes: engine.bytes.hot, bytesMax: engine.bytes.hotLimit, copies: engine.hotCopies },
    index: { bytes: engine.bytes.index },
    reads: engine.reads,
    evictions: {
      copies: engine.evictions.copies,
      keys: engine.evictions.ram + engine.evictions.disk + engine.evictions.blob,
      files: storage.evictor.statistics.filesDropped,
    },
    expiring: parts.engine.keyspace.index.wheel.size,
    expired: engine.expired.onAccess + engine.expired.byWheel,
    commands: Object.values(engine.commands).reduce((sum, calls) => sum + calls, 0),
    memory: { residentBytes: process.memoryUsage.rss() },
    links,
    disk: { bytes: storage.log.localBytes(), bytesMax: parts.diskBytesMax, segments: storage.log.segments.size },
    ...(writeBehind && { blob: blobInfo(writeBehind) }),
    dataDirectory: parts.dataDirectory,
    ...(fault && { fault: fault.message }),
  };
}

function blobInfo(writeBehind: WriteBehind): NonNullable<ShardInfo['blob']> {
  const { health, segments, unflushedBytes, commits } = writeBehind.stats();
  return {
    state: health,
    bytes: writeBehind.summaries().reduce((sum, summary) => sum + summary.bytes + summary.hintBytes, 0),
    segments,
    unflushedBytes,
    lagMs: blobLagMs(writeBehind),
    commits,
  };
}

/** The age of the oldest bytes that are not in Blob, as far as commits tell. */
export function blobLagMs(writeBehind: WriteBehind): number {
  const { unflushedBytes, lastCommitAtMs } = writeBehind.stats();
  if (unflushedBytes === 0) return 0;
  return lastCommitAtMs === 0 ? Math.round(process.uptime() * 1_000) : Math.max(0, Date.now() - lastCommitAtMs);
}
