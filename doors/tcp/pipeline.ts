/**
 * The requests of one connection that have begun and are not answered: those that share a key run one after the other
 * (KeyOrder), all others side by side, and all answer as they came.
 */
import type { Command, CommandContext, Executor } from '../../commands/command.ts';
import { keysOf } from '../../commands/key-slots.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { commandTable } from '../../commands/table.ts';
import { messageOf } from '../../errors.ts';
import { socketExpectedReplyBytesMax, socketPipelinedBytesMax, socketPipelinedCommandsMax } from '../../limits.ts';
import { KeyOrder, keyOrderHash, type Turn } from '../key-order.ts';
import { type Encoding, errorResponse, type Response } from './response.ts';

interface Pending extends Turn {
  readonly command: Command | undefined;
  readonly context: CommandContext | undefined;
  readonly encode: Encoding | undefined;
  readonly bytes: number;
  /** Undefined until it is there. */
  response: Response | undefined;
  next: Pending | undefined;
}

/** What the expectation of a response's size keeps of a larger one, with every response that is smaller. */
const expectationDecay = 0.75;
/** Expected before the first: 64 commands at once. */
const expectedBytesFirst = 1024 * 1024;

export class Pipeline {
  readonly #executor: Executor;
  readonly #onSettled: () => void;
  readonly #order = new KeyOrder<Pending>();
  #oldest: Pending | undefined;
  #newest: Pending | undefined;
  #size = 0;
  #bytes = 0;
  #expectedBytes = expectedBytesFirst;

  /** `onSettled` is called whenever a response has come. */
  constructor(executor: Executor, onSettled: () => void) {
    this.#executor = executor;
    this.#onSettled = onSettled;
  }

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** Bytes of payloads, and of responses that wait for those before them. */
  get bytes(): number {
    return this.#bytes;
  }

  get isFull(): boolean {
    if (this.#size === 0) return false;
    return (
      this.#size >= socketPipelinedCommandsMax ||
      this.#bytes >= socketPipelinedBytesMax ||
      this.#size * this.#expectedBytes >= socketExpectedReplyBytesMax
    );
  }

  /** Runs a command at its turn. The response, if it is there at once and nobody waits before it. */
  run(command: Command, bytes: number, encode: Encoding, context: CommandContext): Response | undefined {
    if (this.#size === 0) {
      const reply = this.#executor.execute(command, context);
      if (!(reply instanceof Promise)) return encoded(reply, encode);
      const first = pendingOf(command, bytes, encode, context);
      this.#order.enter(first);
      this.#add(first);
      this.#await(first, reply);
      return undefined;
    }
    const pending = pendingOf(command, bytes, encode, context);
    this.#add(pending);
    if (this.#order.enter(pending)) this.#start(pending);
    return undefined;
  }

  /** A response that comes from no executor, behind those before it. */
  follow(response: Response): void {
    this.#add({ ...nobody, response, followers: undefined });
  }

  /** The oldest response, if it is there. */
  take(): Response | undefined {
    const oldest = this.#oldest;
    if (oldest?.response === undefined) return undefined;
    this.#oldest = oldest.next;
    if (this.#oldest === undefined) this.#newest = undefined;
    this.#size -= 1;
    this.#bytes -= oldest.bytes + (oldest.command === undefined ? 0 : bytesOf(oldest.response));
    return oldest.response;
  }

  #add(pending: Pending): void {
    if (this.#newest === undefined) this.#oldest = pending;
    else this.#newest.next = pending;
    this.#newest = pending;
    this.#size += 1;
    this.#bytes += pending.bytes;
  }

  #start(pending: Pending): void {
    const reply = this.#executor.execute(pending.command!, pending.context!);
    if (reply instanceof Promise) this.#await(pending, reply);
    else this.#settle(pending, reply);
  }

  #await(pending: Pending, reply: Promise<Reply>): void {
    void reply.then((settled) => this.#settle(pending, settled));
  }

  #settle(pending: Pending, reply: Reply): void {
    pending.response = encoded(reply, pending.encode!);
    const bytes = bytesOf(pending.response);
    this.#bytes += bytes;
    this.#expectedBytes = Math.max(bytes, this.#expectedBytes * expectationDecay, 1);
    for (const free of this.#order.leave(pending)) this.#start(free);
    this.#onSettled();
  }
}

const nobody: Pending = {
  command: undefined,
  context: undefined,
  encode: undefined,
  bytes: 0,
  keys: [],
  writes: false,
  waitsFor: 0,
  followers: undefined,
  response: undefined,
  next: undefined,
};

function pendingOf(command: Command, bytes: number, encode: Encoding, context: CommandContext): Pending {
  const spec = commandTable.get(command.name);
  // What is about the process, such as SHARDINFO, has no order among the keys.
  const keys = spec === undefined ? [] : keysOf(spec, command).map(keyOrderHash);
  return { ...nobody, command, context, encode, bytes, keys, writes: spec?.writes ?? true };
}

function encoded(reply: Reply, encode: Encoding): Response {
  if (reply instanceof ReplyError) return errorResponse(reply.message);
  try {
    return encode(reply);
  } catch (error) {
    return errorResponse(messageOf(error));
  }
}

export function bytesOf(response: Response): number {
  return response.reduce((sum, part) => sum + part.byteLength, 0);
}
