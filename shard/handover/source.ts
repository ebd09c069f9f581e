/**
 * The giving side of a hand-over: commands by which the new owner of a slot gets what is in it. They come over the
 * internal port alone.
 *
 *   HANDOVER.BEGIN epoch             → OK once this shard runs that epoch and will know so after a crash: from then on
 *                                      it takes no writes for the slots that this epoch takes from it. TRYAGAIN before.
 *                                      All writes before are on the disk by then: what is listed must not give way to
 *                                      an older value of the same key when this shard loses power
 *   HANDOVER.LIST slot cursor shard  → [next cursor, page]; layout: listing.ts. For the slot's new owner alone, and while
 *                                      both run the same epoch, or MOVED, TRYAGAIN
 *   HANDOVER.GET (space slot key)…   → for each [expiry in ms, type, meta | nil, body], nil if the key is gone,
 *                                      or an error
 *
 * What is listed stays as it is until the topology says that everything has arrived: nobody can write it any more, and
 * only expiry and eviction take keys away.
 */
import { OK, type Reply, ReplyError, replyErrorOf } from '../../commands/reply.ts';
import { KvcacheError } from '../../errors.ts';
import type { InternalCommands } from '../../link/internal-executor.ts';
import { slotCount } from '../../limits.ts';
import { type Entry, isMovingSpace, type StoredValue } from '../journal.ts';
import { parseInteger } from '../keyspace/arguments.ts';
import { allOf, type Answer } from '../keyspace/answer.ts';
import { nameOf } from '../keyspace/key-hash.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Storage } from '../storage/storage.ts';
import type { SlotMap } from '../../topology/slot-map.ts';
import { listPage } from './listing.ts';
import type { SlotStates } from './slot-states.ts';

/** Space, slot and key. */
const argumentsOfKey = 3;

/** What hand-over needs of where the topology comes from. */
export interface DurableTopology {
  readonly slots: Pick<SlotMap, 'epoch' | 'ownerOf'>;
  /** Resolves when the topology in force is on this process's disk; rejects if it cannot be written. */
  persisted(): Promise<void>;
}

export class HandoverSource {
  readonly #keyspace: Keyspace;
  readonly #states: SlotStates;
  readonly #topology: DurableTopology;
  readonly #storage: Pick<Storage, 'flush'>;

  constructor(keyspace: Keyspace, states: SlotStates, topology: DurableTopology, storage: Pick<Storage, 'flush'>) {
    this.#keyspace = keyspace;
    this.#states = states;
    this.#topology = topology;
    this.#storage = storage;
  }

  async begin(epochArgument: Buffer): Promise<Reply> {
    const epoch = parseInteger(epochArgument);
    if (epoch === undefined) return new ReplyError('ERR', 'HANDOVER.BEGIN takes an epoch');
    if (this.#topology.slots.epoch < epoch) {
      return new ReplyError('TRYAGAIN', `this shard still runs epoch ${this.#topology.slots.epoch}`);
    }
    await this.#topology.persisted();
    await this.#storage.flush('disk');
    return OK;
  }

  list(slotArgument: Buffer, cursor: Buffer, shard: string, epoch: number | undefined): Reply {
    const { slots } = this.#topology;
    if (epoch !== slots.epoch)
      return new ReplyError('TRYAGAIN', `asked by epoch ${epoch}, this shard runs ${slots.epoch}`);
    const slot = this.#departing(slotArgument);
    // Two that publish at once may name two owners for a slot by one epoch: only one of them may open it.
    const owner = slots.ownerOf(slot);
    if (owner !== shard) return new ReplyError('MOVED', `slot ${slot} is on its way to ${owner}, not to ${shard}`);
    const keyspace = this.#keyspace;
    const { next, page } = listPage(keyspace.index, slot, cursor, (entry) => !keyspace.isExpired(entry));
    return [next, page];
  }

  get(args: readonly Buffer[]): Answer<Reply> {
    const answers: Answer<Reply>[] = [];
    for (let at = 0; at < args.length; at += argumentsOfKey) {
      answers.push(this.#getOne(args[at]!, args[at + 1]!, args[at + 2]!));
    }
    return allOf(answers);
  }

  /** A value that cannot be read is an error in its place: the others come. */
  #getOne(spaceArgument: Buffer, slotArgument: Buffer, key: Buffer): Answer<Reply> {
    const slot = this.#departing(slotArgument);
    const space = parseInteger(spaceArgument);
    if (!isMovingSpace(space)) throw new KvcacheError('ERR', 'HANDOVER.GET: no such space');
    const entry = this.#keyspace.live(space, slot, nameOf(key));
    if (entry === undefined) return null;
    const value = this.#keyspace.peek(entry);
    return value instanceof Promise
      ? value.then((read) => answerOf(entry, read), replyErrorOf)
      : answerOf(entry, value);
  }

  #departing(argument: Buffer): number {
    const slot = parseInteger(argument);
    if (slot === undefined || slot < 0 || slot >= slotCount) throw new KvcacheError('ERR', 'this is no slot');
    if (!this.#states.isDeparting(slot)) {
      throw new KvcacheError('MOVED', `slot ${slot} is not being handed over by this shard at its epoch`);
    }
    return slot;
  }
}

function answerOf(entry: Entry, value: StoredValue | undefined): Reply {
  return value === undefined ? null : [entry.expireAtMs, entry.type, value.meta ?? null, value.body];
}

/** The commands of the giving side, for the internal port. */
export function handoverCommands(source: HandoverSource): InternalCommands {
  return {
    'HANDOVER.BEGIN': { arguments: 1, run: ([epoch]) => source.begin(epoch!) },
    'HANDOVER.LIST': {
      arguments: 3,
      run: ([slot, cursor, shard], { epoch }) => source.list(slot!, cursor!, shard!.toString('latin1'), epoch),
    },
    'HANDOVER.GET': { arguments: argumentsOfKey, isList: true, run: (args) => source.get(args) },
  };
}
