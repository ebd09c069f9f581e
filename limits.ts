/**
 * Every bound of the program by name. Settings may lower some of them; none may be exceeded.
 *
 * Bytes are plain numbers, durations are in milliseconds and say so in the name.
 */

const KiB = 1024;
const MiB = 1024 * KiB;

// ── Keys and values ─────────────────────────────────────────────────────────────────────────────────────────────
export const keyBytesMax = 64 * KiB;
/** A record's key may have a byte before it that tells what it is of the plain key. */
export const recordKeyBytesMax = keyBytesMax + 1;
export const valueBytesMax = 512 * MiB;
/** Values above this are stored as chunk records and a commit record. */
export const wholeRecordBytesMax = 8 * MiB;
export const chunkBytes = 4 * MiB;
/** A command has at most this many arguments (MSET of half a million pairs). */
export const commandArgumentsMax = 1 << 20;
export const scanCountMax = 10_000;
export const scanExaminedPerCallMax = 100_000;

/** Lists and maps in lists and maps of a typed value. */
export const typedDepthMax = 32;
/** Values in one typed value or request, however small: each is looked at. */
export const typedItemsMax = 1 << 20;

/** Nodes of a vector clock, and bytes of a node's name. */
export const clockEntriesMax = 64;
export const clockNodeBytesMax = 256;
/** Versions of one key that nobody has brought together, and their bytes where there is more than one. */
export const siblingsMax = 64;
export const siblingsBytesMax = 32 * MiB;
/** How long the clock of a deleted key is kept, so that a writer who has not seen the deletion is told. */
export const tombstoneLifeMs = 86_400_000;

// ── Collections and changes of large values ─────────────────────────────────────────────────────────────────────
/** What a hash, list, set or sorted set may take: its bytes, and a little for each element. */
export const collectionBytesMax = 16 * MiB;
/** What an element counts beside its bytes: else 16 MiB of empty ones would be gigabytes in RAM. */
export const collectionElementBytes = 16;
/** Deltas behind a base before a new base is written; a large base has more, one for so many of its bytes. */
export const deltasMin = 64;
export const deltasMax = 1_024;
export const baseBytesPerDelta = 16 * KiB;
/** A delta of more bytes than this is no small change: the whole value is written. */
export const deltaBytesMax = 4 * MiB;
/** A base up to this is written anew with every change: a delta would take as much. */
export const wholeBaseBytesMax = 512;
/** A base up to this is made in the tick of its write; a larger one is put together from what is stored, behind it. */
export const baseInTickBytesMax = 128 * KiB;
/** Deltas read with one read: as long as they lie so close together, and up to so many bytes. */
export const deltaGapBytesMax = 64 * KiB;
export const deltaReadBytesMax = 1 * MiB;
export const deltaReadsInFlightMax = 16;
/** Values put together from base and deltas at the same time. */
export const foldsInFlightMax = 2;
/** What a command may take at random with repetitions. */
export const randomMembersMax = 1 << 20;
/** Bytes of a stored collection that are made into its object in one step of the event loop. */
export const collectionStepBytes = 16 * KiB;
/** Elements of a collection that are encoded in one such step. */
export const collectionStepElements = 512;
/** Names of a collection beyond which they are looked up in 2^bits maps: a larger map stalls when it grows. */
export const collectionMapNamesMax = 8_192;
export const collectionMapPartBits = 6;
/** Deltas and their bytes, in multiples of what makes a new base due, at which a write waits for none and makes it itself. */
export const overdueBaseRatio = 4;

// ── Prompt blocks ───────────────────────────────────────────────────────────────────────────────────────────────
export const blockTokens = 128;
export const blockVersionsMax = 60;
/** 16 Mi tokens a lookup: 131,072 blocks. */
export const lookupTokensMax = 16 * 1024 * 1024;
export const partitionKeyBytesMax = 4 * KiB;
export const locationCharsMax = 8 * KiB;

