/**
 * The router: an executor that keeps nothing and sends every command to the shards that own its keys.
 *
 * What a command is comes from the command table alone: a command with one key goes to its slot's owner, one with many
 * is split by owner and its replies merged, one without keys goes to every shard. Shards check ownership themselves and
 * answer MOVED, so a router that is behind does no harm (router/part.ts). What happens while a shard is away is a
 * policy (router/away.ts).
 */
import { awaitedReply } from '../commands/awaited-reply.ts';
import type { Command, CommandContext, Executor, ReplySink, Upload } from '../commands/command.ts';
import { crossSlot, isOverSlots, slotOfArgument } from '../commands/key-slots.ts';
import { type Reply, ReplyError } from '../commands/reply.ts';
import { arityFault, type CommandSpec, commandTable, isOneOverAllShards } from '../commands/table.ts';
import { movedAttemptsMax, movedWaitMs } from '../limits.ts';
import type { TopologyView } from '../topology/holder.ts';
import { answerWithoutShard, type AwayPolicy, isAway } from './away.ts';
import { FanOut, keyCountOf, type ShardPart, splitByOwner } from './fan-out.ts';
import type { CommandLink } from '../link/command-link.ts';
import type { LinkStatistics, ShardLink } from '../link/shard-link.ts';
import { Part, stillMoving, type PartRouting } from './part.ts';
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
    return awaitedReply((sink) => this.submit(command, context, sink, 0));
  }

  submit(command: Command, context: CommandContext, sink: ReplySink, token: number): void {
    const { upload } = command;
    this.#begin(command, context, upload === undefined ? sink : new UploadEnd(upload, sink), token);
  }

  beginUpload(name: string, args: readonly Buffer[], bytes: number): Upload | undefined {
    const spec = commandTable.get(name);
    const key = spec?.keys === undefined ? undefined : args[spec.keys.first];
    if (spec?.merge !== 'single' || key === undefined) return undefined;
    const owner = this.#topology.slots.ownerOf(slotOfArgument(spec, key));
    return this.#links.get(owner)?.beginUpload?.(args.length, bytes);
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

  route(part: Part): void {
    const { spec, command } = part;
    const { slots } = this.#topology;
    if (spec.merge === 'scan') {
      hand(this.#scan(part), part);
    } else if (spec.keys === undefined) {
      this.#routeToAll(part);
    } else if (spec.merge === 'single') {
      const key = command.args[spec.keys.first];
      // Without its key, such as a request for help, any shard does.
      this.#send(part, key === undefined ? slots.owners()[0]! : slots.ownerOf(slotOfArgument(spec, key)));
    } else {
      this.#routeByKeys(part);
    }
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

  #begin(command: Command, context: CommandContext, sink: ReplySink, token: number): void {
    this.#commands += 1;
    const spec = commandTable.get(command.name);
    const fault = spec === undefined ? unknownCommand(command) : faultOf(spec, command);
    if (spec === undefined || fault !== undefined) {
      sink.reply(token, fault!);
      return;
    }
    const part = new Part(this, spec, command, context, sink, token);
    if (isOneOverAllShards(spec)) hand(this.#overAllShards(spec, command, context), part);
    else if (spec.merge === 'walk') hand(walkKeys(command.args[0]!, this.#asker(context)), part);
    else this.route(part);
  }

  #asker(context: CommandContext): (command: Command) => Promise<Reply> {
    return async (command) => this.execute(command, context);
  }

  #routeByKeys(part: Part): void {
    const { spec, command, context } = part;
    const { slots } = this.#topology;
    const pieces = splitByOwner(spec, command, slots);
    if (pieces.length < 2) {
      // Without any keys, for their number is wrong, any shard says so.
      this.#send(part, pieces[0]?.shard ?? slots.owners()[0]!);
    } else if (spec.merge === 'members') {
      this.#fanOuts += 1;
      hand(combineAtRouter(command, this.#asker(context)), part);
    } else {
      this.#sendPieces(part, pieces, keyCountOf(spec, command));
    }
  }

  #sendPieces(part: Part, pieces: readonly ShardPart[], keyCount: number): void {
    this.#fanOuts += 1;
    const { spec, context } = part;
    const fanOut = new FanOut(spec, pieces, keyCount, part.sink, part.token);
    for (const [index, { command, shard }] of pieces.entries()) {
      const piece = new Part(this, spec, command, context, fanOut, index);
      piece.attempts = part.attempts;
      this.#send(piece, shard);
    }
  }

  /** All shards must answer by one topology, or a key on the move would be there twice or not at all, or not flushed. */
  async #overAllShards(spec: CommandSpec, command: Command, context: CommandContext): Promise<Reply> {
    for (let attempt = 1; ; attempt++) {
      const { epoch } = this.#topology.slots;
      const reply = await awaitedReply((sink) => this.route(new Part(this, spec, command, context, sink, 0)));
      if (!(reply instanceof ReplyError) || reply.code !== 'MOVED') return reply;
      if (attempt === movedAttemptsMax || Date.now() >= context.deadlineMs) return stillMoving;
      await this.newerTopology(epoch, context.deadlineMs);
    }
  }

  /** Commands about keys go to their owners, others also to shards that own nothing any more and still have to give. */
  #routeToAll(part: Part): void {
    const { spec, command } = part;
    const { slots } = this.#topology;
    const shards = spec.scope === 'keyspace' ? slots.owners() : slots.topology.shards.map(({ name }) => name);
    if (spec.merge !== 'collect' && shards.length === 1) {
      this.#send(part, shards[0]!);
      return;
    }
    const pieces = shards.map((shard) => ({ shard, command, positions: [] }));
    this.#sendPieces(part, pieces, 0);
  }

  async #scan({ command, context }: Part): Promise<Reply> {
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

  async #ask(command: Command, context: CommandContext, shard: string): Promise<Reply> {
    return awaitedReply((sink) => this.#submit(command, context, shard, sink));
  }

  #send(part: Part, shard: string): void {
    part.epoch = this.#topology.slots.epoch;
    this.#submit(part.command, part.context, shard, part);
  }

  #submit(command: Command, context: CommandContext, shard: string, sink: ReplySink): void {
    const link = this.#links.get(shard);
    if (link === undefined) sink.reply(0, new ReplyError('UNAVAILABLE', `shard ${shard} has no link yet`));
    else link.submit(command, context, this.#topology.slots.epoch, sink, 0);
  }
}

/** Ends an upload when its command has been answered, whatever became of it: the shard may have it no longer. */
class UploadEnd implements ReplySink {
  readonly #upload: Upload;
  readonly #sink: ReplySink;

  constructor(upload: Upload, sink: ReplySink) {
    this.#upload = upload;
    this.#sink = sink;
  }

  reply(token: number, reply: Reply): void {
    this.#upload.end();
    this.#sink.reply(token, reply);
  }
}

function unknownCommand({ name }: Command): ReplyError {
  return new ReplyError('ERR', `unknown command '${name.slice(0, 128)}'`);
}

function faultOf(spec: CommandSpec, command: Command): ReplyError | undefined {
  const fault = arityFault(spec, command.args.length);
  if (fault !== undefined) return new ReplyError('ERR', fault);
  return isOverSlots(spec, command) ? crossSlot : undefined;
}

/** A reply that was made here, and that no shard has to say more to. */
function hand(reply: Promise<Reply>, { sink, token }: Part): void {
  void reply.then((settled) => sink.reply(token, settled));
}
