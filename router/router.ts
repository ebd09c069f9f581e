/**
 * The router: an executor that keeps nothing and sends every command to the shards that own its keys.
 *
 * What a command is comes from the command table alone: a command with one key goes to its slot's owner, one with many
 * is split by owner and its replies merged, one without keys goes to every shard. Shards check ownership themselves and
 * answer MOVED, so a router that is behind does no harm (router/part.ts). What happens while a shard is away is a
 * policy (router/away.ts).
 */
import type { Command, CommandContext, Executor, Upload } from '../commands/command.ts';
import { crossSlot, isOverSlots, slotOfArgument } from '../commands/key-slots.ts';
import { type Reply, ReplyError } from '../commands/reply.ts';
import { arityFault, type CommandSpec, commandTable, isOneOverAllShards } from '../commands/table.ts';
import { movedAttemptsMax, movedWaitMs } from '../limits.ts';
import type { TopologyView } from '../topology/holder.ts';
import { answerWithoutShard, type AwayPolicy, isAway } from './away.ts';
import { FanOut, keyCountOf, type ShardPart, splitByOwner } from './fan-out.ts';
import type { ReplySink } from '../link/pending.ts';
import type { CommandLink } from '../link/command-link.ts';
import type { LinkStatistics, ShardLink } from '../link/shard-link.ts';
import { Part, stillMoving, type PartOwner, type PartRouting, WholeReply } from './part.ts';
import { combineAtRouter } from './set-algebra.ts';
import { mergeScan, scanPage, walkKeys } from './scan.ts';

/** The links by shard name (link/link-set.ts). */
export interface LinkDirectory {
  get(shard: string): (Pick<CommandLink, 'submit'> & Partial<Pick<ShardLink, 'beginUpload'>>) | undefined;
  all(): readonly { stats(): LinkStatistics }[];
}

export interface RouterOptions extends Partial<AwayPolicy> {
  readonly links: LinkDirectory;
  readonly topology: TopologyView;
}

export interface RouterStatistics {
  readonly epoch: number;
  readonly links: readonly LinkStatistics[];
  /** Since the start: commands, and of these the ones over several shards. */
  readonly commands: number;
  readonly fanOuts: number;
  /** Reads answered as misses and writes answered as done because a shard was away. */
  readonly readsMissedAway: number;
  readonly writesDropped: number;
  /** Commands routed again because a shard did not own their slot. */
  readonly rerouted: number;
}

export class Router implements Executor, PartRouting {
  readonly #links: LinkDirectory;
  readonly #topology: TopologyView;
  readonly #policy: AwayPolicy;
  #commands = 0;
  #fanOuts = 0;
  #readsMissedAway = 0;
  #writesDropped = 0;
  #rerouted = 0;

