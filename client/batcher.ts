/**
 * Commands on their way to the server: those made in one turn of the event loop travel as one Execute call.
 *
 *   submit ─► gate (bytes under way) ─► open batch ─► one stream a batch ─► replies by index ─► callers
 *                                          └─ above `linkLargeValueBytes`: alone, on a connection of its own
 *
 * Batching costs a caller nothing but the rest of its turn, and divides the cost of a call by the size of the batch.
 * Replies of one batch come as they are ready, so that a slow one holds up no other. Commands run side by side on the
 * server: who needs an order awaits the first before sending the second.
 *
 * Invariant: a pending command is settled exactly once, and leaves the gate exactly then, also between attempts.
 */
import { commandTable } from '../commands/table.ts';
import { ReplyError, type Reply } from '../commands/reply.ts';
import type { KvcacheError } from '../errors.ts';
import { errorOfEnd, GrpcError, grpcStatus, type StreamEnd } from '../grpc/status.ts';
import type { GrpcDuplex } from '../grpc/duplex.ts';
import {
  clientBatchBytesMax,
  clientBatchCommandsMax,
  clientCommandOverheadBytes,
  clientInFlightBytesMax,
  grpcMessageBytesMax,
  linkLargeConnections,
  linkLargeValueBytes,
} from '../limits.ts';
import { commandBytes, executeMethod, type IncomingReply, type OutgoingCommand } from './cache-codec.ts';
import { CallError, callErrorOf, callErrorOfReply, mayRepeatRead, mayRepeatWrite } from './call-error.ts';
import type { Channels } from './channels.ts';
import type { Endpoint } from './endpoint.ts';
import { Gate } from './gate.ts';
import { type RetryPolicy, retryDelayMs } from './retry.ts';

/** Commands whose deadlines lie so close together share a batch; its deadline is the latest of theirs. */
const sharedDeadlineMs = 100;
/** Commands that are the same done twice: a block's key says what it holds. */
const repeatableWrites: ReadonlySet<string> = new Set(['BLOCK.PUT', 'FLUSH']);

interface Pending {
  readonly command: OutgoingCommand;
  readonly bytes: number;
  readonly deadlineMs: number;
  readonly settle: (reply: Reply | KvcacheError) => void;
  settled: boolean;
  attempts: number;
  batch: Batch | undefined;
  /** Runs while the command waits for its next attempt. */
  pause: NodeJS.Timeout | undefined;
}

interface Batch {
  readonly commands: Pending[];
  bytes: number;
  deadlineMs: number;
  /** Commands whose callers still wait for this batch. */
  waiting: number;
  stream: GrpcDuplex<readonly OutgoingCommand[], IncomingReply[]> | undefined;
}

export class Batcher {
  readonly #policy: RetryPolicy;
  readonly #small: Channels;
  readonly #large: Channels;
  readonly #gate = new Gate(clientInFlightBytesMax);
  readonly #open = new Set<Batch>();
  readonly #pending = new Set<Pending>();
  #flushing = false;
  #closed = false;

  constructor(endpoint: Endpoint, policy: RetryPolicy) {
    this.#policy = policy;
    this.#small = endpoint.channels();
    this.#large = endpoint.channels({ connections: linkLargeConnections });
  }

  /** The command's reply; rejects with CallError for an error reply and for every fault on the way. */
  async submit(command: OutgoingCommand, deadlineMs: number, signal: AbortSignal | undefined): Promise<Reply> {
    const bytes = commandBytes(command);
    if (bytes > grpcMessageBytesMax) throw new CallError('TOOLARGE', tooLarge(command, bytes), true);
    if (signal?.aborted) throw cancelled(true);
    const held = bytes + clientCommandOverheadBytes;
    if (!this.#gate.tryEnter(held)) await this.#enterInTime(held, deadlineMs, signal);
    try {
      return await this.#send(command, bytes, deadlineMs, signal);
    } finally {
      this.#gate.leave(held);
    }
  }

  /** Fails what is under way and ends the connections. */
  close(): void {
    this.#closed = true;
    for (const pending of this.#pending) pending.settle(closed());
    this.#small.close();
    this.#large.close();
  }

  async #enterInTime(held: number, deadlineMs: number, signal: AbortSignal | undefined): Promise<void> {
    const late = AbortSignal.timeout(Math.max(0, deadlineMs - Date.now()));
    try {
      await this.#gate.enter(held, signal ? AbortSignal.any([signal, late]) : late);
    } catch (cause) {
      if (!late.aborted || signal?.aborted) throw cancelled(true);
      throw new CallError('TIMEOUT', 'too much was under way until the deadline', true, { cause });
    }
  }

  #send(command: OutgoingCommand, bytes: number, deadlineMs: number, signal: AbortSignal | undefined): Promise<Reply> {
    if (this.#closed) throw closed();
    return new Promise((resolve, reject) => {
      const cancel = (): void => this.#cancel(pending);
      const settle = (reply: Reply | KvcacheError): void => {
        if (pending.settled) return;
        pending.settled = true;
        this.#pending.delete(pending);
        clearTimeout(pending.pause);
        signal?.removeEventListener('abort', cancel);
        leaveBatch(pending);
        if (reply instanceof Error) reject(reply);
        else resolve(reply);
      };
      const state = { settled: false, attempts: 0, batch: undefined, pause: undefined };
      const pending: Pending = { command, bytes, deadlineMs, settle, ...state };
      this.#pending.add(pending);
      signal?.addEventListener('abort', cancel, { once: true });
      this.#enqueue(pending);
    });
  }

  /** The caller gave up; a batch that nobody waits for any more is cancelled on the server too. */
  #cancel(pending: Pending): void {
    const batch = pending.batch;
    pending.settle(cancelled(false));
    if (batch?.waiting === 0) batch.stream?.cancel();
  }

