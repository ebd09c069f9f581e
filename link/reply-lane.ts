/**
 * Replies waiting for one stream of a link. Small ones are packed into batches; a large lane sends each by itself.
 *
 * A reply is encoded only when the stream has room for it, so that what waits is the executor's own buffers and no copy.
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

export class ReplyLane {
  readonly kind: LaneKind;
  readonly stream: ServerLinkStream;
  readonly #queue = new Fifo<WaitingReply>();
  #queuedBytes = 0;
  #room = true;

  constructor(kind: LaneKind, stream: ServerLinkStream, onRoom: () => void) {
    this.kind = kind;
    this.stream = stream;
    stream.onDrain = () => {
      this.#room = true;
      this.flush();
      onRoom();
    };
  }

  get queued(): number {
    return this.#queue.length;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  push(id: number, reply: Reply, bytes = replyBytes(reply)): void {
    const fits = bytes <= linkFrameBytesMax - frameOverheadBytes;
    const sent = fits ? reply : new ReplyError('TOOLARGE', `a reply of ${bytes} bytes is above what a link carries`);
    const waiting = { id, reply: sent, bytes: (fits ? bytes : 0) + replyOverheadBytes };
    this.#queue.push(waiting);
    this.#queuedBytes += waiting.bytes;
  }

  /** Sends what the stream takes. What is left follows when it drains. */
  flush(): void {
    const repliesMax = this.kind === 'large' ? 1 : linkBatchCommandsMax;
    while (this.#room && this.#queue.length > 0) {
      const batch = new ReplyBatch(Math.min(this.#queuedBytes, linkBatchBytesMax));
      while (batch.count < repliesMax) {
        const waiting = this.#queue.peek();
        if (waiting === undefined) break;
        if (batch.count > 0 && batch.bytes + waiting.bytes > linkBatchBytesMax) break;
        this.#queue.shift();
        this.#queuedBytes -= waiting.bytes;
        batch.add(waiting.id, waiting.reply);
      }
      this.#room = this.stream.write(batch.finish());
    }
  }
}
