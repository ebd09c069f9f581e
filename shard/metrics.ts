/**
 * The metrics of a shard, in the order in which a value travels: commands, RAM, log, disk, Blob, and back. What its
 * doors measure, under the names of the Go KVCache, is doors/measured-executor.ts.
 */
import type { Registry } from 'prom-client';
import type { GrpcServerStatistics } from '../grpc/server.ts';
import {
  counter,
  gauge,
  grpcMetrics,
  type ObservedMetric,
  observe,
  type Sample,
  samplesOf,
} from '../process/metrics.ts';
import type { MemoryBudget } from './hot/memory-budget.ts';
import { blobLagMs, ownedSlots, type ShardParts } from './info.ts';
import type { LinkServer } from '../link/server.ts';

export interface ShardMetricsParts extends ShardParts {
  readonly link: LinkServer;
  readonly budget: MemoryBudget;
  /** Of the public gRPC door. */
  readonly grpc: () => GrpcServerStatistics;
}

export function addShardMetrics(registry: Registry, parts: ShardMetricsParts): void {
  observe(registry, [
    ...keyspaceMetrics(parts),
    ...handoverMetrics(parts),
    ...memoryMetrics(parts),
    ...logMetrics(parts),
    ...maintenanceMetrics(parts),
    ...blobMetrics(parts),
    ...connectionMetrics(parts),
  ]);
}

function keyspaceMetrics({ engine, topology, name }: ShardMetricsParts): ObservedMetric[] {
  const stats = (): ReturnType<typeof engine.stats> => engine.stats();
  return [
    gauge('kvcache_topology_epoch', 'The topology epoch that the shard runs by.', () => topology.slots.epoch),
    gauge('kvcache_slots', 'Slots that the shard owns.', () => ownedSlots(topology, name)),
    gauge('kvcache_keys', 'Plain keys.', () => stats().keys),
    gauge('kvcache_blocks', 'Versions of prompt blocks.', () => stats().blocks),
    counter('kvcache_commands_total', 'Commands done.', () => samplesOf(stats().commands), ['command']),
    counter('kvcache_reads_total', 'Reads by where the value was found.', () => samplesOf(stats().reads), ['found']),
    counter('kvcache_expired_total', 'Keys expired, by what noticed.', () => samplesOf({ ...stats().expired }), ['by']),
    gauge('kvcache_index_bytes', 'Memory of the index.', () => stats().bytes.index),
    gauge('kvcache_hot_bytes', 'Memory of values in RAM.', () => stats().bytes.hot),
    gauge('kvcache_hot_limit_bytes', 'The most that values in RAM may take now.', () => stats().bytes.hotLimit),
    gauge('kvcache_hot_copies', 'Values in RAM.', () => stats().hotCopies),
    counter('kvcache_hot_evictions_total', 'Copies dropped from RAM for others.', () => stats().evictions.copies),
    gauge('kvcache_waiting_writes', 'Writes that wait for room in the log.', () => stats().waitingWrites.commands),
    gauge('kvcache_waiting_write_bytes', 'Bytes of those.', () => stats().waitingWrites.bytes),
  ];
}

function handoverMetrics({ handover }: ShardMetricsParts): ObservedMetric[] {
  const report = (): ReturnType<typeof handover.report> => handover.report();
  return [
    gauge('kvcache_slots_arriving', 'Slots on their way to this shard.', () => report().slotsArriving),
    gauge('kvcache_slots_departing', 'Slots on their way to other shards.', () => report().slotsDeparting),
    gauge('kvcache_handover_keys_left', 'Keys of open slots whose values have not come.', () => report().keysLeft),
    gauge('kvcache_handover_bytes_left', 'Bytes of those values.', () => report().bytesLeft),
    counter('kvcache_handover_keys_total', 'Values that came from other shards.', () => report().keysMoved),
    counter('kvcache_handover_bytes_total', 'Bytes of those values.', () => report().bytesMoved),
    counter(
      'kvcache_slots_dropped_total',
      'Slots with keys dropped after others had them.',
      () => handover.slotsDropped,
    ),
  ];
}

function memoryMetrics({ budget }: ShardMetricsParts): ObservedMetric[] {
  return [
    gauge('kvcache_memory_limit_bytes', 'memory.limit.', () => budget.limitBytes),
    gauge(
      'kvcache_memory_resident_bytes',
      'What the process holds, as the budget last read it.',
      () => budget.residentBytes,
    ),
    gauge('kvcache_memory_unaccounted_bytes', 'Of that what no part accounts for.', () => budget.unaccountedBytes),
  ];
}

