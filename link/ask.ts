/** One command over a link, as a promise of its reply. Never rejects: faults are error replies. */
import type { CommandContext } from '../commands/command.ts';
import type { Reply } from '../commands/reply.ts';
import type { CommandLink } from './command-link.ts';

export interface AskOptions {
  readonly timeoutMs: number;
  /** The topology epoch that the command was sent by; undefined: it is meant for this process, whatever that runs. */
  readonly epoch: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export function ask(
  link: Pick<CommandLink, 'submit'>,
  name: string,
  args: readonly Buffer[],
  options: AskOptions,
): Promise<Reply> {
  const context: CommandContext = {
    session: { door: 'link', peer: '', tenant: '' },
    deadlineMs: Date.now() + options.timeoutMs,
    signal: options.signal,
  };
  return new Promise((resolve) => {
    link.submit({ name, args }, context, options.epoch, { reply: (_, reply) => resolve(reply) }, 0);
  });
}
