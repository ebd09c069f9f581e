/** What waits in a connection's pipeline: a command and how its reply will be shown, or a response that is there. */
import type { Command, CommandContext } from '../../commands/command.ts';
import type { Reply } from '../../commands/reply.ts';
import { commandTable } from '../../commands/table.ts';
import { keyHashesOf } from '../key-hashes.ts';
import { Pending } from '../pipeline.ts';
import type { Answer } from './answer.ts';
import type { Encoding, ResponseWriter } from './response-writer.ts';

const noKeys: readonly number[] = [];

export class PendingResponse extends Pending<Answer> {
  /** Undefined where the reply is a response. */
  readonly #encode: Encoding | undefined;

  private constructor(
    command: Command | undefined,
    context: CommandContext | undefined,
    bytes: number,
    keys: Pending<Answer>['keys'],
    writes: boolean,
    encode: Encoding | undefined,
  ) {
    super(command, context, bytes, keys, writes);
    this.#encode = encode;
  }

  static ofCommand(command: Command, bytes: number, encode: Encoding, context: CommandContext): PendingResponse {
    const spec = commandTable.get(command.name);
    // What is about the process, such as SHARDINFO, has no order among the keys.
    const keys = spec?.keys === undefined ? noKeys : keyHashesOf(spec, command);
    return new PendingResponse(command, context, bytes, keys, spec?.writes ?? true, encode);
  }

  /** A response that comes from no executor. */
  static ofAnswer(answer: Answer): PendingResponse {
    const pending = new PendingResponse(undefined, undefined, 0, noKeys, false, undefined);
    pending.answer = answer;
    return pending;
  }

  /** Once its reply is there. */
  writeTo(writer: ResponseWriter): void {
    if (this.#encode === undefined) writer.answer(this.answer as Answer);
    else writer.reply(this.answer as Reply, this.#encode);
  }
}
