/**
 * One attempt at a link's streams, from dialling to the break: lanes, hellos, heartbeats.
 *
 * It is ready once the shard has said hello on every lane, and lost when any lane breaks, when a frame is malformed,
 * when another shard answers, or when the shard is silent for too long. It is lost once, and then says no more.
 */
import { randomBytes } from 'node:crypto';
import type { Upload } from '../commands/command.ts';
import { type Reply, ReplyMap } from '../commands/reply.ts';
import { messageOf } from '../errors.ts';
import { GrpcChannel } from '../grpc/client.ts';
import {
  linkConnectTimeoutMs,
  linkFrameBytesMax,
  linkHeartbeatMs,
  linkHeartbeatsMissedMax,
  linkLargeConnections,
  linkLargeValueBytes,
  linkUploadBytesMin,
  linkUploadsBytesMax,
} from '../limits.ts';
import type { ChannelTlsSource } from '../security/tls.ts';
import { decodeReplies } from './batch.ts';
import { exchange, Lane, type LaneKind, laneHeader, secretHeader, sessionHeader } from './lane.ts';
import { LinkUpload } from './upload.ts';

export interface LinkConnectionOptions {
  readonly shard: string;
  readonly address: string;
  /** As in ShardLinkOptions. */
  readonly secret?: string | (() => string | undefined) | undefined;
  readonly tls?: ChannelTlsSource | undefined;
  readonly heartbeatMs?: number | undefined;
}

/** What a link hears of its connection. */
export interface LinkConnectionListener {
  onReady(): void;
  /** Once, and the last. */
  onLost(fault: string): void;
  /** Replies have come, of which each is told by `onReply`. */
  onReplies(): void;
  onReply(id: number, reply: Reply): void;
  /** The topology epoch that the shard runs, with every heartbeat. */
  onShardEpoch(epoch: number): void;
  /** Something waits in a lane. */
  flushLater(): void;
}

/** Not a command's: the shard's hello. */
export const helloId = 0;

export class LinkConnection {
  readonly #options: LinkConnectionOptions;
  readonly #listener: LinkConnectionListener;
  readonly #deliver = (id: number, reply: Reply): void => this.#onReply(id, reply);
  /** The first is for small commands. */
  readonly #lanes: readonly Lane[];
  /** Lanes on which the shard has not yet said hello. */
  readonly #silentLanes: Set<number>;
  readonly #connectTimer: NodeJS.Timeout;
  #heartbeat: NodeJS.Timeout | undefined;
  /** Uploads that were not released yet, and their lengths. */
  readonly #uploads = new Set<LinkUpload>();
  #uploadingBytes = 0;
  #lastUpload = 0;
  #beatsMissed = 0;
  #closed = false;

