/** Gives a command to an executor of either kind, with who gets its reply: perhaps before this returns. */
import type { Command, CommandContext, Executor, ReplySink } from './command.ts';

export function submitTo(
  executor: Executor,
  command: Command,
  context: CommandContext,
  sink: ReplySink,
  token: number,
): void {
  if (executor.submit !== undefined) {
    executor.submit(command, context, sink, token);
    return;
  }
  const reply = executor.execute(command, context);
  if (reply instanceof Promise) void reply.then((settled) => sink.reply(token, settled));
  else sink.reply(token, reply);
}
