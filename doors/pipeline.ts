/**
 * The requests of one connection that have begun and are not answered: they run by KeyOrder and answer as they came.
 *
 *   oldest → … → newest      replies leave from the oldest on, as far as they are there
 *
 * A command that finds nobody before it and is answered at once never enters: its connection asks the executor and
 * writes the reply. That is the way of nearly all commands at a shard, and it allocates nothing here.
 *
 * How large replies will be that are still on their way, nobody knows; those before them tell. So a pipeline of small
 * reads is deep and one of large values shallow, and what one connection may bring into memory has a bound either way.
 */
import type { Command, CommandContext, Executor } from '../commands/command.ts';
import { type Reply, replyBytes } from '../commands/reply.ts';
import { socketExpectedReplyBytesMax, socketPipelinedBytesMax, socketPipelinedCommandsMax } from '../limits.ts';
import { KeyOrder, type Turn } from './key-order.ts';

/** One request and, when it has come, its reply. `Own`: replies that only this door has. */
export interface Pending<Own> extends Turn {
  /** Both undefined for a reply that comes from no executor. */
  readonly command: Command | undefined;
  readonly context: CommandContext | undefined;
  /** Of the request. */
  readonly bytes: number;
  /** Undefined until it is there. */
  reply: Reply | Own | undefined;
  replyBytes: number;
  next: Pending<Own> | undefined;
}

/** What a request begins with that is not answered: doors add what it is, and how its reply is shown. */
export const unanswered = {
  command: undefined,
  context: undefined,
  bytes: 0,
  keys: [],
  writes: false,
  waitsFor: 0,
  followers: undefined,
  reply: undefined,
  replyBytes: 0,
  next: undefined,
} satisfies Pending<never>;

/** What the expectation of a reply's size keeps of a larger one, with every reply that is smaller. */
const expectationDecay = 0.75;

export interface PipelineOptions {
  readonly executor: Executor;
  /** Expected of a reply before the first has come. */
  readonly expectedReplyBytes: number;
  /** Called whenever a reply has come. */
  readonly onSettled: () => void;
}

export class Pipeline<Own, Entry extends Pending<Own>> {
  readonly #executor: Executor;
  readonly #onSettled: () => void;
  readonly #order = new KeyOrder<Entry>();
  #oldest: Entry | undefined;
  #newest: Entry | undefined;
  #size = 0;
  #requestBytes = 0;
  #replyBytes = 0;
  #expectedReplyBytes: number;

  constructor({ executor, expectedReplyBytes, onSettled }: PipelineOptions) {
    this.#executor = executor;
    this.#expectedReplyBytes = expectedReplyBytes;
    this.#onSettled = onSettled;
  }

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** Commands, and other replies that wait behind them. */
  get size(): number {
    return this.#size;
  }

  /** Of requests, and of replies that are there and wait for those before them. */
  get bytes(): number {
    return this.#requestBytes + this.#replyBytes;
  }

  get isFull(): boolean {
    if (this.#size === 0) return false;
    return (
      this.#size >= socketPipelinedCommandsMax ||
      this.#requestBytes >= socketPipelinedBytesMax ||
      this.#size * this.#expectedReplyBytes >= socketExpectedReplyBytesMax
    );
  }

  /** A command that found nobody before it, has begun, and is not answered yet. */
  begin(pending: Entry, reply: Promise<Reply>): void {
    this.#order.enter(pending);
    this.#add(pending);
    this.#await(pending, reply);
  }

  /** A command that begins as soon as its turn comes. */
  enter(pending: Entry): void {
    this.#add(pending);
    if (this.#order.enter(pending)) this.#start(pending);
  }

  /** A reply that comes from no executor, behind those before it: there already, or promised. */
  follow(pending: Entry, promised?: Promise<Own>): void {
    this.#add(pending);
    void promised?.then((reply) => {
      pending.reply = reply;
      this.#onSettled();
    });
  }

  /** The oldest, if its reply is there. */
  take(): Entry | undefined {
    const oldest = this.#oldest;
    if (oldest?.reply === undefined) return undefined;
    this.#oldest = oldest.next as Entry | undefined;
    if (this.#oldest === undefined) this.#newest = undefined;
    this.#size -= 1;
    this.#requestBytes -= oldest.bytes;
    this.#replyBytes -= oldest.replyBytes;
    return oldest;
  }

  #add(pending: Entry): void {
    if (this.#newest === undefined) this.#oldest = pending;
    else this.#newest.next = pending;
    this.#newest = pending;
    this.#size += 1;
    this.#requestBytes += pending.bytes;
  }

  #start(pending: Entry): void {
    const reply = this.#executor.execute(pending.command!, pending.context!);
    if (reply instanceof Promise) this.#await(pending, reply);
    else this.#settle(pending, reply);
  }

  #await(pending: Entry, reply: Promise<Reply>): void {
    void reply.then((settled) => this.#settle(pending, settled));
  }

  #settle(pending: Entry, reply: Reply): void {
    const bytes = replyBytes(reply);
    pending.reply = reply;
    pending.replyBytes = bytes;
    this.#replyBytes += bytes;
    this.#expectedReplyBytes = Math.max(bytes, this.#expectedReplyBytes * expectationDecay, 1);
    for (const free of this.#order.leave(pending)) this.#start(free);
    this.#onSettled();
  }
}