  constructor(options: LinkConnectionOptions, listener: LinkConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    const session = randomBytes(16).toString('hex');
    const kinds: LaneKind[] = ['small', ...Array.from({ length: linkLargeConnections }, () => 'large' as const)];
    this.#silentLanes = new Set(kinds.keys());
    this.#connectTimer = setTimeout(
      () => this.#lose(`no answer within ${linkConnectTimeoutMs} ms`),
      linkConnectTimeoutMs,
    );
    this.#lanes = kinds.map((kind, index) => this.#openLane(kind, index, session));
  }

  /** Entries that wait in its lanes. */
  get queued(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.queued, 0);
  }

  /** Batches sent. */
  get batches(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.batches, 0);
  }

  /** The lane for a command of so many bytes: of the large ones, that with the least to send. */
  laneFor(bytes: number): Lane {
    if (bytes <= linkLargeValueBytes) return this.#lanes[0]!;
    let best = this.#lanes[1]!;
    for (const lane of this.#lanes) {
      if (lane.kind === 'large' && lane.queuedBytes < best.queuedBytes) best = lane;
    }
    return best;
  }

  /** Undefined if it is too small, or too many bytes are on their way. */
  beginUpload(argument: number, bytes: number): LinkUpload | undefined {
    if (bytes < linkUploadBytesMin) return undefined;
    if (this.#uploads.size > 0 && this.#uploadingBytes + bytes > linkUploadsBytesMax) return undefined;
    this.#lastUpload += 1;
    const upload = new LinkUpload(argument, bytes, this.#lastUpload, this.laneFor(bytes), {
      flushLater: () => this.#listener.flushLater(),
      onReleased: (released) => this.#onReleased(released),
    });
    this.#uploads.add(upload);
    this.#uploadingBytes += bytes;
    return upload;
  }

  /** The upload itself, if the shard has it by this connection and a command may refer to it. */
  readyUpload(upload: Upload | undefined): LinkUpload | undefined {
    if (!(upload instanceof LinkUpload) || !this.#uploads.has(upload)) return undefined;
    return upload.isReady ? upload : undefined;
  }

  flush(): void {
    for (const lane of this.#lanes) if (lane.queued > 0) lane.flush();
  }

  /** Ends it without a word to the listener. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#connectTimer);
    clearInterval(this.#heartbeat);
    for (const lane of this.#lanes) lane.close();
  }

  #onReleased(upload: LinkUpload): void {
    if (this.#uploads.delete(upload)) this.#uploadingBytes -= upload.length;
  }

  #openLane(kind: LaneKind, index: number, session: string): Lane {
    const { address, tls } = this.#options;
    const secret = typeof this.#options.secret === 'function' ? this.#options.secret() : this.#options.secret;
    const channel = new GrpcChannel(address, {
      messageBytesMax: linkFrameBytesMax,
      connectTimeoutMs: linkConnectTimeoutMs,
      tls,
    });
    const metadata: Record<string, string> = { [sessionHeader]: session, [laneHeader]: kind };
    if (secret !== undefined) metadata[secretHeader] = secret;
    const stream = channel.bidi(exchange, { metadata });
    stream.onMessage = (batch) => this.#onBatch(batch, index);
    void stream.closed.then((end) => this.#lose(end.details || 'the shard ended the link'));
    return new Lane(kind, channel, stream);
  }

  #onBatch(batch: Buffer, lane: number): void {
    if (this.#closed) return;
    this.#beatsMissed = 0;
    this.#listener.onReplies();
    try {
      decodeReplies(batch, this.#deliver);
    } catch (error) {
      this.#lose(messageOf(error));
      return;
    }
    if (!this.#closed && this.#silentLanes.delete(lane) && this.#silentLanes.size === 0) this.#onReady();
  }

  #onReply(id: number, reply: Reply): void {
    if (id !== helloId) this.#listener.onReply(id, reply);
    else if (reply instanceof ReplyMap) this.#onHello(reply);
  }

  /** What the shard says of itself: [['shard', name], ['epoch', number]]. */
  #onHello(hello: ReplyMap): void {
    for (const [field, value] of hello.pairs) {
      if (field === 'epoch' && typeof value === 'number') this.#listener.onShardEpoch(value);
      if (field === 'shard' && typeof value === 'string' && value !== this.#options.shard) {
        this.#lose(`the shard there is ${value}`);
      }
    }
  }

  #onReady(): void {
    clearTimeout(this.#connectTimer);
    const { heartbeatMs = linkHeartbeatMs } = this.#options;
    this.#heartbeat = setInterval(() => this.#onBeat(heartbeatMs), heartbeatMs);
    this.#heartbeat.unref();
    this.#listener.onReady();
  }

  #onBeat(heartbeatMs: number): void {
    this.#beatsMissed += 1;
    if (this.#beatsMissed <= linkHeartbeatsMissedMax) return;
    this.#lose(`no sign of life for ${linkHeartbeatsMissedMax * heartbeatMs} ms`);
  }

  #lose(fault: string): void {
    if (this.#closed) return;
    this.close();
    this.#listener.onLost(fault);
  }
}
