/**
 * The part of a command that goes to one shard: the whole of it, for most.
 *
 * A shard that does not own a slot by its topology answers MOVED. One of the two is behind, so the part waits a moment
 * for a newer topology and is routed once more, within its deadline, by whatever the router knows then; links carry
 * topologies, so one of the two has it soon. If that does not help some times over, the client is told to try again:
 * where slots lie is not its business.
 */
import type { Command, CommandContext } from '../commands/command.ts';
import { type Reply, ReplyError } from '../commands/reply.ts';
import type { CommandSpec } from '../commands/table.ts';
import { movedAttemptsMax } from '../limits.ts';
import type { ReplySink } from '../link/pending.ts';

/** Gets the answer of each part, and the shard that it was for. */
export interface PartOwner {
  onPart(index: number, reply: Reply, shard: string): void;
}

/** What a part needs of the router. */
export interface PartRouting {
  /** Resolves once the topology is newer than the epoch, or after a bounded wait. */
  newerTopology(epoch: number, deadlineMs: number): Promise<void>;
  /** `attempt` counts from 0. */
  route(spec: CommandSpec, command: Command, context: CommandContext, attempt: number): Reply | Promise<Reply>;
  /** The answer for a shard that is away, by the policy; any other reply as it is. */
  settled(spec: CommandSpec, command: Command, reply: Reply): Reply;
}

export const stillMoving = new ReplyError(
  'TRYAGAIN',
  'slots are moving: the shard asked does not own the slot; try again',
);

export class Part implements ReplySink {
  readonly command: Command;
  readonly shard: string;
  readonly #routing: PartRouting;
  readonly #spec: CommandSpec;
  readonly #context: CommandContext;
  readonly #epoch: number;
  readonly #attempt: number;
  readonly #owner: PartOwner;

  constructor(
    routing: PartRouting,
    spec: CommandSpec,
    command: Command,
    context: CommandContext,
    shard: string,
    epoch: number,
    attempt: number,
    owner: PartOwner,
  ) {
    this.#routing = routing;
    this.#spec = spec;
    this.command = command;
    this.#context = context;
    this.shard = shard;
    this.#epoch = epoch;
    this.#attempt = attempt;
    this.#owner = owner;
  }

  reply(index: number, reply: Reply): void {
    if (!(reply instanceof ReplyError)) this.#owner.onPart(index, reply, this.shard);
    else if (reply.code !== 'MOVED' || this.#spec.keys === undefined)
      this.#finish(index, this.#routing.settled(this.#spec, this.command, reply));
    else if (this.#attempt + 1 >= movedAttemptsMax || Date.now() >= this.#context.deadlineMs)
      this.#finish(index, stillMoving);
    else void this.#routeAgain(index);
  }

  async #routeAgain(index: number): Promise<void> {
    await this.#routing.newerTopology(this.#epoch, this.#context.deadlineMs);
    this.#finish(index, await this.#routing.route(this.#spec, this.command, this.#context, this.#attempt + 1));
  }

  #finish(index: number, reply: Reply): void {
    this.#owner.onPart(index, reply, this.shard);
  }
}

/** The only part of a command, as a promise of its reply. */
export class WholeReply implements PartOwner {
  readonly promise: Promise<Reply>;
  #resolve!: (reply: Reply) => void;

  constructor() {
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  onPart(_index: number, reply: Reply): void {
    this.#resolve(reply);
  }
}
