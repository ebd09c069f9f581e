/**
 * Lets commands through to the engine that are about this shard's slots, by the topology that it runs. Stands before
 * the engine for links and for the shard's own doors alike.
 *
 * A command of a newer topology than this shard's waits a moment for that topology, which links carry: by its own, this
 * shard might take a slot for its own that it has lost since, and has got back without what it has of it.
 *
 * For a slot of another shard the answer is MOVED and names the owner, without its address: a topology has those of
 * links, which are nothing for clients. A slot that is arriving and not open yet is opened first, and the command waits
 * for it. Commands without keys that look at all of them wait for all. Only so many wait, for either, so that a source
 * that is slow to answer does not stop the commands for all other slots: a link works on a bounded number at once.
 */
import type { Command, CommandContext, Executor } from '../commands/command.ts';
import { crossSlot, endOfKeys, isOverSlots, keysOf, slotOfArgument } from '../commands/key-slots.ts';
import { type Reply, ReplyError, replyErrorOf } from '../commands/reply.ts';
import { type CommandSpec, commandTable, isOneOverAllShards } from '../commands/table.ts';
import { movedWaitMs, waitingForSlotsBytesMax, waitingForSlotsMax } from '../limits.ts';
import type { TopologyView } from '../topology/holder.ts';

/** Slots on their way to this shard. */
export interface ArrivingSlots {
  hasClosed(): boolean;
  closed(): readonly number[];
  isClosed(slot: number): boolean;
  /** Resolves when the slots are open; rejects with a KvcacheError. */
  ready(slots: readonly number[], deadlineMs: number): Promise<void>;
}

export class OwnershipExecutor implements Executor {
  readonly #inner: Executor;
  readonly #topology: TopologyView;
  readonly #shard: string;
  readonly #arriving: ArrivingSlots | undefined;
  #waiting = 0;
  #waitingBytes = 0;

  constructor(inner: Executor, topology: TopologyView, shard: string, arriving?: ArrivingSlots) {
    this.#inner = inner;
    this.#topology = topology;
    this.#shard = shard;
    this.#arriving = arriving;
  }

  execute(command: Command, context: CommandContext): Reply | Promise<Reply> {
    const spec = commandTable.get(command.name);
    if (spec === undefined) return this.#inner.execute(command, context);
    const isAboutSlots = spec.keys !== undefined || isOneOverAllShards(spec);
    if (isAboutSlots && context.epoch !== undefined && context.epoch > this.#topology.slots.epoch) {
      return this.#executeWhenNewer(command, context, context.epoch);
    }
    if (isOverSlots(spec, command)) return crossSlot;
    const moved = this.#moved(spec, command, context);
    if (moved !== undefined) return moved;
    if (this.#arriving?.hasClosed() === true) {
      const closed = this.#closedSlots(spec, command, this.#arriving);
      if (closed.length > 0) return this.#executeWhenOpen(command, context, closed, this.#arriving);
    }
    const reply = this.#inner.execute(command, context);
    return spec.keys === undefined && spec.writes ? this.#byOneTopology(reply, context) : reply;
  }

  /** What writes to all slots takes its time: a slot that came or went meanwhile may have been left out by everybody. */
  async #byOneTopology(reply: Reply | Promise<Reply>, { epoch }: CommandContext): Promise<Reply> {
    const settled = await reply;
    const now = this.#topology.slots.epoch;
    if (settled instanceof ReplyError || epoch === undefined || epoch === now) return settled;
    return new ReplyError('MOVED', `asked by epoch ${epoch} for all shards, this one runs ${now} since`);
  }

  #executeWhenNewer(command: Command, context: CommandContext, epoch: number): Promise<Reply> {
    const waitMs = Math.max(0, Math.min(movedWaitMs, context.deadlineMs - Date.now()));
    return this.#executeAfter(command, context, async () => {
      const slots = await this.#topology.newerThan(epoch - 1, waitMs);
      if (slots.epoch >= epoch) return undefined;
      return new ReplyError('MOVED', `asked by epoch ${epoch}, this shard runs ${slots.epoch}`);
    });
  }

  #moved(spec: CommandSpec, command: Command, context: CommandContext): ReplyError | undefined {
    const { slots } = this.#topology;
    if (isOneOverAllShards(spec) && (context.epoch ?? slots.epoch) !== slots.epoch) {
      return new ReplyError('MOVED', `asked by epoch ${context.epoch} for all shards, this one runs ${slots.epoch}`);
    }
    const { keys } = spec;
    if (keys === undefined) return undefined;
    const end = endOfKeys(keys, command.args);
    for (let index = keys.first; index < end; index += keys.step) {
      const slot = slotOfArgument(spec, command.args[index]!);
      const owner = slots.ownerOf(slot);
      if (owner !== this.#shard) {
        return new ReplyError('MOVED', `slot ${slot} is at ${owner}; a router answers for all shards`);
      }
    }
    return undefined;
  }

  #closedSlots(spec: CommandSpec, command: Command, arriving: ArrivingSlots): readonly number[] {
    if (spec.keys === undefined) return spec.scope === 'keyspace' ? arriving.closed() : [];
    return keysOf(spec, command)
      .map((key) => slotOfArgument(spec, key))
      .filter((slot) => arriving.isClosed(slot));
  }

  #executeWhenOpen(
    command: Command,
    context: CommandContext,
    closed: readonly number[],
    arriving: ArrivingSlots,
  ): Promise<Reply> {
    return this.#executeAfter(command, context, async () => {
      try {
        await arriving.ready(closed, context.deadlineMs);
        return undefined;
      } catch (error) {
        return replyErrorOf(error);
      }
    });
  }

  /** Begins once more after `wait`, if it finds no fault: the topology may have gone on meanwhile. */
  async #executeAfter(
    command: Command,
    context: CommandContext,
    wait: () => Promise<ReplyError | undefined>,
  ): Promise<Reply> {
    const bytes = command.args.reduce((sum, argument) => sum + argument.byteLength, 0);
    // The first waits whatever its size.
    const isFull = this.#waiting === waitingForSlotsMax || this.#waitingBytes + bytes > waitingForSlotsBytesMax;
    if (isFull && this.#waiting > 0) {
      return new ReplyError('TRYAGAIN', 'too many commands wait for slots that arrive from other shards; try again');
    }
    this.#waiting += 1;
    this.#waitingBytes += bytes;
    const fault = await wait().finally(() => {
      this.#waiting -= 1;
      this.#waitingBytes -= bytes;
    });
    return fault ?? this.execute(command, context);
  }
}