// ── All doors ───────────────────────────────────────────────────────────────────────────────────────────────────
/** Connections that the kernel holds until a door takes them: with Node's 511, clients that all come back wait a second. */
export const listenBacklogMax = 4_096;
/** What a plain socket reads at most at a time, and what of the head between two large messages. */
export const socketReadBytes = 16 * KiB;
export const socketReadShortBytes = 1 * KiB;
/** So many bytes of a message that are to come are read to where they belong. */
export const readInPlaceBytesMin = 8 * KiB;

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
/** No stream of gzip inflates by more than this. */
export const grpcInflateRatioMax = 1_032;
/** A connection with open calls is asked for a sign of life this often. */
export const grpcKeepaliveMs = 30_000;
/** A call that is in the middle of a message, in or out, for this long and has not moved so much of it is cancelled. */
export const grpcStallMaxMs = 60_000;
export const grpcStallBytesMin = 1 * MiB;
/** What a server that ends gives the statuses of its last calls to reach their clients. */
export const grpcLastWordsMs = 250;
export const grpcConnectTimeoutMs = 5_000;
export const grpcReconnectDelayMinMs = 20;
export const grpcReconnectDelayMaxMs = 2_000;
/** Calls of one channel that have begun and not ended. */
export const grpcClientCallsMax = 65_536;
/** Messages of a stream that wait for an iterator before the sender is held back. */
export const grpcUnreadMessagesMax = 16;
/** Reads of one StreamingRead that are under way at once. */
export const grpcStreamingReadsMax = 16;
/** Blocks of a Lookup that are digested in one turn of the event loop: a millisecond or two. */
export const lookupBlocksPerTurnMax = 512;
/** What ScanKeys and ScanKeyValues collect for one reply; larger results are for paging. */
export const grpcScanReplyBytesMax = 64 * MiB;
export const grpcScanPageKeys = 1_000;
/** Groups within groups of a protobuf message, which none of ours has, that are skipped. */
export const protobufGroupDepthMax = 32;
/** Characters of an error text that travels in a header. */
export const grpcErrorTextMax = 2_048;

// ── HTTP/2 ──────────────────────────────────────────────────────────────────────────────────────────────────────
/** Of each direction's table of header fields that were sent before. */
export const http2HeaderTableBytes = 4 * KiB;
/** Fields of one message, as with node:http2: a name that nobody had before costs microseconds. */
export const http2HeaderFieldsMax = 128;
/** Header blocks of a connection and direction that are remembered with what they mean, and their bytes. */
export const http2RememberedBlocks = 16;
export const http2RememberedBlockBytesMax = 512;
/** Header values above this, and further values of a name of which so many are in the table, are sent and not put there. */
export const http2IndexedValueBytesMax = 256;
export const http2IndexedValuesPerName = 8;
/** Header fields of one message, by the count of RFC 9113, 6.5.2; and the block that they come in, and its frames. */
export const http2HeaderListBytesMax = 64 * KiB;
export const http2HeaderBlockBytesMax = 64 * KiB;
export const http2ContinuationsMax = 64;
/** Frames that a peer may send: fewer of them for a block, and yet no call waits long behind one. */
export const http2FrameBytesMax = 256 * KiB;
/** Streams that a peer may reset, or have reset by its faults: at once, and every second after that. */
export const http2ResetsBurstMax = 10_000;
export const http2ResetsPerSecondMax = 1_000;
/**
 * The same of frames that only cost: pings, settings, empty data, unknown ones. There are clients that measure their
 * connection by a ping for every round trip as long as data comes.
 */
export const http2UselessFramesBurstMax = 20_000;
export const http2UselessFramesPerSecondMax = 20_000;
/** Streams that a client begins before it knows how many its server takes. */
export const http2StreamsBeforeSettings = 100;
/** A body up to this is copied next to its frame's head; a larger one is handed to the socket as it stands. */
export const http2JoinedBytesMax = 16 * KiB;
export const http2OutputSlabBytes = 64 * KiB;
/** What is handed to the socket before the system has taken it; and from where on a peer that does not read is not read. */
export const http2UnsentBytesHigh = 2 * MiB;
export const http2UnsentBytesMax = 16 * MiB;
/** What a stream may have waiting before its writer is asked to wait. */
export const http2StreamUnsentBytesHigh = 256 * KiB;
/** Data that comes for a paused stream is joined up to this: bytes alone are the bound then, and not their number. */
export const http2HeldPieceBytes = 1 * KiB;

// ── TLS and credentials ─────────────────────────────────────────────────────────────────────────────────────────
export const tlsHandshakeTimeoutMs = 10_000;
/** A file of certificates, a key or secrets. */
export const securityFileBytesMax = 1 * MiB;
/** How often such files are looked at where no file system event tells of a change. */
export const securityPollIntervalMs = 1_000;
/** Passwords, tokens or secrets of one kind that are accepted at the same time. */
export const secretsAcceptedMax = 16;

// ── Doors over plain sockets: RESP and the binary protocol ──────────────────────────────────────────────────────
export const socketConnectionsMax = 10_000;
/** Connections beyond it that are told so at one time, and that are shaking hands; any more are closed without a word. */
export const socketRefusedMax = 256;
/** How long a client that was told so gets to read it and to end its side. */
export const socketRefusedLingerMs = 1_000;
/** Bulk strings and payloads of clients that have not shown their password yet. */
export const socketUnauthenticatedBytesMax = 16 * KiB;
/** Bulk strings and payloads above this wait for room in the budget of all connections when they lie in several reads. */
export const socketUnbudgetedBytesMax = 64 * KiB;
/** Requests that are being received or worked on and replies that are not sent, of all connections of one door. */
export const socketInFlightBytesMax = 1024 * MiB;
/** What clients send is worked on for so long in one turn of the event loop, and the next piece of it. */
export const loopTurnMaxMs = 8;
/** Commands of one connection at work at once, and bytes of their requests, before no more of it is read. */
export const socketPipelinedCommandsMax = 1_024;
export const socketPipelinedBytesMax = 64 * MiB;
/** Bytes of replies that commands at work at once may be expected to have, going by the replies before them. */
export const socketExpectedReplyBytesMax = 64 * MiB;
/** A connection with so many bytes to send gets no more commands done. */
export const socketUnsentBytesHigh = 1 * MiB;
/** Replies up to this are joined in one write; larger ones go to the socket as they stand. */
export const outputJoinedBytesMax = 16 * KiB;
/** Small replies share buffers of this size on their way to sockets. */
export const outputSlabBytes = 32 * KiB;
/** A connection with more than this to send is ended: replies that were under way together, which nobody reads. */
export const socketUnsentBytesMax = 1024 * MiB;
/** A connection that does not move for this long in the middle of a request or a reply is ended. */
export const socketStallMaxMs = 60_000;
/** How often connections are looked at: those that do not move, and those from which nothing comes. */
export const socketSweepIntervalMs = 5_000;
export const socketKeepaliveMs = 300_000;

