/**
 * The part of a command that goes to one shard: the whole of it, for most.
 *
 * A shard that does not own a slot by its topology answers MOVED. One of the two is behind, so the part waits a moment
 * for a newer topology and is routed once more, within its deadline, by whatever the router knows then; links carry
 * topologies, so one of the two has it soon. If that does not help some times over, the client is told to try again:
 * where slots lie is not its business.
 */
import type { Command, CommandContext, ReplySink } from '../commands/command.ts';
import { type Reply, ReplyError } from '../commands/reply.ts';
import type { CommandSpec } from '../commands/table.ts';
import { movedAttemptsMax } from '../limits.ts';

/** What a part needs of the router. */
export interface PartRouting {
  /** Resolves once the topology is newer than the epoch, or after a bounded wait. */
  newerTopology(epoch: number, deadlineMs: number): Promise<void>;
  /** Sends a part by what is known of slots now. */
  route(part: Part): void;
  /** The answer for a shard that is away, by the policy; any other reply as it is. */
  settled(spec: CommandSpec, command: Command, reply: Reply): Reply;
}

export const stillMoving = new ReplyError(
  'TRYAGAIN',
  'slots are moving: the shard asked does not own the slot; try again',
);

export class Part implements ReplySink {
  readonly spec: CommandSpec;
  readonly command: Command;
  readonly context: CommandContext;
  /** Gets the answer, with the token. */
  readonly sink: ReplySink;
  readonly token: number;
  /** By which it was sent. */
  epoch = 0;
  /** How often it was answered MOVED. */
  attempts = 0;
  readonly #routing: PartRouting;

  constructor(
    routing: PartRouting,
    spec: CommandSpec,
    command: Command,
    context: CommandContext,
    sink: ReplySink,
    token: number,
  ) {
    this.#routing = routing;
    this.spec = spec;
    this.command = command;
    this.context = context;
    this.sink = sink;
    this.token = token;
  }

  /** What its shard says. */
  reply(_token: number, reply: Reply): void {
    if (!(reply instanceof ReplyError)) this.sink.reply(this.token, reply);
    else this.#onFault(reply);
  }

  #onFault(fault: ReplyError): void {
    const { sink, token, spec } = this;
    if (fault.code !== 'MOVED' || spec.keys === undefined) {
      sink.reply(token, this.#routing.settled(spec, this.command, fault));
    } else if (this.attempts + 1 >= movedAttemptsMax || Date.now() >= this.context.deadlineMs) {
      sink.reply(token, stillMoving);
    } else {
      void this.#routeAgain();
    }
  }

  async #routeAgain(): Promise<void> {
    this.attempts += 1;
    await this.#routing.newerTopology(this.epoch, this.context.deadlineMs);
    this.#routing.route(this);
  }
}
