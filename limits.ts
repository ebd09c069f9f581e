/**
 * Every bound of the program by name. Settings may lower some of them; none may be exceeded.
 *
 * Bytes are plain numbers, durations are in milliseconds and say so in the name.
 */

const KiB = 1024;
const MiB = 1024 * KiB;

// ── Keys and values ─────────────────────────────────────────────────────────────────────────────────────────────
export const keyBytesMax = 64 * KiB;
export const valueBytesMax = 512 * MiB;
/** Values above this are stored as chunk records and a commit record. */
export const wholeRecordBytesMax = 8 * MiB;
export const chunkBytes = 4 * MiB;
/** A command has at most this many arguments (MSET of half a million pairs). */
export const commandArgumentsMax = 1 << 20;
export const scanCountMax = 10_000;
export const scanExaminedPerCallMax = 100_000;

// ── Prompt blocks ───────────────────────────────────────────────────────────────────────────────────────────────
export const blockTokens = 128;
export const blockVersionsMax = 60;
/** 16 Mi tokens a lookup: 131,072 blocks. */
export const lookupTokensMax = 16 * 1024 * 1024;
export const partitionKeyBytesMax = 4 * KiB;
export const locationCharsMax = 8 * KiB;

// ── gRPC ────────────────────────────────────────────────────────────────────────────────────────────────────────
export const grpcMessageBytesMax = 100 * 1000 * 1000;
export const grpcStreamsPerConnectionMax = 1_000;
export const grpcConnectionsMax = 10_000;
export const grpcInFlightBytesMax = 1024 * MiB;
/** Flow-control windows: what a peer may send on one call, and on one connection, before we have read it. */
export const grpcStreamWindowBytes = 8 * MiB;
export const grpcConnectionWindowBytes = 32 * MiB;
/** Memory that a message's claimed length alone gets; more only after that much has really arrived. */
export const grpcReceiveStepBytes = 4 * MiB;
export const grpcHeaderBytesMax = 64 * KiB;
/** No stream of gzip inflates by more than this. */
export const grpcInflateRatioMax = 1_032;
/** A connection with open calls is asked for a sign of life this often. */
export const grpcKeepaliveMs = 30_000;
/** A call that is in the middle of a message, in or out, and has not moved for this long is cancelled. */
export const grpcStallMaxMs = 60_000;
/** Streams that a client may reset: at once, and every second after that. */
export const grpcResetsBurstMax = 10_000;
export const grpcResetsPerSecondMax = 1_000;
export const grpcConnectTimeoutMs = 5_000;
export const grpcReconnectDelayMinMs = 20;
export const grpcReconnectDelayMaxMs = 2_000;
/** Calls of one channel that have begun and not ended. */
export const grpcClientCallsMax = 65_536;
/** Messages of a stream that wait for an iterator before the sender is held back. */
export const grpcUnreadMessagesMax = 16;
/** Characters of an error text that travels in a header. */
export const grpcErrorTextMax = 2_048;

// ── Link between router and shard ───────────────────────────────────────────────────────────────────────────────
/** Arguments above this travel on the connections for large values. */
export const linkLargeValueBytes = 64 * KiB;
export const linkBatchBytesMax = 1 * MiB;
export const linkBatchCommandsMax = 1_024;
export const linkQueueCommandsMax = 65_536;
export const linkQueueBytesMax = 256 * MiB;
export const linkLargeConnections = 2;
export const linkFrameBytesMax = valueBytesMax + 1 * MiB;
export const linkReconnectDelayMinMs = 20;
export const linkReconnectDelayMaxMs = 2_000;
export const commandDeadlineDefaultMs = 30_000;
export const commandDeadlineMaxMs = 600_000;

// ── Log ─────────────────────────────────────────────────────────────────────────────────────────────────────────
export const segmentBytesMax = 256 * MiB;
export const segmentBytesMin = 1 * MiB;
export const segmentAgeMaxMs = 3_600_000;
/** Bytes handed to the log and not yet written to the file; beyond it, writers wait. */
export const logPendingBytesMax = 64 * MiB;
export const recordTagsBytesMax = 1 * MiB;
/** A segment is sealed at so many records, which bounds the memory of its hint while it is written. */
export const segmentRecordsMax = 1 << 19;
/** Small records are collected in buffers of this size before they are written. */
export const stagingBytes = 256 * KiB;
/** Pause before a failed write or fsync is tried again. */
export const logRetryDelayMs = 250;
/** Entries of a hint handled in one step of the event loop. */
export const hintEntriesPerStep = 4_096;
/** Hints read at the same time during a restore from Blob. */
export const hintReadsInFlightMax = 16;
/** Segments that one compaction merges. */
export const compactionSegmentsMax = 8;
export const compactionChunkBytes = 4 * MiB;

