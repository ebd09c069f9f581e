/**
 * Replies on their way down one stream of a link. Small ones are packed into batches; a large lane sends each by itself.
 *
 * While the stream has room a reply is encoded as it comes, into the batch that the next `flush` sends. Without room it
 * waits as it is, so that what waits is the executor's own buffers and no copy.
 */
import { type Reply, replyBytes, ReplyError } from '../commands/reply.ts';
import { linkBatchBytesMax, linkBatchCommandsMax, linkFrameBytesMax } from '../limits.ts';
import { ReplyBatch } from './batch.ts';
import { Fifo } from '../fifo.ts';
import type { LaneKind } from './lane.ts';
import type { ServerLinkStream } from './server.ts';

interface WaitingReply {
  readonly id: number;
  readonly reply: Reply;
  readonly bytes: number;
}

/** Room for the frame around a reply, and about what a reply without bytes takes. */
const frameOverheadBytes = 1_024;
const replyOverheadBytes = 16;
/** A batch is begun with memory for one like the last, up to this. */
const expectedBatchBytesMax = 64 * 1_024;

export class ReplyLane {
  readonly kind: LaneKind;
  readonly stream: ServerLinkStream;
  readonly #repliesMax: number;
  readonly #queue = new Fifo<WaitingReply>();
  #queuedBytes = 0;
  #room = true;
  /** Only while there is room. */
  #batch: ReplyBatch | undefined;
  #lastBatchBytes = 0;

  constructor(kind: LaneKind, stream: ServerLinkStream, onRoom: () => void) {
    this.kind = kind;
    this.stream = stream;
    this.#repliesMax = kind === 'large' ? 1 : linkBatchCommandsMax;
    stream.onDrain = () => {
      this.#room = true;
      this.flush();
      onRoom();
    };
  }

  /** Replies that the stream has not taken. */
  get queued(): number {
    return this.#queue.length + (this.#batch?.count ?? 0);
  }

  get queuedBytes(): number {
    return this.#queuedBytes + (this.#batch?.bytes ?? 0);
  }

  push(id: number, reply: Reply, bytes = replyBytes(reply)): void {
    const fits = bytes <= linkFrameBytesMax - frameOverheadBytes;
    const sent = fits ? reply : new ReplyError('TOOLARGE', `a reply of ${bytes} bytes is above what a link carries`);
    const sentBytes = (fits ? bytes : 0) + replyOverheadBytes;
    if (this.#queue.length === 0 && this.#takes(sentBytes)) {
      this.#encode(id, sent, sentBytes);
      return;
    }
    this.#queue.push({ id, reply: sent, bytes: sentBytes });
    this.#queuedBytes += sentBytes;
  }

  /** Sends what the stream takes. What is left follows when it drains. */
  flush(): void {
    for (let next = this.#queue.peek(); next !== undefined && this.#takes(next.bytes); next = this.#queue.peek()) {
      this.#queue.shift();
      this.#queuedBytes -= next.bytes;
      this.#encode(next.id, next.reply, next.bytes);
    }
    this.#send();
  }

  /** True if a reply may be encoded now. Sends the batch in hand if that has no room for it. */
  #takes(bytes: number): boolean {
    const batch = this.#batch;
    if (batch !== undefined && (batch.count >= this.#repliesMax || batch.bytes + bytes > linkBatchBytesMax)) {
      this.#send();
    }
    return this.#room;
  }

  #encode(id: number, reply: Reply, bytes: number): void {
    this.#batch ??= new ReplyBatch(Math.max(bytes, Math.min(this.#lastBatchBytes, expectedBatchBytesMax)));
    this.#batch.add(id, reply);
  }

  #send(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    this.#lastBatchBytes = batch.bytes;
    this.#room = this.stream.write(batch.finish());
  }
}
