/**
 * One command over several shards: split by the owners of its keys, and the replies made one again.
 *
 * `sum` adds integers, `by-key` puts items back where their keys stood, `all-ok` is OK if every shard said so,
 * `concat` joins arrays, `any` picks one of those that are not nil, `collect` lists the replies in the order of the
 * shards. If a part fails the whole fails, and for a write the message
 * says where it failed and where it was done, because a command over several shards is not atomic. What every shard says
 * in the same words is about the command and about no shard: it is told as it is.
 */
import type { Command, ReplySink } from '../commands/command.ts';
import { endOfKeys, keysOf, slotOfArgument } from '../commands/key-slots.ts';
import { OK, type Reply, ReplyError } from '../commands/reply.ts';
import type { CommandSpec } from '../commands/table.ts';
import type { SlotMap } from '../topology/slot-map.ts';

/** What one shard gets of a command. */
export interface ShardPart {
  readonly shard: string;
  readonly command: Command;
  /** For each key of the part, the place of that key in the whole command. */
  readonly positions: readonly number[];
}

/** How many keys the command has. */
export function keyCountOf(spec: CommandSpec, command: Command): number {
  return keysOf(spec, command).length;
}

/** The parts of a command with many keys; the command itself where one shard owns all. */
export function splitByOwner(spec: CommandSpec, command: Command, slots: SlotMap): ShardPart[] {
  const { first, step } = spec.keys!;
  const { args } = command;
  const end = endOfKeys(spec.keys!, args);
  const parts = new Map<string, { shard: string; args: Buffer[]; positions: number[] }>();
  for (let index = first, position = 0; index < end; index += step, position += 1) {
    const shard = slots.ownerOf(slotOfArgument(spec, args[index]!));
    let part = parts.get(shard);
    if (part === undefined) {
      part = { shard, args: args.slice(0, first), positions: [] };
      parts.set(shard, part);
    }
    for (let offset = 0; offset < step; offset++) part.args.push(args[index + offset]!);
    part.positions.push(position);
  }
  return [...parts.values()].map((part) => ({
    shard: part.shard,
    command: parts.size === 1 ? command : { name: command.name, args: part.args },
    positions: part.positions,
  }));
}

/** Gets the replies of all parts, each with its index as token, and makes one of them. */
export class FanOut implements ReplySink {
  readonly #spec: CommandSpec;
  readonly #parts: readonly ShardPart[];
  readonly #replies: Reply[];
  readonly #items: Reply[];
  readonly #sink: ReplySink;
  readonly #token: number;
  #left: number;

  constructor(spec: CommandSpec, parts: readonly ShardPart[], keyCount: number, sink: ReplySink, token: number) {
    this.#spec = spec;
    this.#parts = parts;
    this.#left = parts.length;
    this.#replies = Array.from({ length: parts.length });
    this.#items = spec.merge === 'by-key' ? Array.from<Reply>({ length: keyCount }).fill(null) : [];
    this.#sink = sink;
    this.#token = token;
  }

  reply(index: number, reply: Reply): void {
    this.#replies[index] = reply;
    this.#left -= 1;
    if (this.#left === 0) this.#sink.reply(this.#token, this.#merged());
  }

  #merged(): Reply {
    const { merge } = this.#spec;
    if (merge === 'collect') return this.#replies;
    const failed = this.#replies.findIndex((reply) => reply instanceof ReplyError);
    if (failed >= 0) return this.#failure(failed);
    if (merge === 'sum') return this.#replies.reduce<number>((sum, reply) => sum + Number(reply), 0);
    if (merge === 'by-key') return this.#byKey();
    if (merge === 'concat') return this.#replies.flatMap((reply) => reply as Reply[]);
    if (merge === 'any') return this.#any();
    return OK;
  }

  /** Slots are spread evenly: so are the keys, mostly, and any shard is as good as another. */
  #any(): Reply {
    const found = this.#replies.filter((reply) => reply !== null);
    return found[Math.floor(Math.random() * found.length)] ?? null;
  }

  #byKey(): Reply {
    for (const [index, reply] of this.#replies.entries()) {
      const { positions, shard } = this.#parts[index]!;
      if (!Array.isArray(reply) || reply.length !== positions.length) {
        return new ReplyError('ERR', `shard ${shard} answered ${this.#spec.name} with another number of items`);
      }
      for (const [place, position] of positions.entries()) this.#items[position] = reply[place]!;
    }
    return this.#items;
  }

  #failure(first: number): ReplyError {
    const fault = this.#replies[first] as ReplyError;
    const saysTheSame = (reply: Reply): boolean =>
      reply instanceof ReplyError && reply.code === fault.code && reply.message === fault.message;
    if (this.#replies.every(saysTheSame)) return fault;
    const shardsWhere = (isFailed: boolean): string =>
      this.#parts
        .filter((_, index) => this.#replies[index] instanceof ReplyError === isFailed)
        .map((part) => part.shard)
        .join(', ');
    const done = this.#spec.writes ? shardsWhere(false) : '';
    const where = `failed on ${shardsWhere(true)}${done === '' ? '' : `, done on ${done}`}`;
    return new ReplyError(fault.code, `${this.#spec.name} ${where}: ${fault.message}`);
  }
}