// ── Redis' protocol (RESP) ──────────────────────────────────────────────────────────────────────────────────────
/** An inline command, and the line before an array or a bulk string. */
export const respLineBytesMax = 64 * KiB;
/** Items of a request of clients that have not shown their password yet. */
export const respUnauthenticatedItemsMax = 10;
/** Memory that a bulk string's claimed length alone gets; eightfold more each time that much has really arrived. */
export const respReceiveStepBytes = 4 * MiB;
/** How long an ended connection waits for its client to end it too. */
export const respLingerMs = 5_000;
/** Names that clients give themselves, and the like. */
export const respClientWordCharsMax = 1_024;
/** Keys that one CLUSTER GETKEYSINSLOT lists, and keys of a page while a slot's are listed or counted. */
export const respSlotKeysMax = 10_000;
export const respSlotPageKeys = 512;
/** How long INFO and CONFIG wait for the shards. */
export const respGatherTimeoutMs = 2_000;

// ── The binary protocol ─────────────────────────────────────────────────────────────────────────────────────────
export const tcpPayloadBytesMax = 64 * MiB;
/** Keys over this protocol are shorter than others. */
export const tcpKeyBytesMax = 256;
/** Memory that a payload's claimed length alone gets; eightfold more each time that much has really arrived. */
export const tcpReceiveStepBytes = 64 * KiB;
/** What a client whose connection is ended gets to read its last response. */
export const tcpLingerMs = 2_000;
/** Connections of one client's pool, and calls that wait for one. */
export const tcpClientConnectionsMax = 64;
export const tcpClientCallsMax = 65_536;
export const tcpConnectTimeoutMs = 5_000;

// ── HTTP ────────────────────────────────────────────────────────────────────────────────────────────────────────
export const httpConnectionsMax = 10_000;
export const httpHeaderBytesMax = 16 * KiB;
export const httpHeadersMax = 100;
/** A body of JSON: parsed in one turn of the event loop. */
export const httpBodyBytesMax = 16 * MiB;
/** A value that comes or goes as it is, and what one answer of JSON may hold of values. */
export const httpValueBytesMax = 64 * MiB;
/** Bodies and answers of all requests together. */
export const httpInFlightBytesMax = 256 * MiB;
/** How long an answered request's body is still read and thrown away, so that its sender sees the answer. */
export const httpLingerMs = 1_000;
/** A connection on which nothing has moved for this long is ended: longer than any command may take. */
export const httpStallMaxMs = 60_000;
/** Arrays and objects in each other in a body of JSON. */
export const httpJsonDepthMax = 32;
/** Keys of one MGET or DEL over HTTP, and how many a scan answers at most and unless asked for less. */
export const httpKeysMax = 10_000;
export const httpScanLimitMax = 1_000;
export const httpScanLimitDefault = 100;
/** A collection of more bytes is listed without its value where many keys are. */
export const httpListedValueBytesMax = 1 * MiB;
/** How much of a value the description of its key shows. */
export const httpPreviewBytesMax = 1 * MiB;
export const httpPreviewBytesDefault = 64 * KiB;
/** Text that is made into tokens, requests for that which wait, and how long the tables of an encoding are kept. */
export const tokenizeCharsMax = 1 << 20;
export const tokenizeQueueMax = 16;
export const tokenizeIdleMs = 60_000;
export const tokenizeTimeoutMs = 10_000;
/** Blocks of a prompt that one look-up of the dashboard shows. */
export const explorerBlocksMax = 1_024;
export const httpHeadersTimeoutMs = 10_000;
export const httpRequestTimeoutMs = 30_000;
export const httpKeepAliveTimeoutMs = 5_000;
/** How long a scrape of metrics waits for the shards' figures. */
export const metricsGatherTimeoutMs = 2_000;

/** Of one kvcache.v1.Cache/Execute call: commands, those under way, and bytes of replies that nobody has read. */
export const executeCommandsMax = 65_536;
export const executeUnderWayMax = 1_024;
export const executeReadyBytesMax = 64 * MiB;

