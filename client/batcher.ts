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
import type { Acknowledgement } from '../commands/command.ts';
import { commandTable } from '../commands/table.ts';
import { ReplyError, type Reply } from '../commands/reply.ts';
import { KvcacheError } from '../errors.ts';
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

interface Batch {
  readonly commands: Pending[];
  bytes: number;
  deadlineMs: number;
  /** Commands whose callers still wait for this batch. */
  waiting: number;
  stream: GrpcDuplex<readonly OutgoingCommand[], IncomingReply[]> | undefined;
}

/** One command from its caller to its reply: all that is kept of it, and one promise. */
class Pending implements OutgoingCommand {
  readonly name: string;
  readonly args: readonly Uint8Array[];
  readonly acknowledgement: Acknowledgement | undefined;
  readonly bytes: number;
  readonly deadlineMs: number;
  attempts = 0;
  batch: Batch | undefined;
  /** Runs while the command waits for its next attempt. */
  pause: NodeJS.Timeout | undefined;
  readonly #gate: Gate;
  readonly #resolve: (reply: Reply) => void;
  readonly #reject: (fault: KvcacheError) => void;
  #signal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;
  #isSettled = false;

  constructor(
    { name, args, acknowledgement }: OutgoingCommand,
    bytes: number,
    deadlineMs: number,
    gate: Gate,
    resolve: (reply: Reply) => void,
    reject: (fault: KvcacheError) => void,
  ) {
    this.name = name;
    this.args = args;
    this.acknowledgement = acknowledgement;
    this.bytes = bytes;
    this.deadlineMs = deadlineMs;
    this.#gate = gate;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Calls back when the caller gives up first. */
  watch(signal: AbortSignal, aborted: () => void): void {
    this.#signal = signal;
    this.#onAbort = aborted;
    signal.addEventListener('abort', aborted, { once: true });
  }

  settle(reply: Reply | KvcacheError): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    if (this.pause !== undefined) clearTimeout(this.pause);
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort);
    leaveBatch(this);
    this.#gate.leave(this.bytes + clientCommandOverheadBytes);
    if (reply instanceof KvcacheError) this.#reject(reply);
    else this.#resolve(reply);
  }
}

export class Batcher {
  readonly #policy: RetryPolicy;
  readonly #small: Channels;
  readonly #large: Channels;
  readonly #gate = new Gate(clientInFlightBytesMax);
  /** Not yet sent. */
  readonly #open = new Set<Batch>();
  readonly #sent = new Set<Batch>();
  /** Commands that wait for their next attempt. */
  readonly #paused = new Set<Pending>();
  #flushing = false;
  #closed = false;

  constructor(endpoint: Endpoint, policy: RetryPolicy) {
    this.#policy = policy;
    this.#small = endpoint.channels();
    this.#large = endpoint.channels({ connections: linkLargeConnections });
  }

  /**
   * What `convert` makes of the command's reply; it may throw. Rejects with CallError for an error reply and for every
   * fault on the way.
   */
  submit<Result>(
    command: OutgoingCommand,
    convert: (reply: Reply) => Result,
    deadlineMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    const bytes = commandBytes(command);
    if (bytes > grpcMessageBytesMax) return Promise.reject(new CallError('TOOLARGE', tooLarge(command, bytes), true));
    if (signal?.aborted) return Promise.reject(cancelled(true));
    const held = bytes + clientCommandOverheadBytes;
    if (this.#gate.tryEnter(held)) return this.#send(command, bytes, convert, deadlineMs, signal);
    return this.#enterInTime(held, deadlineMs, signal).then(() =>
      this.#send(command, bytes, convert, deadlineMs, signal),
    );
  }

  /** Fails what is under way and ends the connections. */
  close(): void {
    this.#closed = true;
    for (const batch of [...this.#open, ...this.#sent]) for (const pending of batch.commands) pending.settle(closed());
    for (const pending of this.#paused) pending.settle(closed());
    this.#open.clear();
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

  /** The gate was entered for it. */
  #send<Result>(
    command: OutgoingCommand,
    bytes: number,
    convert: (reply: Reply) => Result,
    deadlineMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      const answer = (reply: Reply): void => {
        try {
          resolve(convert(reply));
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      const pending = new Pending(command, bytes, deadlineMs, this.#gate, answer, reject);
      if (signal !== undefined) pending.watch(signal, () => this.#cancel(pending));
      if (this.#closed) pending.settle(closed());
      else this.#enqueue(pending);
    });
  }

  /** The caller gave up; a batch that nobody waits for any more is cancelled on the server too. */
  #cancel(pending: Pending): void {
    const batch = pending.batch;
    this.#paused.delete(pending);
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
    this.#sent.add(batch);
    stream.onMessage = (replies) => {
      for (const { index, reply } of replies) this.#answered(batch.commands[index], reply);
    };
    void stream.closed.then((end) => this.#ended(batch, end, channel.target));
    stream.write(batch.commands);
    stream.end();
  }

  #answered(pending: Pending | undefined, reply: Reply): void {
    if (!pending || pending.isSettled) return;
    if (reply instanceof ReplyError) this.#failed(pending, callErrorOfReply(reply));
    else pending.settle(reply);
  }

  /** The call is over; who has no reply by now gets its fault. */
  #ended(batch: Batch, end: StreamEnd, target: string): void {
    this.#sent.delete(batch);
    const missing = batch.waiting === 0 ? [] : batch.commands.filter((pending) => pending.batch === batch);
    // V8's Sets leave tables behind that know what was in them, and each the next: one that has become old keeps all
    // batches after it, until the whole heap is marked.
    batch.commands.length = 0;
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
    if (!inTime || !mayRepeat(pending.name, error)) {
      pending.settle(error);
      return;
    }
    leaveBatch(pending);
    this.#paused.add(pending);
    pending.pause = setTimeout(() => {
      this.#paused.delete(pending);
      this.#enqueue(pending);
    }, delayMs);
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
