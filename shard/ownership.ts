/**
 * Refuses commands for slots that this shard does not own, by the topology that it runs, and names the owner. Stands
 * before the engine for links and for the shard's own doors alike. Commands without keys pass.
 *
 * The owner is named without its address: a topology has those of links, which are nothing for clients.
 */
import type { Command, CommandContext, Executor } from '../commands/command.ts';
import { slotOfArgument } from '../commands/key-slots.ts';
import { type Reply, ReplyError } from '../commands/reply.ts';
import { commandTable } from '../commands/table.ts';
import type { TopologyView } from '../topology/holder.ts';

export class OwnershipExecutor implements Executor {
  readonly #inner: Executor;
  readonly #topology: TopologyView;
  readonly #shard: string;

  constructor(inner: Executor, topology: TopologyView, shard: string) {
    this.#inner = inner;
    this.#topology = topology;
    this.#shard = shard;
  }

  execute(command: Command, context: CommandContext): Reply | Promise<Reply> {
    const spec = commandTable.get(command.name);
    const keys = spec?.keys;
    if (spec !== undefined && keys !== undefined) {
      const { slots } = this.#topology;
      const last = keys.many ? command.args.length : Math.min(keys.first + 1, command.args.length);
      for (let index = keys.first; index < last; index += keys.step) {
        const slot = slotOfArgument(spec, command.args[index]!);
        const owner = slots.ownerOf(slot);
        if (owner !== this.#shard) {
          return new ReplyError('MOVED', `slot ${slot} is at ${owner}; a router answers for all shards`);
        }
      }
    }
    return this.#inner.execute(command, context);
  }
}