// ── Link between router and shard ───────────────────────────────────────────────────────────────────────────────
/** Arguments above this travel on the connections for large values. */
export const linkLargeValueBytes = 64 * KiB;
export const linkBatchBytesMax = 1 * MiB;
export const linkBatchCommandsMax = 1_024;
export const linkQueueCommandsMax = 65_536;
export const linkQueueBytesMax = 256 * MiB;
export const linkLargeConnections = 2;
export const linkFrameBytesMax = valueBytesMax + 1 * MiB;
/** Arguments and replies up to this are copied into their batch; larger ones go to the socket as they stand. */
export const linkJoinedBytesMax = 16 * KiB;
/** Arrays in arrays of a reply. */
export const linkReplyDepthMax = 32;
export const linkReplyItemsMax = 1 << 21;
export const linkBigintCharsMax = 1_024;
/** An argument as large as this goes to its shard while it still arrives, in pieces of so many bytes. */
export const linkUploadBytesMin = 1 * MiB;
export const linkUploadPieceBytes = 256 * KiB;
/** Arguments on their way ahead of their commands, a link; one above it may still go alone. */
export const linkUploadsBytesMax = 128 * MiB;
/** The same on the shard, where an upload may begin before the end of another is seen. */
export const linkStagedBytesMax = 2 * linkUploadsBytesMax;
/** Bytes of commands at work and of replies not yet sent, a router; beyond it the shard reads no more from it. */
export const linkServerInFlightBytesMax = 256 * MiB;
export const linkServerInFlightCommandsMax = 65_536;
export const linkSessionsMax = 256;
/** A shard says this often that it is there; so many beats missed, and the router takes it for away. */
export const linkHeartbeatMs = 1_000;
export const linkHeartbeatsMissedMax = 5;
/** How long a router waits for all streams of a link to be answered. */
export const linkConnectTimeoutMs = 5_000;
/** How long a router waits for a newer topology when a shard refuses a slot, before it tries again. */
export const movedWaitMs = 250;
export const linkReconnectDelayMinMs = 20;
export const linkReconnectDelayMaxMs = 500;
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
/** A batch of the log that nobody waits for begins when so much has come for it, or so long after the first. */
export const logBatchBytes = 256 * KiB;
export const logBatchDelayMs = 2;
/** How often the log is synced with fsync `everysec`. */
export const logSyncIntervalMs = 1_000;
/** Pause before a failed write or fsync is tried again. */
export const logRetryDelayMs = 250;
/** Entries of a hint handled in one step of the event loop. */
export const hintEntriesPerStep = 1_024;
/** Of a segment under eviction, what may be appended once more because RAM has it. */
export const secondChanceShareMax = 0.5;
/** Segment files whose first bytes are looked at together when a shard starts. */
export const fileLooksInFlightMax = 16;
/** Hints read at the same time during a restore from Blob. */
export const hintReadsInFlightMax = 16;
/** Segments that one compaction merges. */
export const compactionSegmentsMax = 8;
/** Records of all of them, if it is more than one: what is kept takes 36 bytes each while it moves, and its hint 70. */
export const compactionRecordsMax = 600_000;
export const compactionChunkBytes = 4 * MiB;
/** What a compaction writes at once. */
export const compactionWriteBytes = 1 * MiB;
/** Hints and compactions up to this are done without the worker. */
export const smallTaskRecordsMax = 1_024;
export const smallTaskBytesMax = 256 * KiB;

// ── Blob ────────────────────────────────────────────────────────────────────────────────────────────────────────
export const blobBlockBytes = 8 * MiB;
/** Blocks of a segment's blob before its hint's; Azure takes 50,000. A plan that would need more merges them all. */
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
/** Unless the setting says otherwise. */
export const blobFlushIntervalMs = 1_000;
/** A process that ends gives up its last flush after this; what is left stays on disk. */
export const blobFinalFlushTimeoutMs = 20_000;
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
/** With these pauses about 5 s in all: longer than a shard, a router or Azurite takes to start again. */
export const clientAttemptsMax = 15;
/** Addresses of one client, each with connections of its own. */
export const clientServersMax = 64;
export const clientRetryDelayMinMs = 20;
export const clientRetryDelayMaxMs = 1_000;
/** Of one command typed at a terminal, about half a second in all: whoever waits there sees what is wrong and decides. */
export const commandAttemptsMax = 6;
/** Arguments of one Execute call; a larger command travels alone. */
export const clientBatchBytesMax = 1 * MiB;
export const clientBatchCommandsMax = 1_024;
/** Bytes that a client has handed over and not seen answered; beyond it, callers wait. */
export const clientInFlightBytesMax = 256 * MiB;
/** What a command counts besides its arguments, so that small ones are bounded too: 65,536 at one time. */
export const clientCommandOverheadBytes = 4 * KiB;
/** Keys of one MGET, DEL or EXISTS; longer lists are split. */
export const clientKeysPerCommandMax = 4_096;
export const clientScanPageKeys = 1_000;
/** Blocks asked for and not yet taken by the reader of a stream. */
export const clientStreamWindowBlocks = 16;

