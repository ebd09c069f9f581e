/**
 * One connection of a client: bytes in, requests run, responses out.
 *
 *   data ─▶ FrameReader ─▶ requestOf ─▶ Pipeline ─▶ executor
 *   write ◀─ responses, in the order of their requests
 *
 * When it reads on and how it ends is flow control's (../flow-control.ts).
 *
 * A payload that is none is answered with INVALID, and the connection goes on, for the frame's end is known. A head that
 * claims too much is answered with INVALID too and ends the connection, for nothing behind it can be understood without
 * reading what was refused.
 */
import type { Socket } from 'node:net';
import { writeParts } from '../../byte-parts.ts';
import type { CommandContext, Executor, Session } from '../../commands/command.ts';
import { TypedFault } from '../../commands/typed-value.ts';
import {
  commandDeadlineDefaultMs,
  socketPipelinedBytesMax,
  socketUnauthenticatedBytesMax,
  socketUnsentBytesHigh,
  tcpLingerMs,
  tcpPayloadBytesMax,
} from '../../limits.ts';
import { type Authenticator, refusalText } from '../../security/authenticator.ts';
import type { Refusals } from '../../security/figures.ts';
import { FlowControl, type FlowOutcome, type FlowParts } from '../flow-control.ts';
import { Pipeline } from '../pipeline.ts';
import { type Answer, errorAnswer, invalidAnswer, okAnswer } from './answer.ts';
import type { TcpFigures } from './figures.ts';
import { FrameReader } from './frame-reader.ts';
import { PendingResponse } from './pending.ts';
import { commandCodes, tooLargeText } from './protocol.ts';
import { requestOf, type TypedRequest } from './requests.ts';
import type { ResponseWriter } from './response-writer.ts';

/** What all connections of a door share. */
export interface TcpParts extends FlowParts {
  readonly executor: Executor;
  readonly authenticator: Authenticator;
  readonly refusals: Refusals | undefined;
  readonly figures: TcpFigures;
  readonly writer: ResponseWriter;
}

/** Expected before the first: 64 commands at once. */
const expectedReplyBytesFirst = 1024 * 1024;
const mustAuthenticate = errorAnswer('Authentication required');

export class TcpConnection {
  readonly flow: FlowControl;
  readonly #socket: Socket;
  readonly #parts: TcpParts;
  readonly #reader: FrameReader;
  readonly #pipeline: Pipeline<Answer, PendingResponse>;
  #session: Session;
  #isAuthenticated: boolean;
  #context: CommandContext | undefined;

  constructor(socket: Socket, session: Session, parts: TcpParts) {
    const { executor, authenticator } = parts;
    this.#socket = socket;
    this.#session = session;
    this.#parts = parts;
    this.#isAuthenticated = !authenticator.isRequired;
    this.#reader = new FrameReader((bytes, isGrowth) => this.flow.admit(bytes, isGrowth));
    if (!this.#isAuthenticated) this.#reader.payloadBytesMax = socketUnauthenticatedBytesMax;
    this.#pipeline = new Pipeline({
      executor,
      expectedReplyBytes: expectedReplyBytesFirst,
      onSettled: () => this.flow.goLater(),
    });
    this.flow = new FlowControl({
      socket,
      session,
      parts,
      reader: this.#reader,
      pipeline: this.#pipeline,
      lingerMs: tcpLingerMs,
      run: () => this.#run(),
    });
  }

  /** Sends what has been answered, and runs requests until there is no more input or the connection is held. */
  #run(): FlowOutcome {
    const reader = this.#reader;
    for (let ready = this.#pipeline.take(); ready !== undefined; ready = this.#pipeline.take()) {
      ready.writeTo(this.#parts.writer);
      this.#sendIfMuch();
    }
    if (reader.hasInput) {
      this.#context = { session: this.#session, deadlineMs: Date.now() + commandDeadlineDefaultMs };
    }
    let outcome: ReturnType<FrameReader['next']> = 'frame';
    // Responses that wait count as well as payloads.
    while (this.#pipeline.bytes < socketPipelinedBytesMax && this.flow.admitsRequest()) {
      outcome = reader.next();
      if (outcome !== 'frame') break;
      this.#runFrame();
    }
    if (outcome === 'too-large') this.#refuseHead();
    this.#send();
    return outcome === 'more' || outcome === 'wait' ? outcome : 'held';
  }

  #runFrame(): void {
    const { code, payload, admittedBytes } = this.#reader;
    this.#parts.figures.commands += 1;
    this.flow.received(admittedBytes);
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
      this.#answer(request.answer);
      return;
    }
    const { command, encode } = request;
    const context = this.#context!;
    const pipeline = this.#pipeline;
    const { executor } = this.#parts;
    if (executor.submit !== undefined || !pipeline.isEmpty) {
      pipeline.enter(PendingResponse.ofCommand(command, payload.byteLength, encode, context));
      return;
    }
    const reply = executor.execute(command, context);
    if (reply instanceof Promise) {
      pipeline.begin(PendingResponse.ofCommand(command, payload.byteLength, encode, context), reply);
    } else {
      this.#parts.writer.reply(reply, encode);
      this.#sendIfMuch();
    }
  }

  /** The password, or where tokens are taken the token. */
  #authenticate(payload: Buffer): Answer {
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
      return okAnswer;
    }
    refusals?.add('tcp', 'wrong');
    return errorAnswer(refusalText);
  }

  #refuseHead(): void {
    const { claimedBytes } = this.#reader;
    if (!this.#isAuthenticated && claimedBytes <= tcpPayloadBytesMax) this.#answer(mustAuthenticate);
    else this.#answer(invalidAnswer(tooLargeText(claimedBytes)));
    this.flow.end();
  }

  /** A response that comes from no executor. */
  #answer(answer: Answer): void {
    if (!this.#pipeline.isEmpty) {
      this.#pipeline.follow(PendingResponse.ofAnswer(answer));
      return;
    }
    this.#parts.writer.answer(answer);
    this.#sendIfMuch();
  }

  #sendIfMuch(): void {
    if (this.#parts.writer.bytes > socketUnsentBytesHigh) this.#send();
  }

  /** What was answered leaves together, when all that was read has been run or there is much of it. */
  #send(): void {
    const { figures, writer } = this.#parts;
    const { bytes } = writer;
    if (bytes === 0) return;
    figures.bytesWritten += bytes;
    writeParts(this.#socket, writer.take());
  }
}

function parsed(code: number, payload: Buffer): TypedRequest {
  try {
    return requestOf(code, payload) ?? { kind: 'answer', answer: invalidAnswer(`Invalid command: ${code}`) };
  } catch (error) {
    if (error instanceof TypedFault) return { kind: 'answer', answer: invalidAnswer(error.message) };
    throw error;
  }
}
