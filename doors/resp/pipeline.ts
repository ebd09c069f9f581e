/**
 * The commands of one connection that have begun and are not answered: they run by KeyOrder and answer as they came.
 *
 *   oldest → … → newest      replies leave from the oldest on, as far as they are there
 *
 * A command that finds nobody before it and is answered at once never enters: that is the way of nearly all commands at
 * a shard, and it allocates nothing here.
 */
import type { Command, CommandContext, Executor } from '../../commands/command.ts';
import { endOfKeys } from '../../commands/key-slots.ts';
import { type Reply, replyBytes } from '../../commands/reply.ts';
import { socketExpectedReplyBytesMax, socketPipelinedBytesMax, socketPipelinedCommandsMax } from '../../limits.ts';
import type { KnownCommand } from './catalogue.ts';
import { KeyOrder, keyOrderHash, type Turn } from '../key-order.ts';
import type { Protocol } from './reply-writer.ts';
import type { RespReply } from './resp-reply.ts';

/** How a reply is shown, decided when its command came. */
export interface Showing {
  readonly protocol: Protocol;
  /** CLIENT REPLY OFF and SKIP. */
  readonly isSilent: boolean;
  /** The connection ends after this reply. */
  readonly isLast: boolean;
  /** When its command came (performance.now()), for those whose time is taken. */
  readonly startedMs?: number;
}

export interface PendingReply extends Showing, Turn {
  readonly known: KnownCommand | undefined;
  readonly command: Command | undefined;
  readonly context: CommandContext | undefined;
  readonly bytes: number;
  /** Undefined until it is there. */
  reply: RespReply | undefined;
  replyBytes: number;
  next: PendingReply | undefined;
}

/** What the expectation of a reply's size keeps of a larger one, with every reply that is smaller. */
const expectationDecay = 0.75;
/** Expected before the first: sixteen commands at once. */
const expectedReplyBytesFirst = 4 * 1024 * 1024;

export class Pipeline {
  readonly #executor: Executor;
  readonly #onSettled: () => void;
  readonly #order = new KeyOrder<PendingReply>();
  #oldest: PendingReply | undefined;
  #newest: PendingReply | undefined;
  #size = 0;
  #bytes = 0;
  #replyBytes = 0;
  #expectedReplyBytes = expectedReplyBytesFirst;

  /** `onSettled` is called whenever a reply has come. */
  constructor(executor: Executor, onSettled: () => void) {
    this.#executor = executor;
    this.#onSettled = onSettled;
  }

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** Commands, and other replies that wait behind them. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of arguments. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Of replies that are there and wait for those before them. */
  get replyBytes(): number {
    return this.#replyBytes;
  }

  get isFull(): boolean {
    if (this.#size === 0) return false;
    return (
      this.#size >= socketPipelinedCommandsMax ||
      this.#bytes >= socketPipelinedBytesMax ||
      this.#size * this.#expectedReplyBytes >= socketExpectedReplyBytesMax
    );
  }

  /** Runs a command as soon as its turn comes. Answers at once, if there is an answer and nobody before it. */
  run(known: KnownCommand, command: Command, context: CommandContext, showing: Showing): Reply | undefined {
    if (this.#size === 0) {
      const reply = this.#executor.execute(command, context);
      if (!(reply instanceof Promise)) return reply;
      const pending = pendingCommand(known, command, context, showing);
      this.#order.enter(pending);
      this.#add(pending);
      this.#await(pending, reply);
      return undefined;
    }
    const pending = pendingCommand(known, command, context, showing);
    this.#add(pending);
    if (this.#order.enter(pending)) this.#start(pending);
    return undefined;
  }

  /** A reply that comes from no executor, behind those before it. */
  follow(reply: RespReply | Promise<RespReply>, showing: Showing): void {
    const isThere = !(reply instanceof Promise);
    const pending: PendingReply = {
      ...showing,
      known: undefined,
      command: undefined,
      context: undefined,
      bytes: 0,
      keys: [],
      writes: false,
      waitsFor: 0,
      followers: undefined,
      reply: isThere ? reply : undefined,
      replyBytes: 0,
      next: undefined,
    };
    this.#add(pending);
    if (isThere) return;
    void reply.then((settled) => {
      pending.reply = settled;
      this.#onSettled();
    });
  }

  /** The oldest, if its reply is there. */
  take(): PendingReply | undefined {
    const oldest = this.#oldest;
    if (oldest?.reply === undefined) return undefined;
    this.#oldest = oldest.next;
    if (this.#oldest === undefined) this.#newest = undefined;
    this.#size -= 1;
    this.#bytes -= oldest.bytes;
    this.#replyBytes -= oldest.replyBytes;
    return oldest;
  }

  #add(pending: PendingReply): void {
    if (this.#newest === undefined) this.#oldest = pending;
    else this.#newest.next = pending;
    this.#newest = pending;
    this.#size += 1;
    this.#bytes += pending.bytes;
  }

  #start(pending: PendingReply): void {
    const reply = this.#executor.execute(pending.command!, pending.context!);
    if (reply instanceof Promise) this.#await(pending, reply);
    else this.#settle(pending, reply);
  }

  #await(pending: PendingReply, reply: Promise<Reply>): void {
    void reply.then((settled) => this.#settle(pending, settled));
  }

  #settle(pending: PendingReply, reply: Reply): void {
    pending.reply = reply;
    const bytes = replyBytes(reply);
    pending.replyBytes = bytes;
    this.#replyBytes += bytes;
    const faded = this.#expectedReplyBytes * expectationDecay;
    this.#expectedReplyBytes = Math.max(bytes, faded, 1);
    for (const free of this.#order.leave(pending)) this.#start(free);
    this.#onSettled();
  }
}

function pendingCommand(
  known: KnownCommand,
  command: Command,
  context: CommandContext,
  showing: Showing,
): PendingReply {
  let bytes = 0;
  for (const argument of command.args) bytes += argument.byteLength;
  return {
    ...showing,
    known,
    command,
    context,
    bytes,
    keys: keysOf(known, command.args),
    writes: known.spec?.writes ?? true,
    waitsFor: 0,
    followers: undefined,
    reply: undefined,
    replyBytes: 0,
    next: undefined,
  };
}

/** Undefined where all keys are meant. */
function keysOf({ spec }: KnownCommand, args: readonly Buffer[]): number[] | undefined {
  if (spec?.keys === undefined) return undefined;
  const { first, step } = spec.keys;
  const end = endOfKeys(spec.keys, args);
  const keys: number[] = [];
  for (let index = first; index < end; index += step) keys.push(keyOrderHash(args[index]!));
  return keys;
}
