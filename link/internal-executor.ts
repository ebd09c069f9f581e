/**
 * What the internal port answers beside, or instead of, the commands of the table: commands that only processes of the
 * same cluster may give. They are no part of the command table, so no public door can let them through.
 */
import type { Command, CommandContext, Executor } from '../commands/command.ts';
import { type Reply, ReplyError, replyErrorOf } from '../commands/reply.ts';

export interface InternalCommand {
  /** Number of arguments without the name. */
  readonly arguments: number;
  /** Any multiple of that number may come, but for none. */
  readonly isList?: true;
  readonly run: (args: readonly Buffer[], context: CommandContext) => Reply | Promise<Reply>;
}

export type InternalCommands = Readonly<Record<string, InternalCommand>>;

export class InternalExecutor implements Executor {
  readonly #commands: ReadonlyMap<string, InternalCommand>;
  readonly #inner: Executor | undefined;

  /** `inner` does every other command; without it they are refused. */
  constructor(commands: InternalCommands, inner?: Executor) {
    this.#commands = new Map(Object.entries(commands));
    this.#inner = inner;
  }

  execute(command: Command, context: CommandContext): Reply | Promise<Reply> {
    const internal = this.#commands.get(command.name);
    if (internal === undefined) {
      if (this.#inner !== undefined) return this.#inner.execute(command, context);
      return new ReplyError('ERR', `the internal port of this process knows no command '${command.name}'`);
    }
    const { length } = command.args;
    const isList = internal.isList === true && length > 0 && length % internal.arguments === 0;
    if (length !== internal.arguments && !isList) {
      const wanted = `${internal.isList === true ? 'a multiple of ' : ''}${internal.arguments}`;
      return new ReplyError('ERR', `${command.name} takes ${wanted} arguments, not ${length}`);
    }
    try {
      const reply = internal.run(command.args, context);
      return reply instanceof Promise ? reply.catch(replyErrorOf) : reply;
    } catch (error) {
      return replyErrorOf(error);
    }
  }
}