/** Arrays and maps within each other in one reply. */
export const replyDepthMax = 32;

// ── Playground ──────────────────────────────────────────────────────────────────────────────────────────────────
export const playgroundConcurrencyMax = 200;
/** A string of the runtime ends at 512 Mi characters; the parsed tokens lie beside it. */
export const playgroundFileBytesMax = 256 * MiB;
export const playgroundIterationsMax = 1_000_000;
export const playgroundBufferBytesDefault = 1_200_000;
export const playgroundBufferBytesMax = 64 * MiB;
/** Bytes of all blocks being written or read at one time. */
export const playgroundInFlightBytesMax = 128 * MiB;
/** Blocks of one prompt being written or read at one time. */
export const playgroundWindowBlocks = 8;
/** How often a prompt whose blocks stay missing is written again before they count as errors. */
export const playgroundRoundsMax = 6;
/** How long a prompt whose calls fail is tried again; a shard that restarts is back long before. */
export const playgroundPatienceMs = 60_000;
/** Faults told one by one; the rest are counted. */
export const playgroundFaultsShownMax = 20;

// ── Processes ───────────────────────────────────────────────────────────────────────────────────────────────────
/** Signals of one kind closer than this are one: the group's and the one that the launcher hands on. */
export const signalRepeatMs = 300;
/** A child that ends is started again after a delay that doubles up to the second bound while it keeps ending. */
export const restartDelayMinMs = 200;
export const restartDelayMaxMs = 10_000;
/** A child that ran this long has proven itself: its next restart begins at the first delay again. */
export const restartForgiveMs = 30_000;
/** A child may take this long beyond shutdown.grace before it is killed. */
export const childKillMarginMs = 5_000;
/** A child's log of an earlier run is put aside at this size. */
export const childLogBytesMax = 16 * MiB;
/** A process whose parent died must not hold its ports for the whole grace period. */
export const orphanGraceMs = 5_000;
/** How long an ending process lets calls in flight finish before it ends them. */
export const drainGraceMs = 5_000;
/** How long a starting router waits for its shards before it serves without some of them. */
export const linksReadyMs = 5_000;
/** How long a router waits for its shards when settings are read or changed. */
export const settingsTimeoutMs = 5_000;
/** Threads of libuv's pool: fsync, cold reads and DNS share it. */
export const threadPoolSize = 16;
/** How much of the end of a child's log is read for the line that says why it ended. */
export const childLastWordsBytes = 8 * KiB;
/** How long a local cluster whose processes are all ready may take until its router reaches every shard. */
export const clusterLinkedMs = 30_000;
/** How long `kvcache status` waits for the router, and then for each shard, of a local cluster. */
export const statusPatienceMs = 2_000;
/** How often `kvcache status --watch` looks, unless told otherwise, and at most. */
export const statusWatchIntervalMs = 2_000;
export const statusWatchIntervalMinMs = 100;
/** Shards of a local cluster: what its hundred ports hold. */
export const localShardsMax = 20;
/** How often a supervisor that changes the number of shards asks its processes how far they are. */
export const scaleIntervalMs = 100;
/** How long it waits for each answer; who has not answered by then counts as away. */
export const scaleReportTimeoutMs = 2_000;
/** A line that `kvcache scale` and the supervisor send each other, and commands that listen at one time. */
export const controlLineBytesMax = 64 * KiB;
export const controlUnreadBytesMax = 1 * MiB;
export const controlConnectionsMax = 64;
/** How long `kvcache scale` waits for the supervisor's first word. */
export const controlPatienceMs = 10_000;

