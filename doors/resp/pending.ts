/** What waits in a connection's pipeline: a command or a reply of the door's own, and how it will be shown. */
import type { Command, CommandContext } from '../../commands/command.ts';
import { keysOf } from '../../commands/key-slots.ts';
import { keyOrderHash } from '../key-order.ts';
import { type Pending, unanswered } from '../pipeline.ts';
import type { KnownCommand } from './catalogue.ts';
import type { Protocol } from './reply-writer.ts';
import type { RespReply } from './resp-reply.ts';

/** How a reply is shown, decided when its command came. */
export interface Showing {
  readonly protocol: Protocol;
  /** CLIENT REPLY OFF and SKIP. */
  readonly isSilent: boolean;
  /** The connection ends after this reply. */
  readonly isLast: boolean;
  /** When its command came (performance.now()), for those whose time is taken. */
  readonly startedMs?: number;
}

export interface PendingReply extends Pending<RespReply> {
  readonly known: KnownCommand | undefined;
  readonly showing: Showing;
}

export function pendingCommand(
  known: KnownCommand,
  command: Command,
  context: CommandContext,
  showing: Showing,
): PendingReply {
  const { spec } = known;
  let bytes = 0;
  for (const argument of command.args) bytes += argument.byteLength;
  return {
    ...unanswered,
    known,
    showing,
    command,
    context,
    bytes,
    // Without keys it is about all of them.
    keys: spec?.keys === undefined ? undefined : keysOf(spec, command).map(keyOrderHash),
    writes: spec?.writes ?? true,
  };
}

/** A reply that comes from no executor; undefined if it is still on its way. */
export function pendingAnswer(reply: RespReply | undefined, showing: Showing): PendingReply {
  return { ...unanswered, known: undefined, showing, reply };
}
