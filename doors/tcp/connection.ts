/**
 * One connection of a client: bytes in, requests run, responses out.
 *
 *   data ─▶ FrameReader ─▶ requestOf ─▶ Pipeline ─▶ executor
 *   write ◀─ responses, in the order of their requests
 *
 * A connection is held (its socket not read, the rest of its chunk left) while enough of its requests are at work, while
 * what it was answered has not been sent, and while there is no room for the frame that it is sending.
 *
 * A payload that is none is answered with INVALID, and the connection goes on, for the frame's end is known. A head that
 * claims too much is answered with INVALID too and ends the connection, for nothing behind it can be understood without
 * reading what was refused.
 */
import type { Socket } from 'node:net';
import type { CommandContext, Executor, Session } from '../../commands/command.ts';
import { TypedFault } from '../../commands/typed-value.ts';
import {
  commandDeadlineDefaultMs,
  socketPipelinedBytesMax,
  socketStallMaxMs,
  socketUnauthenticatedBytesMax,
  socketUnsentBytesHigh,
  tcpLingerMs,
  tcpPayloadBytesMax,
} from '../../limits.ts';
import { type Authenticator, refusalText } from '../../security/authenticator.ts';
import type { Refusals } from '../../security/figures.ts';
import type { BudgetWaiter, InFlightBudget } from '../in-flight-budget.ts';
import { Pipeline } from '../pipeline.ts';
import type { ListenedConnection } from '../socket-listener.ts';
import type { TcpFigures } from './figures.ts';
import { FrameReader } from './frame-reader.ts';
import { pendingAnswer, pendingCommand, type PendingResponse, responseOf } from './pending.ts';
import { commandCodes, statusCodes, tooLargeText } from './protocol.ts';
import { requestOf, type TypedRequest } from './requests.ts';
import { bytesOf, encoded, errorResponse, invalidResponse, okResponse, type Response } from './response.ts';

/** What all connections of a door share. */
export interface TcpParts {
  readonly executor: Executor;
  readonly authenticator: Authenticator;
  readonly refusals: Refusals | undefined;
  readonly budget: InFlightBudget;
  readonly figures: TcpFigures;
}

/** Expected before the first: 64 commands at once. */
const expectedReplyBytesFirst = 1024 * 1024;
const mustAuthenticate = errorResponse('Authentication required');

export class TcpConnection implements ListenedConnection, BudgetWaiter {
  lastReadAtMs = Date.now();
  readonly #socket: Socket;
  readonly #parts: TcpParts;
  readonly #reader: FrameReader;
  readonly #pipeline: Pipeline<Response, PendingResponse>;
  #session: Session;
  #isAuthenticated: boolean;
  #context: CommandContext | undefined;
  /** What the budget counts for it. */
  #counted = 0;
  #admitted = 0;
  #isWaitingForRoom = false;
  #isRunning = false;
  #isPaused = false;
  /** No request is read any more: a fault, or the end of the input or the door. */
  #isEnding = false;
  /** The client has ended its side; what came before that may still be held. */
  #hasInputEnded = false;
  #isClosed = false;
  #isDirty = false;
  #isStallArmed = false;

