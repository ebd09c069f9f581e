/**
 * One stream of a link, on a connection of its own: commands wait here until the stream takes them.
 *
 * A link has one lane for small commands, which packs all that wait into batches, and a few for large values, which
 * send each by itself, so that the shard can keep the value in the memory it arrived in. Between them go the pieces of
 * values that are still arriving here (upload.ts).
 */
import { linkBatchBytesMax, linkBatchCommandsMax } from '../limits.ts';
import type { GrpcChannel } from '../grpc/client.ts';
import type { GrpcDuplex } from '../grpc/duplex.ts';
import type { ClientMethod } from '../grpc/method.ts';
import { CommandBatch } from './batch.ts';
import { Fifo } from '../fifo.ts';
import { decodeFrame, encodeFrame, exchangePath } from './frame.ts';
import type { PendingCommand } from './pending.ts';
import { QueuedPiece } from './upload.ts';
import { encodePiece } from './upload-piece.ts';

export type LaneKind = 'small' | 'large';

/** Headers by which the shard knows which streams belong together. */
export const sessionHeader = 'kvcache-link-session';
export const laneHeader = 'kvcache-link-lane';
export const secretHeader = 'kvcache-link-secret';

/** Batches in parts up, whole batches down. */
export type LinkStream = GrpcDuplex<readonly Buffer[], Buffer>;

export const exchange: ClientMethod<readonly Buffer[], Buffer> = {
  path: exchangePath,
  requestSerialize: encodeFrame,
  responseDeserialize: decodeFrame,
};

export class Lane {
  readonly kind: LaneKind;
  readonly #channel: GrpcChannel;
  readonly #stream: LinkStream;
  readonly #queue = new Fifo<PendingCommand | QueuedPiece>();
  #queuedBytes = 0;
  #room = true;
  #batches = 0;

  constructor(kind: LaneKind, channel: GrpcChannel, stream: LinkStream) {
    this.kind = kind;
    this.#channel = channel;
    this.#stream = stream;
    stream.onDrain = () => {
      this.#room = true;
      this.flush();
    };
  }

  /** Entries that wait, those of commands that are settled meanwhile included. */
  get queued(): number {
    return this.#queue.length;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Batches sent. */
  get batches(): number {
    return this.#batches;
  }

  enqueue(pending: PendingCommand): void {
    this.#queue.push(pending);
    this.#queuedBytes += pending.bytesToSend;
  }

  enqueuePiece(piece: QueuedPiece): void {
    this.#queue.push(piece);
    this.#queuedBytes += piece.bytes;
  }

  /** Sends what the stream takes. What is left follows when it drains. */
  flush(): void {
    const nowMs = Date.now();
    while (this.#room && this.#queue.length > 0) {
      const frame = this.#queue.peek() instanceof QueuedPiece ? this.#nextPiece() : this.#nextBatch(nowMs);
      if (frame !== undefined) this.#room = this.#stream.write(frame);
    }
  }

  close(): void {
    this.#channel.close();
  }

  #nextPiece(): Buffer[] | undefined {
    const queued = this.#queue.shift() as QueuedPiece;
    this.#queuedBytes -= queued.bytes;
    const piece = queued.take();
    return piece && encodePiece(piece);
  }

  /** Undefined if nobody waits for any of the commands any more. */
  #nextBatch(nowMs: number): Buffer[] | undefined {
    const commandsMax = this.kind === 'large' ? 1 : linkBatchCommandsMax;
    const batch = new CommandBatch(Math.min(this.#queuedBytes, linkBatchBytesMax));
    while (batch.count < commandsMax) {
      const pending = this.#queue.peek();
      if (pending === undefined || pending instanceof QueuedPiece) break;
      const { command, bytesToSend } = pending;
      if (command !== undefined && batch.count > 0 && batch.bytes + bytesToSend > linkBatchBytesMax) break;
      this.#queue.shift();
      this.#queuedBytes -= bytesToSend;
      if (command === undefined) continue;
      const remainingMs = Math.max(0, Math.ceil(pending.dueMs - nowMs));
      batch.add(pending.id, command, remainingMs, pending.epoch, pending.context.acknowledgement, pending.upload);
      pending.sent = true;
      pending.upload?.onTaken();
    }
    if (batch.count === 0) return undefined;
    this.#batches += 1;
    return batch.finish();
  }
}
