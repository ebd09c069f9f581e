/**
 * kvcache.v1.Cache: batches of commands for our own SDK and command line.
 *
 * A batch's commands are started in order and run side by side. Replies that are there at once leave as one response;
 * each later one leaves at the end of the turn in which it came, with whatever else came in that turn. So a command
 * that waits for Blob or for a slow shard holds up none of its neighbours, and a batch of hits is one message.
 */
import type { CommandContext, Executor, ReplySink } from '../../commands/command.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { submitTo } from '../../commands/submit.ts';
import { arityFault, commandTable } from '../../commands/table.ts';
import type { GrpcDuplex } from '../../grpc/duplex.ts';
import type { GrpcServer } from '../../grpc/server.ts';
import { GrpcError, grpcStatus } from '../../grpc/status.ts';
import {
  commandArgumentsMax,
  executeCommandsMax,
  executeReadyBytesMax,
  executeUnderWayMax,
  grpcMessageBytesMax,
  linkBatchBytesMax,
} from '../../limits.ts';
import { encodedReplyBytes, executeMethod, type IncomingCommand, type OutgoingReply } from './cache-codec.ts';
import { cancellableContextOf, echoRequestId } from './serving.ts';
import { codeTrailer } from './status-of-error.ts';

export function addCacheService(server: GrpcServer, executor: Executor): void {
  server.addBidi(executeMethod, (stream, call) => {
    echoRequestId(call);
    const context = cancellableContextOf(call);
    let served = false;
    stream.onMessage = (commands) => {
      if (served) {
        stream.fail(new GrpcError(grpcStatus.INVALID_ARGUMENT, 'Execute takes one request a call'));
        return;
      }
      served = true;
      if (commands.length > executeCommandsMax) {
        const text = `${commands.length} commands are too many for one call: at most ${executeCommandsMax}`;
        stream.fail(new GrpcError(grpcStatus.INVALID_ARGUMENT, text, { [codeTrailer]: 'TOOLARGE' }));
        return;
      }
      void new BatchExecution(stream, commands.length).run(executor, commands, context);
    };
    stream.onRemoteEnd = () => {
      if (!served) stream.fail(new GrpcError(grpcStatus.INVALID_ARGUMENT, 'Execute takes one request a call'));
    };
  });
}

/**
 * One batch from its request to its last reply. Commands wait to be started while too many are under way, or too many
 * bytes of replies wait for a caller who reads slowly: a batch of ten thousand reads does not become ten gigabytes.
 */
class BatchExecution implements ReplySink {
  readonly #stream: GrpcDuplex<readonly OutgoingReply[], IncomingCommand[]>;
  #ready: SizedReply[] = [];
  #readyBytes = 0;
  #underWay = 0;
  /** Commands without a reply. */
  #left: number;
  #sending = false;
  #wake: (() => void) | undefined;

  constructor(stream: GrpcDuplex<readonly OutgoingReply[], IncomingCommand[]>, commands: number) {
    this.#stream = stream;
    this.#left = commands;
    void stream.closed.then(() => this.#wake?.());
  }

  /** Never rejects: executors do not, and a stream that has ended ends the batch. */
  async run(executor: Executor, commands: readonly IncomingCommand[], context: CommandContext): Promise<void> {
    if (commands.length === 0) this.#stream.end();
    for (let index = 0; index < commands.length; index++) {
      while (this.#isFull && this.#stream.open) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      if (!this.#stream.open) return;
      this.#underWay++;
      const { command, acknowledgement } = commands[index]!;
      const fault = faultOf(command.name, command.args.length);
      const own = acknowledgement ? { ...context, acknowledgement } : context;
      if (fault === undefined) submitTo(executor, command, own, this, index);
      else this.reply(index, fault);
    }
  }

  get #isFull(): boolean {
    return this.#underWay >= executeUnderWayMax || this.#readyBytes >= executeReadyBytesMax;
  }

  reply(index: number, reply: Reply): void {
    const sized = sendable(index, reply);
    this.#ready.push(sized);
    this.#readyBytes += sized.bytes;
    this.#underWay--;
    this.#left--;
    this.#wake?.();
    if (this.#sending) return;
    this.#sending = true;
    setImmediate(() => void this.#send());
  }

  /** Sends what is ready, as fast as the caller reads it. */
  async #send(): Promise<void> {
    while (this.#ready.length > 0 && this.#stream.open) {
      const room = this.#stream.write(this.#nextResponse());
      this.#wake?.();
      if (!room) await this.#stream.drained();
    }
    this.#sending = false;
    if (this.#left === 0 && this.#ready.length === 0) this.#stream.end();
  }

  /** As many replies as one message takes, one at least. */
  #nextResponse(): OutgoingReply[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#ready.length) {
      const next = this.#ready[count]!.bytes;
      if (count > 0 && bytes + next > linkBatchBytesMax) break;
      bytes += next;
      count++;
    }
    const response = this.#ready.slice(0, count);
    this.#ready = this.#ready.slice(count);
    this.#readyBytes -= bytes;
    return response;
  }
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

interface SizedReply extends OutgoingReply {
  readonly bytes: number;
}

/** A reply that no message can carry becomes an error that says so. */
function sendable(index: number, reply: Reply): SizedReply {
  const bytes = encodedReplyBytes({ index, reply });
  if (bytes <= grpcMessageBytesMax) return { index, reply, bytes };
  const text = `a reply of ${bytes} bytes is larger than a message may be: ${grpcMessageBytesMax}; ask for less at a time`;
  return { index, reply: new ReplyError('TOOLARGE', text), bytes: text.length };
}