function logMetrics({ storage, diskBytesMax }: ShardMetricsParts): ObservedMetric[] {
  const { log, reader } = storage;
  const sum = (of: (segment: { bytes: number; liveBytes: number }) => number): number =>
    [...log.segments.values()].reduce((total, segment) => total + of(segment), 0);
  return [
    gauge('kvcache_log_segments', 'Segments on disk or in Blob.', () => log.segments.size),
    gauge('kvcache_log_bytes', 'Bytes of all segments.', () => sum(({ bytes }) => bytes)),
    gauge('kvcache_log_live_bytes', 'Bytes of live records in them.', () => sum(({ liveBytes }) => liveBytes)),
    gauge('kvcache_log_sequence', 'The newest record’s sequence number.', () => log.sequence),
    gauge('kvcache_disk_bytes', 'Bytes of segments on this disk.', () => log.localBytes()),
    gauge('kvcache_disk_limit_bytes', 'disk.size.', () => diskBytesMax),
    counter('kvcache_disk_reads_total', 'Values read from disk.', () => reader.statistics.diskReads),
    counter('kvcache_blob_reads_total', 'Values read from Blob.', () => reader.statistics.blobReads),
    counter(
      'kvcache_corrupt_records_total',
      'Records that failed their checksum.',
      () => reader.statistics.corruptRecords,
    ),
    gauge('kvcache_writable', '1 while the shard takes writes.', () => (storage.fault === undefined ? 1 : 0)),
  ];
}

function maintenanceMetrics({ storage: { compactor, evictor } }: ShardMetricsParts): ObservedMetric[] {
  return [
    counter('kvcache_evicted_keys_total', 'Keys deleted to make room.', () => samplesOf(evictor.statistics.keys), [
      'reason',
    ]),
    counter(
      'kvcache_evicted_files_total',
      'Segment files dropped that Blob has.',
      () => evictor.statistics.filesDropped,
    ),
    counter('kvcache_evicted_file_bytes_total', 'Bytes of those.', () => evictor.statistics.bytesDropped),
    counter('kvcache_compaction_runs_total', 'Compactions.', () => compactor.statistics.runs),
    counter('kvcache_compaction_copied_bytes_total', 'Live bytes copied.', () => compactor.statistics.bytesCopied),
    counter('kvcache_compaction_freed_bytes_total', 'Bytes won back.', () => compactor.statistics.bytesWonBack),
    counter('kvcache_compaction_segments_total', 'Segments removed.', () => compactor.statistics.segmentsRemoved),
  ];
}

function blobMetrics({ writeBehind }: ShardMetricsParts): ObservedMetric[] {
  if (writeBehind === undefined) return [];
  const stats = (): ReturnType<typeof writeBehind.stats> => writeBehind.stats();
  const operations = (of: 'calls' | 'attempts' | 'failures' | 'bytes') => (): Sample[] =>
    Object.entries(stats().operations).map(([operation, counts]) => [counts[of], operation]);
  return [
    gauge('kvcache_blob_available', '1 while Blob answers.', () => (stats().health === 'available' ? 1 : 0)),
    gauge('kvcache_blob_unflushed_bytes', 'Bytes of the log that are not in Blob yet.', () => stats().unflushedBytes),
    gauge('kvcache_blob_lag_seconds', 'The age of what is not in Blob yet.', () => blobLagMs(writeBehind) / 1_000),
    gauge('kvcache_blob_segments', 'Segments in Blob.', () => stats().segments),
    counter('kvcache_blob_commits_total', 'Commits of new bytes.', () => stats().commits),
    counter('kvcache_blob_lost_segments_total', 'Segments that Blob had lost.', () => stats().lostSegments),
    counter(
      'kvcache_blob_verifications_total',
      'Comparisons of everything in Blob with what should be there.',
      () => stats().verifications,
    ),
    counter('kvcache_blob_calls_total', 'Operations asked for.', operations('calls'), ['operation']),
    counter('kvcache_blob_attempts_total', 'Requests sent, repetitions included.', operations('attempts'), [
      'operation',
    ]),
    counter('kvcache_blob_failures_total', 'Operations that failed in the end.', operations('failures'), ['operation']),
    counter('kvcache_blob_bytes_total', 'Bytes sent or received.', operations('bytes'), ['operation']),
  ];
}

function connectionMetrics({ link, grpc }: ShardMetricsParts): ObservedMetric[] {
  return [
    gauge('kvcache_link_sessions', 'Routers that are linked.', () => link.stats().sessions),
    gauge('kvcache_link_in_flight', 'Commands of links without a reply yet.', () => link.stats().inFlight),
    gauge(
      'kvcache_link_in_flight_bytes',
      'Bytes of those and of replies not yet sent.',
      () => link.stats().inFlightBytes,
    ),
    counter('kvcache_link_commands_total', 'Commands that came over links.', () => link.stats().commands),
    ...grpcMetrics(grpc),
  ];
}
