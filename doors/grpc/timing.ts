/** The ServerMetrics of one call: real microseconds, of which storage is the time in the executor. */
import type { Command, CommandContext, Executor } from '../../commands/command.ts';
import type { Reply } from '../../commands/reply.ts';
import type { ServerMetrics } from '../../protos/generated/kvstore.ts';
import { settle } from '../settle.ts';

export class Timing {
  readonly #startedMs = performance.now();
  #storageMs = 0;

  execute(executor: Executor, command: Command, context: CommandContext): Reply | Promise<Reply> {
    const startedMs = performance.now();
    return settle(executor.execute(command, context), (reply) => {
      this.#storageMs += performance.now() - startedMs;
      return reply;
    });
  }

  /** Up to now. The parts add up exactly. */
  metrics(): ServerMetrics {
    const totalLatencyUs = microseconds(performance.now() - this.#startedMs);
    const storageUs = microseconds(this.#storageMs);
    const storageLatencyUs = storageUs < totalLatencyUs ? storageUs : totalLatencyUs;
    return { storageLatencyUs, totalLatencyUs, overheadUs: totalLatencyUs - storageLatencyUs };
  }
}

function microseconds(milliseconds: number): bigint {
  return BigInt(Math.round(milliseconds * 1_000));
}
