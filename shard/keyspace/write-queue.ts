/**
 * Writes in the order in which they came, also while the log has no room.
 *
 * As long as nothing waits and the log admits, a write is done at once, in the caller's tick. Otherwise it joins one
 * queue for the whole shard, whose head waits for the log. One queue and not one a key: what the log lacks is room,
 * and a write that overtook others would take the room they wait for.
 */
import type { CommandContext } from '../../commands/command.ts';
import { ReplyError, replyErrorOf } from '../../commands/reply.ts';
import { writeQueueBytesMax, writeQueueCommandsMax } from '../../limits.ts';
import type { Clock } from '../clock.ts';
import type { Journal } from '../journal.ts';
import type { Answer } from './answer.ts';

interface Waiting {
  readonly bytes: number;
  readonly context: CommandContext;
  /** The log's promise, if it has been asked for this write. */
  readonly admitted: Promise<void> | undefined;
  readonly apply: () => void;
  readonly refuse: (reply: ReplyError) => void;
}

export class WriteQueue {
  readonly #journal: Journal | undefined;
  readonly #clock: Clock;
  /** A queue as an array with a moving head; the part before the head is cut off now and then. */
  #waiting: (Waiting | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  #isClosed = false;

  constructor(journal: Journal | undefined, clock: Clock) {
    this.#journal = journal;
    this.#clock = clock;
  }

  /** Writes that wait. */
  get length(): number {
    return this.#waiting.length - this.#head;
  }

  /** Bytes of the writes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Does `apply` at its turn, now if nothing waits; answers an error instead if the log refuses, or if the deadline
   * passes first. `bytes` is about what `apply` appends.
   */
  run<Result>(bytes: number, context: CommandContext, apply: () => Answer<Result>): Answer<Result | ReplyError> {
    if (this.#journal === undefined) return apply();
    let admitted: Promise<void> | undefined;
    if (this.length === 0) {
      admitted = this.#journal.admit(bytes);
      if (admitted === undefined) return apply();
    }
    return this.#enqueue(bytes, context, admitted, apply);
  }

  /** True if a write of `bytes` would be done at once. */
  admitsNow(bytes: number): boolean {
    if (this.length > 0) return false;
    const admitted = this.#journal?.admit(bytes);
    // Whoever asked only this will write in turn, and hears of a refusal then.
    admitted?.catch(() => undefined);
    return admitted === undefined;
  }

  /** Refuses what waits. */
  close(): void {
    this.#isClosed = true;
    const waiting = this.#waiting.slice(this.#head);
    this.#waiting = [];
    this.#head = 0;
    this.#bytes = 0;
    for (const write of waiting) write?.refuse(new ReplyError('SHUTDOWN', 'the shard is ending; nothing was written'));
  }

  #enqueue<Result>(
    bytes: number,
    context: CommandContext,
    admitted: Promise<void> | undefined,
    apply: () => Answer<Result>,
  ): Answer<Result | ReplyError> {
    // The first to wait is let in whatever its size: else a value above the bound could never be written.
    if (this.length >= writeQueueCommandsMax || (this.length > 0 && this.#bytes + bytes > writeQueueBytesMax)) {
      return new ReplyError('TRYAGAIN', 'too many writes wait for room in the log; nothing was written');
    }
    const { promise, resolve } = Promise.withResolvers<Result | ReplyError>();
    const write: Waiting = {
      bytes,
      context,
      admitted,
      apply: () => resolve(safely(apply)),
      refuse: resolve,
    };
    this.#bytes += bytes;
    this.#waiting.push(write);
    if (this.length === 1) void this.#drain();
    return promise;
  }

  async #drain(): Promise<void> {
    while (this.length > 0) {
      const write = this.#waiting[this.#head]!;
      const refusal = await this.#refusalOf(write);
      if (this.#isClosed) return;
      this.#shift(write);
      if (refusal === undefined) write.apply();
      else write.refuse(refusal);
    }
  }

  /** Waits for the log; why the write cannot be done, or undefined when it can now. */
  async #refusalOf(write: Waiting): Promise<ReplyError | undefined> {
    try {
      // Nobody waits for it any more: then the log is not asked, unless it has been, and its answer must be heard.
      if (write.admitted === undefined) {
        const fault = this.#lateness(write.context);
        if (fault !== undefined) return fault;
      }
      await (write.admitted ?? this.#journal!.admit(write.bytes));
      return this.#lateness(write.context);
    } catch (error) {
      return replyErrorOf(error);
    }
  }

  #lateness(context: CommandContext): ReplyError | undefined {
    if (context.signal?.aborted) {
      return new ReplyError('CANCELLED', 'the caller went away before its write; nothing was written');
    }
    if (context.deadlineMs <= this.#clock.now()) {
      return new ReplyError('TIMEOUT', 'the log had no room before the deadline; nothing was written');
    }
    return undefined;
  }

  #shift(write: Waiting): void {
    this.#bytes -= write.bytes;
    this.#waiting[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#waiting.length || this.#head >= 1_024) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
  }
}

/** A fault of `apply` as an error reply: the queue goes on with the next write. */
function safely<Result>(apply: () => Answer<Result>): Answer<Result | ReplyError> {
  try {
    const result = apply();
    return result instanceof Promise ? result.catch(replyErrorOf) : result;
  } catch (error) {
    return replyErrorOf(error);
  }
}