  #enqueue(pending: Pending): void {
    pending.attempts++;
    if (pending.bytes > linkLargeValueBytes) {
      this.#transmit(newBatch(pending), this.#large);
      return;
    }
    const batch = this.#join(pending);
    if (batch.commands.length >= clientBatchCommandsMax) this.#transmitOpen(batch);
    else this.#flushSoon();
  }

  /** The open batch that the command has joined. */
  #join(pending: Pending): Batch {
    for (const batch of this.#open) {
      if (Math.abs(batch.deadlineMs - pending.deadlineMs) > sharedDeadlineMs) continue;
      if (batch.bytes + pending.bytes > clientBatchBytesMax) {
        this.#transmitOpen(batch);
        continue;
      }
      batch.commands.push(pending);
      batch.bytes += pending.bytes;
      batch.deadlineMs = Math.max(batch.deadlineMs, pending.deadlineMs);
      batch.waiting++;
      pending.batch = batch;
      return batch;
    }
    const batch = newBatch(pending);
    this.#open.add(batch);
    return batch;
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      for (const batch of this.#open) this.#transmitOpen(batch);
    });
  }

  #transmitOpen(batch: Batch): void {
    this.#open.delete(batch);
    if (batch.waiting > 0) this.#transmit(batch, this.#small);
  }

  #transmit(batch: Batch, channels: Channels): void {
    const channel = channels.choose();
    const stream = channel.bidi(executeMethod, { deadlineMs: batch.deadlineMs });
    batch.stream = stream;
    stream.onMessage = (replies) => {
      for (const { index, reply } of replies) this.#answered(batch.commands[index], reply);
    };
    void stream.closed.then((end) => this.#ended(batch, end, channel.target));
    stream.write(batch.commands.map((pending) => pending.command));
    stream.end();
  }

  #answered(pending: Pending | undefined, reply: Reply): void {
    if (!pending || pending.settled) return;
    if (reply instanceof ReplyError) this.#failed(pending, callErrorOfReply(reply));
    else pending.settle(reply);
  }

  /** The call is over; who has no reply by now gets its fault. */
  #ended(batch: Batch, end: StreamEnd, target: string): void {
    const missing = batch.commands.filter((pending) => pending.batch === batch);
    if (missing.length === 0) return;
    const fault =
      end.code === grpcStatus.OK
        ? new GrpcError(grpcStatus.UNAVAILABLE, 'the server ended the call without a reply')
        : errorOfEnd(end);
    const error = callErrorOf(fault, target);
    for (const pending of missing) this.#failed(pending, error);
  }

  #failed(pending: Pending, error: CallError): void {
    const delayMs = retryDelayMs(this.#policy, pending.attempts, Math.random());
    const inTime = pending.attempts < this.#policy.attemptsMax && Date.now() + delayMs < pending.deadlineMs;
    if (!inTime || !mayRepeat(pending.command.name, error)) {
      pending.settle(error);
      return;
    }
    leaveBatch(pending);
    pending.pause = setTimeout(() => this.#enqueue(pending), delayMs);
  }
}

function newBatch(pending: Pending): Batch {
  const batch: Batch = {
    commands: [pending],
    bytes: pending.bytes,
    deadlineMs: pending.deadlineMs,
    waiting: 1,
    stream: undefined,
  };
  pending.batch = batch;
  return batch;
}

function leaveBatch(pending: Pending): void {
  if (pending.batch) pending.batch.waiting--;
  pending.batch = undefined;
}

function mayRepeat(name: string, error: CallError): boolean {
  const writes = commandTable.get(name)?.writes ?? true;
  return writes && !repeatableWrites.has(name) ? mayRepeatWrite(error) : mayRepeatRead(error);
}

function cancelled(nothingDone: boolean): CallError {
  return new CallError('CANCELLED', 'the call was cancelled by its caller', nothingDone);
}

function closed(): CallError {
  return new CallError('CANCELLED', 'the client is closed', false);
}

function tooLarge({ name }: OutgoingCommand, bytes: number): string {
  return `${name} with ${bytes} bytes of arguments is larger than a message may be: ${grpcMessageBytesMax}`;
}