// ── Keyspace ────────────────────────────────────────────────────────────────────────────────────────────────────
/** A leaf of the index splits beyond this, so that no table grows for more than a fraction of a millisecond. */
export const indexLeafEntriesMax = 2_048;
/** The same for a leaf that several slots share: who wants one of them looks through all of it. */
export const indexSharedLeafEntriesMax = 512;
/** Leaves split by so many bits of the key's hash at most; keys made to collide share a leaf after that. */
export const indexSplitBitsMax = 14;
/** Share of the memory limit that index entries may take before keys are evicted for their entries' sake. */
export const indexShareOfMemoryMax = 0.5;
/** The same of a small limit, whatever the process takes besides. */
export const indexShareOfMemoryMin = 1 / 8;
/** What an index of one byte has resident, with the garbage of a heap that holds it. */
export const indexResidentRatio = 1.6;
/** Entries looked at for one that is evicted for the index's sake, before a warm one has to go. */
export const indexEvictionExaminedMax = 64;
/** Keys evicted for the index's sake in one turn of the expiry timer, beside those that writes evict. */
export const indexEvictionsPerTurnMax = 1_000;
/** Keys and values that one page of a scan may hold; a larger value is a page of its own. */
export const scanPageBytesMax = 16 * MiB;
/** Keys looked at by one page of SCAN, KEYS or FLUSHALL, before others have their turn. */
export const scanExaminedPerTurnMax = 8_192;
/** Keys that FLUSHALL deletes in one turn. */
export const flushEntriesPerTurn = 1_000;
/** Bytes of keys in one reply to KEYS. */
export const keysReplyBytesMax = 64 * MiB;
/** Keys that RANDOMKEY draws for one that has not expired. */
export const randomKeyAttemptsMax = 100;
/** Writes that wait for room in the log, and their bytes; beyond it writers are told to try again. */
export const writeQueueCommandsMax = 65_536;
export const writeQueueBytesMax = 256 * MiB;
/** A read whose record moves or is overwritten under it starts again so often. */
export const coldReadAttemptsMax = 8;
/** A value too large for a RAM copy gets one if it is read from below twice within this time. */
export const oftenReadWindowMs = 60_000;
export const expiryTickMs = 100;
/** Entries that one turn of the expiry wheel moves or expires. */
export const expiryWorkPerTurnMax = 2_000;

// ── Hot tier ────────────────────────────────────────────────────────────────────────────────────────────────────
/** Values up to this (meta and body) share slabs; larger ones have memory of their own. */
export const hotSmallValueBytesMax = 4 * KiB;
export const hotSlabBytesMin = 16 * KiB;
export const hotSlabBytesMax = 256 * KiB;
/** Slabs that the order of use has numbers for: 128 GiB of small values. */
export const useOrderChunksMax = 2 ** 19;
/** Copies that one step evicts, or moves to find them: a few milliseconds of work. */
export const hotEvictionsPerStepMax = 16_384;
/** Of the hot tier, the share that copies which were used again hold against new ones. */
export const hotAgainShareMax = 1 / 2;
/** Copies that get a second time among the new ones with every copy that is evicted, where that share is exceeded. */
export const hotDemotionsPerEvictionMax = 16;
/** Copies that are passed over with one eviction because they were used since they had their turn. */
export const hotPassedOverPerEvictionMax = 128;
/** Evicted keys of large values that are remembered, at 2 bytes each. */
export const evictedKeysMax = 2 ** 17;
/** Prompts whose blocks are taken for each other's neighbours at a time, and uses of others after which one is over. */
export const promptRunsMax = 8;
export const promptRunGapMax = 256;
/** Blocks that were looked up and not found of which the place in the prompt is known until they are written. */
export const missedBlocksMax = 2 ** 13;
/** A buffer may waste this share of its length, and these bytes, and still count as owning its memory. */
export const ownedWasteShareMax = 1 / 16;
export const ownedWasteBytesMax = 64 * KiB;
/** Values whose memory is taken again by hand; of smaller and larger ones the collector takes care. */
export const recycledValueBytesMin = 16 * KiB;
export const recycledValueBytesMax = 16 * MiB;
/** Of a shard's memory, the part that may be kept for the next large values, and the most. */
export const valueMemoryFreeShareMax = 1 / 16;
export const valueMemoryFreeBytesMax = 64 * MiB;
/** Sizes of such memory, between one power of two and the next, and the most between one and the next. */
export const valueMemoryStepsPerDoubling = 64;
export const valueMemoryStepBytesMax = 32 * KiB;

// ── Storage ─────────────────────────────────────────────────────────────────────────────────────────────────────
/** Bytes that are let in before the sums of used disk and unflushed bytes are taken anew. */
export const storageRefreshBytes = 256 * KiB;
/** How often they are while a write waits for room. */
export const storageFullPollMs = 100;
/** Pause before the manifest of an unreachable Blob account is asked for again. */
export const takeoverRetryDelayMs = 2_000;

// ── Memory of a shard ───────────────────────────────────────────────────────────────────────────────────────────
export const memoryCheckIntervalMs = 250;
/** Of the limit, what a shard may have resident. */
export const memoryResidentRatioMax = 1.25;
/** Resident memory is steered towards this multiple of the limit, so that it stays below the ratio above. */
export const memoryTargetRatio = 1.05;
/** What a shard under load has resident besides its index and its values: code, runtime, buffers, compaction. */
export const memoryOfProcessBytes = 320 * MiB;
/** Garbage that the runtime may hold before it collects, as a first guess: V8 lets 64 MiB of buffers come together. */
export const memoryUnaccountedBytesFirst = 64 * MiB;
/** What a peak of unaccounted memory loses a second in the estimate. */
export const memoryPeakDecayPerSecond = 0.02;
/** The hot tier keeps this share of the limit, whatever the others take. */
export const hotShareMin = 1 / 16;

