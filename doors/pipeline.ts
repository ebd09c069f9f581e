/**
 * The requests of one connection that have begun and are not answered: they run by KeyOrder and answer as they came.
 *
 *   oldest → … → newest      replies leave from the oldest on, as far as they are there
 *
 * A command that finds nobody before it and is answered at once never enters: its connection asks the executor and
 * writes the reply. That is the way of nearly all commands at a shard, and it allocates nothing here. At a router, which
 * answers later as a rule, a request is one object from here on: it waits in the order, and it is what its reply is
 * given to (`Executor.submit`).
 *
 * How large replies will be that are still on their way, nobody knows; those before them tell. So a pipeline of small
 * reads is deep and one of large values shallow, and what one connection may bring into memory has a bound either way.
 */
import type { Command, CommandContext, Executor, ReplySink } from '../commands/command.ts';
import { type Reply, replyBytes } from '../commands/reply.ts';
import { submitTo } from '../commands/submit.ts';
import { socketExpectedReplyBytesMax, socketPipelinedBytesMax, socketPipelinedCommandsMax } from '../limits.ts';
import { KeyOrder, type Turn } from './key-order.ts';

/** One request and, when it has come, its reply. `Own`: replies that only this door has. */
export class Pending<Own> implements Turn, ReplySink {
  /** Both undefined for a reply that comes from no executor. */
  readonly command: Command | undefined;
  readonly context: CommandContext | undefined;
  /** Of the request. */
  readonly bytes: number;
  readonly keys: Turn['keys'];
  readonly writes: boolean;
  waitsFor = 0;
  followers: Turn[] | undefined = undefined;
  uses: Turn['uses'] = undefined;
  /** Undefined until it is there. */
  answer: Reply | Own | undefined = undefined;
  answerBytes = 0;
  next: Pending<Own> | undefined = undefined;
  /** In which it waits, from its beginning on. */
  pipeline: { settle(pending: Pending<Own>, reply: Reply): void } | undefined = undefined;

  constructor(
    command: Command | undefined,
    context: CommandContext | undefined,
    bytes: number,
    keys: Turn['keys'],
    writes: boolean,
  ) {
    this.command = command;
    this.context = context;
    this.bytes = bytes;
    this.keys = keys;
    this.writes = writes;
  }

  reply(_token: number, reply: Reply): void {
    this.pipeline!.settle(this, reply);
  }
}

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
  readonly #order = new KeyOrder<Pending<Own>>();
  #oldest: Entry | undefined;
  #newest: Entry | undefined;
  #size = 0;
  #requestBytes = 0;
  #replyBytes = 0;
  #expectedReplyBytes: number;
  /** Whose turn has come while others were started. */
  readonly #free: Pending<Own>[] = [];
  #isStarting = false;

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
    void reply.then((settled) => this.settle(pending, settled));
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
      pending.answer = reply;
      this.#onSettled();
    });
  }

  /** The oldest, if its reply is there. */
  take(): Entry | undefined {
    const oldest = this.#oldest;
    if (oldest?.answer === undefined) return undefined;
    this.#oldest = oldest.next as Entry | undefined;
    if (this.#oldest === undefined) this.#newest = undefined;
    this.#size -= 1;
    this.#requestBytes -= oldest.bytes;
    this.#replyBytes -= oldest.answerBytes;
    return oldest;
  }

  /** The reply to a command that has begun is there. */
  settle(pending: Pending<Own>, reply: Reply): void {
    const bytes = replyBytes(reply);
    pending.answer = reply;
    pending.answerBytes = bytes;
    this.#replyBytes += bytes;
    this.#expectedReplyBytes = Math.max(bytes, this.#expectedReplyBytes * expectationDecay, 1);
    const free = this.#order.leave(pending);
    if (free.length > 0) this.#startAll(free);
    this.#onSettled();
  }

  #add(pending: Entry): void {
    if (this.#newest === undefined) this.#oldest = pending;
    else this.#newest.next = pending;
    this.#newest = pending;
    this.#size += 1;
    this.#requestBytes += pending.bytes;
  }

  /** One after the other: each may be answered at once and free the next, and a thousand of them would fill the stack. */
  #startAll(free: readonly Pending<Own>[]): void {
    this.#free.push(...free);
    if (this.#isStarting) return;
    this.#isStarting = true;
    for (let next = this.#free.shift(); next !== undefined; next = this.#free.shift()) this.#start(next);
    this.#isStarting = false;
  }

  #start(pending: Pending<Own>): void {
    pending.pipeline = this;
    submitTo(this.#executor, pending.command!, pending.context!, pending, 0);
  }
}