// ── Blob ────────────────────────────────────────────────────────────────────────────────────────────────────────
export const blobBlockBytes = 8 * MiB;
export const blobBlocksPerSegmentMax = 1_000;
export const blobBlocksInFlightMax = 2;
export const blobReadsInFlightMax = 64;
export const blobAttemptsMax = 5;
export const blobAttemptTimeoutMs = 30_000;
export const blobRetryDelayMinMs = 100;
export const blobRetryDelayMaxMs = 10_000;
/** Reads that a client waits for are given up sooner. */
export const blobReadAttemptsMax = 3;
export const blobReadAttemptTimeoutMs = 10_000;
/** Reads that wait for one of the places in flight. */
export const blobReadsQueuedMax = 16_384;
/** After so many failures in a row nothing is sent for a while, which doubles up to the second bound. */
export const blobBreakerFailuresMax = 8;
export const blobBreakerOpenMinMs = 500;
export const blobBreakerOpenMaxMs = 10_000;
/** How often something is tried that a person must mend: no permission, or no container. */
export const blobSlowRetryDelayMs = 10_000;
/** Flushes that somebody waits for keep this distance. */
export const blobHastenedFlushGapMs = 20;
/** An upload that finds its blob changed looks again so often before it leaves the rest to the next flush. */
export const blobUploadRoundsMax = 4;
/** What was committed is looked at once after this time: above the five seconds that Azurite may forget. */
export const blobVerifyDelayMs = 8_000;
export const blobVerifyIntervalMs = 600_000;
export const manifestBytesMax = 32 * MiB;
export const azuriteStartTimeoutMs = 60_000;

// ── Topology ────────────────────────────────────────────────────────────────────────────────────────────────────
export const slotCount = 16_384;
export const shardsMax = 1_024;
export const topologyBytesMax = 4 * MiB;
/** Points of a shard on the ring: few, so that the document stays short; the bound on load evens them out. */
export const virtualNodesPerShard = 16;
/** Epochs travel as unsigned 32-bit numbers; the highest of those means none. */
export const topologyEpochMax = 2 ** 32 - 2;
export const shardNameCharsMax = 253;
export const shardAddressCharsMax = 512;
/** How often a topology file is looked at where no file system event tells of a change. */
export const topologyPollIntervalMs = 1_000;

// ── Client ──────────────────────────────────────────────────────────────────────────────────────────────────────
export const clientAttemptsMax = 6;
export const clientRetryDelayMinMs = 20;
export const clientRetryDelayMaxMs = 2_000;
/** Arguments of one Execute call; a larger command travels alone. */
export const clientBatchBytesMax = 1 * MiB;
export const clientBatchCommandsMax = 1_024;
/** Bytes and calls that a client has handed over and not seen answered; beyond it, callers wait. */
export const clientInFlightBytesMax = 256 * MiB;
export const clientInFlightCallsMax = 65_536;
/** Blocks asked for and not yet taken by the reader of a stream. */
export const clientStreamWindowBlocks = 16;

// ── Playground ──────────────────────────────────────────────────────────────────────────────────────────────────
export const playgroundConcurrencyMax = 200;
/** A string of the runtime ends at 512 Mi characters; the parsed tokens lie beside it. */
export const playgroundFileBytesMax = 256 * MiB;
export const playgroundIterationsMax = 1_000_000;
export const playgroundBufferBytesDefault = 1_200_000;
export const playgroundBufferBytesMax = 64 * MiB;
/** Bytes of all blocks being written or read at one time. */
export const playgroundInFlightBytesMax = 256 * MiB;
/** Blocks of one prompt being written or read at one time. */
export const playgroundWindowBlocks = 8;
/** How often a block that a read did not find is written again before it counts as an error. */
export const playgroundRewritesMax = 5;
/** Faults told one by one; the rest are counted. */
export const playgroundFaultsShownMax = 20;