// ── Garbage of shards and routers ───────────────────────────────────────────────────────────────────────────────
/** Of what a process may hold, the share that garbage of V8's heap and of buffers may take before the heap is marked. */
export const garbageShareMax = 1 / 8;
export const garbageBytesMax = 256 * MiB;
/** Of the buffers that a shard keeps, the factor by which they and garbage may grow until V8 marks its heap. */
export const shardBufferGrowingFactor = 1.1;
export const garbageCheckIntervalMs = 2_000;

// ── The fuzzer ──────────────────────────────────────────────────────────────────────────────────────────────────
export const fuzzConnections = 8;
/** A connection whose door waits for the rest of a frame would swallow all others. */
export const fuzzFramesPerConnectionMax = 64;
export const fuzzPatienceMs = 2_000;
/** How often a client that behaves well asks whether it is served. */
export const fuzzWitnessIntervalFrames = 1_000;
/** memory.limit of what is attacked, and how much more of it may be resident: what memory.limit promises. */
export const fuzzMemoryLimitBytes = 256 * MiB;
/** Of a router, which holds nothing: the runtime, garbage (garbageBytesMax), and what glibc keeps of what was freed. */
export const fuzzRouterBytesMax = 512 * MiB;

// ── The engine as a library ─────────────────────────────────────────────────────────────────────────────────────
export const engineMemoryBytesMin = 1 * MiB;
/** Commands that one pipeline collects. */
export const enginePipelineCommandsMax = 1 << 20;

// ── Hand-over of slots ──────────────────────────────────────────────────────────────────────────────────────────
/** Keys removed from the index at a stretch while a slot is dropped. */
export const slotDropEntriesPerStep = 2_000;
/** Slots dropped between two syncs of the log. */
export const slotDropsPerSync = 256;
/** Entries of one Set: larger ones stall while they grow. */
export const entriesPerSetMax = 4_096;
/** Keys beyond which a page of a slot's list ends. It is whole leaves of the index, and installed at a stretch. */
export const handoverPageEntriesMax = 512;
/** Slots that a shard lists at once, and values that it fetches at once, from each shard that hands over to it. */
export const handoverListsInFlightMax = 16;
export const handoverFetchesInFlightMax = 16;
/** Values that one command fetches; above these bytes it fetches no further ones. */
export const handoverFetchKeysMax = 64;
export const handoverFetchBytesMax = 256 * KiB;
export const handoverFetchBytesInFlightMax = 64 * MiB;
export const handoverTimeoutMs = 30_000;
/** The slowest that a large value may come before it is given up and asked for again. */
export const handoverBytesPerSecondMin = MiB;
/** Values that cannot come for now, before a pass over all that are left ends and the next one begins later. */
export const handoverFaultsPerPassMax = 1_024;
/** Node takes longer timers for one millisecond. */
export const timerMsMax = 2 ** 31 - 1;
/** Commands that wait until their slots are open, and their bytes; well below what a link works on at once. */
export const waitingForSlotsMax = 8_192;
export const waitingForSlotsBytesMax = 64 * MiB;
/** Between two attempts while a shard that hands over is behind or away. */
export const handoverRetryDelayMinMs = 10;
export const handoverRetryDelayMaxMs = 1_000;

// ── Kubernetes ──────────────────────────────────────────────────────────────────────────────────────────────────
/** Shards of a KVCache: with twice as many, a topology on the move would no longer fit a ConfigMap's one MiB. */
export const kubernetesShardsMax = 256;
/** Longest name of a KVCache: the names of its pods and the labels that Kubernetes makes of them end at 63. */
export const kubernetesNameCharsMax = 40;