  constructor(options: RouterOptions) {
    this.#links = options.links;
    this.#topology = options.topology;
    this.#policy = {
      unavailableReads: options.unavailableReads ?? 'miss',
      unavailableWrites: options.unavailableWrites ?? 'error',
    };
  }

  execute(command: Command, context: CommandContext): Reply | Promise<Reply> {
    const reply = this.#execute(command, context);
    const { upload } = command;
    if (upload === undefined) return reply;
    // Whatever became of it: the shard may have it no longer, and nothing will be sent again.
    return Promise.resolve(reply).finally(() => upload.end());
  }

  beginUpload(name: string, args: readonly Buffer[], bytes: number): Upload | undefined {
    const spec = commandTable.get(name);
    const key = spec?.keys === undefined ? undefined : args[spec.keys.first];
    if (spec?.merge !== 'single' || key === undefined) return undefined;
    const owner = this.#topology.slots.ownerOf(slotOfArgument(spec, key));
    return this.#links.get(owner)?.beginUpload?.(args.length, bytes);
  }

  #execute(command: Command, context: CommandContext): Reply | Promise<Reply> {
    this.#commands += 1;
    const spec = commandTable.get(command.name);
    if (spec === undefined) return new ReplyError('ERR', `unknown command '${command.name.slice(0, 128)}'`);
    const fault = arityFault(spec, command.args.length);
    if (fault !== undefined) return new ReplyError('ERR', fault);
    if (isOverSlots(spec, command)) return crossSlot;
    if (isOneOverAllShards(spec)) return this.#overAllShards(spec, command, context);
    if (spec.merge === 'walk') return walkKeys(command.args[0]!, async (page) => this.execute(page, context));
    return this.route(spec, command, context, 0);
  }

  stats(): RouterStatistics {
    return {
      epoch: this.#topology.slots.epoch,
      links: this.#links.all().map((link) => link.stats()),
      commands: this.#commands,
      fanOuts: this.#fanOuts,
      readsMissedAway: this.#readsMissedAway,
      writesDropped: this.#writesDropped,
      rerouted: this.#rerouted,
    };
  }

  route(spec: CommandSpec, command: Command, context: CommandContext, attempt: number): Reply | Promise<Reply> {
    if (spec.merge === 'scan') return this.#scan(command, context);
    if (spec.keys === undefined) return this.#routeToAll(spec, command, context);
    const { slots } = this.#topology;
    if (spec.merge === 'single') {
      const key = command.args[spec.keys.first];
      // Without its key, such as a request for help, any shard does.
      const shard = key === undefined ? slots.owners()[0]! : slots.ownerOf(slotOfArgument(spec, key));
      return this.#routeWhole(spec, command, context, shard, attempt);
    }
    const parts = splitByOwner(spec, command, slots);
    // Without any keys, for their number is wrong, any shard says so.
    if (parts.length === 0) return this.#routeWhole(spec, command, context, slots.owners()[0]!, attempt);
    if (parts.length === 1) return this.#routeWhole(spec, command, context, parts[0]!.shard, attempt);
    if (spec.merge === 'members') {
      this.#fanOuts += 1;
      return combineAtRouter(command, async (fetch) => this.execute(fetch, context));
    }
    return this.#routeParts(spec, parts, keyCountOf(spec, command), context, attempt);
  }

  settled(spec: CommandSpec, command: Command, reply: Reply): Reply {
    if (!isAway(reply)) return reply;
    const answer = answerWithoutShard(spec, command, this.#policy);
    if (answer === undefined) return reply;
    if (spec.writes) this.#writesDropped += 1;
    else this.#readsMissedAway += 1;
    return answer.reply;
  }

  async newerTopology(epoch: number, deadlineMs: number): Promise<void> {
    this.#rerouted += 1;
    await this.#topology.newerThan(epoch, Math.max(0, Math.min(movedWaitMs, deadlineMs - Date.now())));
  }

  #routeWhole(
    spec: CommandSpec,
    command: Command,
    context: CommandContext,
    shard: string,
    attempt: number,
  ): Promise<Reply> {
    const whole = new WholeReply();
    this.#send(spec, command, context, shard, attempt, whole, 0);
    return whole.promise;
  }

  #routeParts(
    spec: CommandSpec,
    parts: readonly ShardPart[],
    keyCount: number,
    context: CommandContext,
    attempt: number,
  ): Promise<Reply> {
    this.#fanOuts += 1;
    const fanOut = new FanOut(spec, parts, keyCount);
    for (const [index, part] of parts.entries()) {
      this.#send(spec, part.command, context, part.shard, attempt, fanOut, index);
    }
    return fanOut.promise;
  }

  /** All shards must answer by one topology, or a key on the move would be there twice or not at all, or not flushed. */
  async #overAllShards(spec: CommandSpec, command: Command, context: CommandContext): Promise<Reply> {
    for (let attempt = 1; ; attempt++) {
      const { epoch } = this.#topology.slots;
      const reply = await this.route(spec, command, context, 0);
      if (!(reply instanceof ReplyError) || reply.code !== 'MOVED') return reply;
      if (attempt === movedAttemptsMax || Date.now() >= context.deadlineMs) return stillMoving;
      await this.newerTopology(epoch, context.deadlineMs);
    }
  }

  /** Commands about keys go to their owners, others also to shards that own nothing any more and still have to give. */
  #routeToAll(spec: CommandSpec, command: Command, context: CommandContext): Promise<Reply> {
    const { slots } = this.#topology;
    const shards = spec.scope === 'keyspace' ? slots.owners() : slots.topology.shards.map(({ name }) => name);
    const parts = shards.map((shard) => ({ shard, command, positions: [] }));
    if (spec.merge === 'collect' || parts.length > 1) return this.#routeParts(spec, parts, 0, context, 0);
    return this.#routeWhole(spec, command, context, shards[0]!, 0);
  }

  async #scan(command: Command, context: CommandContext): Promise<Reply> {
    const { slots } = this.#topology;
    const owners = slots.owners();
    const page = scanPage(command, owners.length);
    if (page instanceof ReplyError) return page;
    const shards = page.slot === undefined ? owners : [slots.ownerOf(page.slot)];
    const answers = await Promise.all(
      shards.map(async (shard) => ({ shard, reply: await this.#ask(page.command, context, shard) })),
    );
    return mergeScan(page, answers, () => {
      if (this.#policy.unavailableReads === 'error') return false;
      this.#readsMissedAway += 1;
      return true;
    });
  }

  #ask(command: Command, context: CommandContext, shard: string): Promise<Reply> {
    return new Promise((resolve) => {
      this.#submit(command, context, shard, { reply: (_, reply) => resolve(reply) }, 0);
    });
  }

  #send(
    spec: CommandSpec,
    command: Command,
    context: CommandContext,
    shard: string,
    attempt: number,
    owner: PartOwner,
    index: number,
  ): void {
    const part = new Part(this, spec, command, context, shard, this.#topology.slots.epoch, attempt, owner);
    this.#submit(command, context, shard, part, index);
  }

  #submit(command: Command, context: CommandContext, shard: string, sink: ReplySink, token: number): void {
    const link = this.#links.get(shard);
    if (link === undefined) sink.reply(token, new ReplyError('UNAVAILABLE', `shard ${shard} has no link yet`));
    else link.submit(command, context, this.#topology.slots.epoch, sink, token);
  }
}
