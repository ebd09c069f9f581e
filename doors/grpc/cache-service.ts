/**
 * kvcache.v1.Cache: batches of commands for our own SDK and command line.
 *
 * A batch's commands are started in order and run side by side. Replies that are there at once leave as one response;
 * each later one leaves at the end of the turn in which it came, with whatever else came in that turn. So a command
 * that waits for Blob or for a slow shard holds up none of its neighbours, and a batch of hits is one message.
 */
import type { CommandContext, Executor, Session } from '../../commands/command.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { arityFault, commandTable } from '../../commands/table.ts';
import type { GrpcDuplex } from '../../grpc/duplex.ts';
import type { GrpcServer } from '../../grpc/server.ts';
import type { ServerCall } from '../../grpc/server-call.ts';
import { GrpcError, grpcStatus } from '../../grpc/status.ts';
import {
  commandArgumentsMax,
  commandDeadlineDefaultMs,
  commandDeadlineMaxMs,
  grpcMessageBytesMax,
  linkBatchBytesMax,
} from '../../limits.ts';
import { encodedReplyBytes, executeMethod, type IncomingCommand, type OutgoingReply } from './cache-codec.ts';

export function addCacheService(server: GrpcServer, executor: Executor): void {
  server.addBidi(executeMethod, (stream, call) => {
    let served = false;
    stream.onMessage = (commands) => {
      if (served) {
        stream.fail(new GrpcError(grpcStatus.INVALID_ARGUMENT, 'Execute takes one request a call'));
        return;
      }
      served = true;
      new BatchExecution(stream, commands.length).start(executor, commands, contextOf(call));
    };
    stream.onRemoteEnd = () => {
      if (!served) stream.fail(new GrpcError(grpcStatus.INVALID_ARGUMENT, 'Execute takes one request a call'));
    };
  });
}

/** One batch from its request to its last reply. */
class BatchExecution {
  readonly #stream: GrpcDuplex<readonly OutgoingReply[], IncomingCommand[]>;
  readonly #ready: OutgoingReply[] = [];
  #left: number;
  #sending = false;

  constructor(stream: GrpcDuplex<readonly OutgoingReply[], IncomingCommand[]>, commands: number) {
    this.#stream = stream;
    this.#left = commands;
  }

  start(executor: Executor, commands: readonly IncomingCommand[], context: CommandContext): void {
    if (commands.length === 0) this.#stream.end();
    for (const [index, { command, acknowledgement }] of commands.entries()) {
      const fault = faultOf(command.name, command.args.length);
      const reply = fault ?? executor.execute(command, { ...context, acknowledgement });
      if (reply instanceof Promise) void reply.then((value) => this.#take(index, value));
      else this.#take(index, reply);
    }
  }

  #take(index: number, reply: Reply): void {
    this.#ready.push(sendable(index, reply));
    this.#left--;
    if (this.#sending) return;
    this.#sending = true;
    setImmediate(() => void this.#send());
  }

  /** Sends what is ready, as fast as the caller reads it. */
  async #send(): Promise<void> {
    while (this.#ready.length > 0 && this.#stream.open) {
      if (!this.#stream.write(this.#nextResponse())) await this.#stream.drained();
    }
    this.#sending = false;
    if (this.#left === 0 && this.#ready.length === 0) this.#stream.end();
  }

  /** As many replies as one message takes, one at least. */
  #nextResponse(): OutgoingReply[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#ready.length) {
      bytes += encodedReplyBytes(this.#ready[count]!);
      if (count > 0 && bytes > linkBatchBytesMax) break;
      count++;
    }
    return this.#ready.splice(0, count);
  }
}

function contextOf(call: ServerCall): CommandContext {
  const session: Session = { door: 'grpc', peer: call.peer, tenant: '' };
  const now = Date.now();
  const deadlineMs =
    call.deadlineMs === Infinity
      ? now + commandDeadlineDefaultMs
      : Math.min(call.deadlineMs, now + commandDeadlineMaxMs);
  return { session, deadlineMs, signal: call.signal };
}

function faultOf(name: string, argumentCount: number): ReplyError | undefined {
  const spec = commandTable.get(name);
  if (!spec) return new ReplyError('ERR', `unknown command '${name.slice(0, 64)}'`);
  if (argumentCount > commandArgumentsMax) {
    return new ReplyError('TOOLARGE', `${argumentCount} arguments are too many: at most ${commandArgumentsMax}`);
  }
  const fault = arityFault(spec, argumentCount);
  return fault === undefined ? undefined : new ReplyError('ERR', fault);
}

/** A reply that no message can carry becomes an error that says so. */
function sendable(index: number, reply: Reply): OutgoingReply {
  const bytes = encodedReplyBytes({ index, reply });
  if (bytes <= grpcMessageBytesMax) return { index, reply };
  const text = `a reply of ${bytes} bytes is larger than a message may be: ${grpcMessageBytesMax}; ask for less at a time`;
  return { index, reply: new ReplyError('TOOLARGE', text) };
}
