/** What waits in a connection's pipeline: a command and how its reply will be shown, or a response that is there. */
import type { Command, CommandContext } from '../../commands/command.ts';
import { keysOf } from '../../commands/key-slots.ts';
import type { Reply } from '../../commands/reply.ts';
import { commandTable } from '../../commands/table.ts';
import { keyOrderHash } from '../key-order.ts';
import { type Pending, unanswered } from '../pipeline.ts';
import { encoded, type Encoding, type Response } from './response.ts';

export interface PendingResponse extends Pending<Response> {
  /** Undefined where the reply is a response. */
  readonly encode: Encoding | undefined;
}

export function pendingCommand(
  command: Command,
  bytes: number,
  encode: Encoding,
  context: CommandContext,
): PendingResponse {
  const spec = commandTable.get(command.name);
  // What is about the process, such as SHARDINFO, has no order among the keys.
  const keys = spec === undefined ? [] : keysOf(spec, command).map(keyOrderHash);
  return { ...unanswered, command, context, encode, bytes, keys, writes: spec?.writes ?? true };
}

/** A response that comes from no executor. */
export function pendingAnswer(response: Response): PendingResponse {
  return { ...unanswered, encode: undefined, reply: response };
}

/** Of a request whose reply is there. */
export function responseOf({ reply, encode }: PendingResponse): Response {
  return encode === undefined ? (reply as Response) : encoded(reply as Reply, encode);
}