// ── Kubernetes API ──────────────────────────────────────────────────────────────────────────────────────────────
/** Connections for requests at one time; a watch has one of its own. */
export const kubeConnectionsMax = 16;
/** An API server that is black-holed sends no reset: one attempt, and a request with all of its attempts. */
export const kubeAttemptTimeoutMs = 10_000;
export const kubeRequestTimeoutMs = 30_000;
/** After so much silence the system probes a connection every second, and gives it up after ten probes. */
export const kubeTcpKeepaliveMs = 15_000;
export const kubeRetryDelayMinMs = 100;
export const kubeRetryDelayMaxMs = 5_000;
/** Requests that one process begins, at once and every second after that, retries included. */
export const kubeRequestsBurstMax = 200;
export const kubeRequestsPerSecondMax = 50;
export const kubeAnswerBytesMax = 64 * MiB;
export const kubeErrorTextCharsMax = 4_096;
export const kubeListPageItems = 500;
/** A listing whose pages expire under it begins again so often before it counts as failed. */
export const kubeListRestartsMax = 3;
/** Pages of one listing: a quarter of a million objects. */
export const kubeListPagesMax = 512;
/** How long a mounted service-account token and the certificates beside it are used before they are read again. */
export const kubeCredentialsAgeMaxMs = 60_000;
/** A watch is asked to last this long and up to twice as long, so that not all end at one moment. */
export const kubeWatchTimeoutMs = 300_000;
/** The API server sends a bookmark a minute: a watch that is silent for longer than this is dead. */
export const kubeWatchSilenceMaxMs = 90_000;
export const kubeWatchRetryDelayMinMs = 500;
export const kubeWatchRetryDelayMaxMs = 30_000;
/** A watch that lived this long counts as working, and the next delay begins at the first again. */
export const kubeWatchProvenMs = 5_000;
/** One object of a watch; etcd takes 1.5 MiB and the wire's escapes can make more of it. */
export const kubeWatchLineBytesMax = 16 * MiB;
/** Objects of one store. */
export const kubeStoreObjectsMax = 250_000;
/** Every object is handed to its handlers again in this time, changed or not. */
export const kubeResyncIntervalMs = 600_000;
/** Keys that wait, run, or will be added later. */
export const workQueueKeysMax = 65_536;
export const workQueueWorkersMax = 64;
export const workQueueRetryDelayMinMs = 5;
export const workQueueRetryDelayMaxMs = 1_000_000;
export const workQueueDrainMs = 15_000;
/** Leader election: how long a lease holds, when a holder that cannot renew gives up, and how often both try. */
export const leaseDurationMs = 15_000;
export const leaseRenewDeadlineMs = 10_000;
export const leaseRetryIntervalMs = 2_000;
/** A write must be answered this long before the lease ends, for clocks do not run at one speed. */
export const leaseWriteMarginMs = 1_000;
/** Kubernetes refuses longer notes. */
export const eventNoteBytesMax = 1_024;
export const eventQueueMax = 1_000;
/** Objects and reasons whose last event is remembered, so that the next of the kind is counted in it. */
export const eventSeriesMax = 4_096;
/** The same event within this time belongs to the same series. */
export const eventSeriesWindowMs = 360_000;
/** A series is written again this often at most. */
export const eventSeriesWriteIntervalMs = 30_000;
/** Events of one object: at once, and one every so often after that. */
export const eventBurstMax = 25;
export const eventRefillIntervalMs = 30_000;
export const eventSendTimeoutMs = 10_000;
/** What an ending process gives the events that are not written yet. */
export const eventLastWordsMs = 2_000;
/** How long a process waits for another to take or give a topology. */
export const topologyExchangeTimeoutMs = 10_000;
/** How often a command is sent to the next owner that a topology names before its caller is told to try again. */
export const movedAttemptsMax = 8;
/** Members that a router fetches for one command over sets of several shards, and sets that it fetches at once. */
export const algebraBytesMax = 64 * MiB;
export const algebraFetchesInFlightMax = 16;

// ── Operator ────────────────────────────────────────────────────────────────────────────────────────────────────
/** How many caches are reconciled at one time. */
export const reconcileConcurrencyMax = 8;
/** A pass that takes longer than this hangs: the operator is not healthy. */
export const operatorStuckMs = 900_000;
/** How long a pass waits for the reports of a cache's pods. */
export const podReportTimeoutMs = 2_000;
export const podReportBytesMax = 1 * MiB;
/** How long a shard may take to flush before it is restarted. */
export const rollFlushTimeoutMs = 30_000;
/** How long a restarted shard may look broken before the roll is called halted. */
export const rollTroublePatienceMs = 10_000;
/** What a superseded shard that is not ready, or a ready one that does not answer, gets before the roll goes on. */
export const rollUnreadyPatienceMs = 60_000;
/** How long slots that move hold a roll up. */
export const rollMovingPatienceMs = 900_000;
/** How soon a cache is looked at again: while something moves or rolls, while something is waited for, else. */
export const reconcileBusyIntervalMs = 1_000;
export const reconcileWaitIntervalMs = 5_000;
export const reconcileSteadyIntervalMs = 60_000;
/** Figures alone, such as a hit rate, are written no more often than this. */
export const statusFiguresIntervalMs = 30_000;
/** What is not ready, or does not answer, for this long needs attention. */
export const degradedPatienceMs = 60_000;
/** How long a change of shards may wait for the same before it is called blocked. */
export const scaleBlockedPatienceMs = 30_000;
/** How long a shard must not have answered before an annotation gives it up. */
export const abandonPatienceMs = 30_000;
/** How long after it should be gone the pod of a lost node is waited for. */
export const nodeLossPatienceMs = 30_000;
/** How long the deletion of disks and blobs is tried before it is left to a person. */
export const deletionDeadlineMs = 600_000;
/** The same in a namespace that is deleted as a whole: nothing may hold it up for long. */
export const namespaceDeletionDeadlineMs = 60_000;
/** How long nodes, storage classes and namespaces are taken to be as they were last read. */
export const clusterFactsAgeMs = 5_000;
/** How long Secrets are. */
export const secretsAgeMs = 30_000;
/** Answers of one kind that are kept. */
export const recentAnswersMax = 4_096;
/** Blobs that one deletion removes at the same time, and how many in one pass. */
export const deletionBlobsInFlightMax = 32;
export const deletionBlobsPerPassMax = 5_000;