  constructor(socket: Socket, session: Session, parts: TcpParts) {
    this.#socket = socket;
    this.#session = session;
    this.#parts = parts;
    this.#isAuthenticated = !parts.authenticator.isRequired;
    this.#reader = new FrameReader((bytes, isGrowth) => {
      if (!parts.budget.take(this, bytes, isGrowth)) return false;
      this.#admitted += bytes;
      return true;
    });
    if (!this.#isAuthenticated) this.#reader.payloadBytesMax = socketUnauthenticatedBytesMax;
    this.#pipeline = new Pipeline({
      executor: parts.executor,
      expectedReplyBytes: expectedReplyBytesFirst,
      onSettled: () => this.#flushLater(),
    });
    socket.on('data', (chunk) => this.#onData(chunk as Buffer));
    socket.on('drain', () => this.#go());
    socket.on('end', () => this.#onInputEnd());
    socket.on('timeout', () => this.#onStall());
    socket.on('close', () => this.#onClose());
  }

  get isIdle(): boolean {
    return this.#pipeline.isEmpty && !this.#reader.isPartial && this.#socket.writableLength === 0;
  }

  end(): void {
    this.#isEnding = true;
    this.#endIfDone();
  }

  endIdle(): void {
    this.end();
  }

  /** Looked at every few seconds: a connection that is in the middle of something gets so long to move. */
  watchForStall(): void {
    if (this.#socket.writableEnded) return;
    const isStuck = !this.#isWaitingForRoom && (this.#reader.isPartial || this.#socket.writableLength > 0);
    if (isStuck === this.#isStallArmed) return;
    this.#isStallArmed = isStuck;
    this.#socket.setTimeout(isStuck ? socketStallMaxMs : 0);
  }

  onRoom(): void {
    this.#isWaitingForRoom = false;
    this.#go();
  }

  #onData(chunk: Buffer): void {
    this.lastReadAtMs = Date.now();
    this.#parts.figures.bytesRead += chunk.byteLength;
    // A connection that ends reads on, and takes no more requests.
    if (this.#isEnding) return;
    this.#reader.feed(chunk);
    this.#go();
  }

  #onInputEnd(): void {
    this.#hasInputEnded = true;
    this.#go();
  }

  #onStall(): void {
    if (!this.#socket.writableEnded) {
      if (this.isIdle || this.#isWaitingForRoom) return;
      this.#parts.figures.endedStalled += 1;
    }
    this.#socket.destroy();
  }

  #onClose(): void {
    this.#isClosed = true;
    this.#parts.budget.settle(this);
    this.#parts.budget.add(-this.#counted - this.#admitted);
    this.#counted = 0;
    this.#admitted = 0;
  }

  #flushLater(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    // After all promises that are settled in this turn: what they answer leaves together.
    process.nextTick(() => {
      this.#isDirty = false;
      this.#go();
    });
  }

  /** Sends what has been answered, and runs requests until there is no more input or the connection is held. */
  #go(): void {
    if (this.#isRunning || this.#isClosed) return;
    this.#isRunning = true;
    this.#socket.cork();
    for (let ready = this.#pipeline.take(); ready !== undefined; ready = this.#pipeline.take()) {
      this.#write(responseOf(ready));
    }
    if (this.#reader.hasInput) {
      this.#context = { session: this.#session, deadlineMs: Date.now() + commandDeadlineDefaultMs };
    }
    let outcome: ReturnType<FrameReader['next']> = 'frame';
    while (!this.#isEnding && !this.#isHeld()) {
      outcome = this.#reader.next();
      if (outcome !== 'frame') break;
      this.#runFrame();
    }
    if (outcome === 'too-large') this.#refuseHead();
    if (this.#hasInputEnded && !this.#reader.hasInput) this.#isEnding = true;
    this.#isWaitingForRoom = outcome === 'wait';
    this.#socket.uncork();
    this.#count();
    this.#isRunning = false;
    if (this.#isEnding) this.#endIfDone();
    else this.#pauseOrResume(outcome !== 'more');
  }

  #isHeld(): boolean {
    const { isFull, bytes } = this.#pipeline;
    // Responses that wait count as well as payloads.
    return isFull || bytes >= socketPipelinedBytesMax || this.#socket.writableLength > socketUnsentBytesHigh;
  }

  #pauseOrResume(mustPause: boolean): void {
    if (mustPause === this.#isPaused) return;
    this.#isPaused = mustPause;
    if (mustPause) this.#socket.pause();
    else this.#socket.resume();
  }

  #runFrame(): void {
    const { code, payload, admittedBytes } = this.#reader;
    this.#parts.figures.commands += 1;
    if (admittedBytes > 0) {
      // From here on its bytes are counted with the pipeline.
      this.#admitted -= admittedBytes;
      this.#parts.budget.add(-admittedBytes);
      this.#parts.budget.settle(this);
    }
    if (code === commandCodes.AUTH) {
      this.#answer(this.#authenticate(payload));
    } else if (!this.#isAuthenticated && code !== commandCodes.PING) {
      this.#parts.refusals?.add('tcp', 'missing');
      this.#answer(mustAuthenticate);
    } else {
      this.#runRequest(code, payload);
    }
  }

  #runRequest(code: number, payload: Buffer): void {
    const request = parsed(code, payload);
    if (request.kind === 'answer') {
      this.#answer(request.response);
      return;
    }
    const { command, encode } = request;
    const context = this.#context!;
    const pipeline = this.#pipeline;
    if (!pipeline.isEmpty) {
      pipeline.enter(pendingCommand(command, payload.byteLength, encode, context));
      return;
    }
    const reply = this.#parts.executor.execute(command, context);
    if (reply instanceof Promise) {
      pipeline.begin(pendingCommand(command, payload.byteLength, encode, context), reply);
    } else {
      this.#write(encoded(reply, encode));
    }
  }

  /** The password, or where tokens are taken the token. */
  #authenticate(payload: Buffer): Response {
    const { authenticator, refusals } = this.#parts;
    const secret = payload.toString('utf8');
    for (const kind of ['password', 'token'] as const) {
      const admission = authenticator.check({ kind, secret });
      if (admission.kind === 'refused') continue;
      this.#isAuthenticated = true;
      this.#reader.payloadBytesMax = tcpPayloadBytesMax;
      const { identity } = admission;
      if (identity !== undefined) this.#session = { identity, ...this.#session };
      this.#context = { ...this.#context!, session: this.#session };
      return okResponse;
    }
    refusals?.add('tcp', 'wrong');
    return errorResponse(refusalText);
  }

  #refuseHead(): void {
    const { claimedBytes } = this.#reader;
    if (!this.#isAuthenticated && claimedBytes <= tcpPayloadBytesMax) this.#answer(mustAuthenticate);
    else this.#answer(invalidResponse(tooLargeText(claimedBytes)));
    this.#isEnding = true;
  }

  /** A response that comes from no executor. */
  #answer(ready: Response): void {
    if (this.#pipeline.isEmpty) this.#write(ready);
    else this.#pipeline.follow(pendingAnswer(ready));
  }

  #write(ready: Response): void {
    const { figures } = this.#parts;
    const status = ready[0]![0];
    if (status === statusCodes.ERROR) figures.errors += 1;
    if (status === statusCodes.INVALID) figures.invalid += 1;
    figures.bytesWritten += bytesOf(ready);
    for (const part of ready) this.#socket.write(part);
  }

  #count(): void {
    const counted = this.#socket.writableLength + this.#pipeline.bytes;
    if (counted === this.#counted || this.#isClosed) return;
    this.#parts.budget.add(counted - this.#counted);
    this.#counted = counted;
  }

  #endIfDone(): void {
    if (this.#isClosed || this.#isRunning || !this.#pipeline.isEmpty || this.#socket.writableEnded) return;
    this.#socket.end();
    this.#socket.setTimeout(tcpLingerMs);
    // What the client still sends is read, so that its end is seen, and thrown away.
    this.#pauseOrResume(false);
  }
}

function parsed(code: number, payload: Buffer): TypedRequest {
  try {
    return requestOf(code, payload) ?? { kind: 'answer', response: invalidResponse(`Invalid command: ${code}`) };
  } catch (error) {
    if (error instanceof TypedFault) return { kind: 'answer', response: invalidResponse(error.message) };
    throw error;
  }
}
