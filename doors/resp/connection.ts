/**
 * One connection of a client: bytes in, requests run, replies out.
 *
 *   data ─▶ RequestReader ─▶ command ─▶ session command, or Pipeline ─▶ executor
 *                                                   │
 *   write ◀─ ReplyWriter ◀─ replies, in the order of their commands
 *
 * Within one `data` event every request of the chunk is run, and what is answered at once leaves as one write at its
 * end. What is answered later leaves with everything else that came in the same turn of the event loop.
 *
 * When it reads on and how it ends is flow control's (../flow-control.ts).
 */
import type { Socket } from 'node:net';
import { writeParts } from '../../byte-parts.ts';
import type { Command, CommandContext, Session, Upload } from '../../commands/command.ts';
import { type Reply, ReplyError, replyErrorOf } from '../../commands/reply.ts';
import { arityFault } from '../../commands/table.ts';
import { commandDeadlineDefaultMs, respLingerMs, socketUnsentBytesHigh } from '../../limits.ts';
import { FlowControl, type FlowOutcome } from '../flow-control.ts';
import { Pipeline } from '../pipeline.ts';
import type { KnownCommand } from './catalogue.ts';
import type { Client, ClientConnection } from './client.ts';
import type { DoorParts } from './door-parts.ts';
import { notAuthenticated, redirection, unknownCommand, wrongArity } from './faults.ts';
import { PendingReply, type Showing, untimed } from './pending.ts';
import { RequestReader } from './request-reader.ts';
import { ErrorBytes, nilArray, type RespReply, shapedReply } from './resp-reply.ts';

/** Expected before the first: sixteen commands at once. */
const expectedReplyBytesFirst = 4 * 1024 * 1024;
/** A mask: the time of one command in sixteen is taken. */
const timedEvery = 15;

export class Connection implements ClientConnection {
  readonly flow: FlowControl;
  client!: Client;
  readonly #socket: Socket;
  readonly #parts: DoorParts;
  readonly #reader: RequestReader;
  readonly #pipeline: Pipeline<RespReply, PendingReply>;
  /** The same for all commands that begin in one turn. */
  #context: CommandContext | undefined;

  constructor(socket: Socket, session: Session, parts: DoorParts) {
    this.#socket = socket;
    this.#parts = parts;
    this.#reader = new RequestReader(
      (bytes, isGrowth) => this.flow.admit(bytes, isGrowth),
      (args, bytes) => this.#beginUpload(args, bytes),
      parts.memory,
    );
    this.#pipeline = new Pipeline({
      executor: parts.executor,
      expectedReplyBytes: expectedReplyBytesFirst,
      onSettled: () => this.flow.goLater(),
    });
    this.flow = new FlowControl({
      socket,
      session,
      parts,
      reader: this.#reader,
      pipeline: this.#pipeline,
      lingerMs: respLingerMs,
      run: () => this.#run(),
    });
    socket.on('close', () => this.#reader.close());
  }

  get unsentBytes(): number {
    return this.flow.unsentBytes;
  }

  get receivedBytes(): number {
    return this.flow.admittedBytes;
  }

  get commandsUnderWay(): number {
    return this.#pipeline.size;
  }

  /** Before anything is read. */
  start(client: Client): void {
    this.client = client;
    this.#reader.isTrusted = client.isAuthenticated;
  }

  destroy(): void {
    this.flow.destroy();
  }

  /** Sends what has been answered, and runs requests until there is no more input or the connection is held. */
  #run(): FlowOutcome {
    const { flow } = this;
    const reader = this.#reader;
    this.#writeSettled();
    if (reader.hasInput) {
      this.#context = { session: this.client.session, deadlineMs: Date.now() + commandDeadlineDefaultMs };
    }
    let outcome: ReturnType<RequestReader['next']> = 'request';
    while (flow.admitsRequest()) {
      outcome = reader.next();
      if (outcome !== 'request') break;
      this.#runRequest();
      this.#sendIfMuch();
    }
    if (outcome === 'fault') this.#refuse(reader.fault);
    this.#send();
    return outcome === 'more' || outcome === 'wait' ? outcome : 'held';
  }

  #writeSettled(): void {
    for (let pending = this.#pipeline.take(); pending !== undefined; pending = this.#pipeline.take()) {
      const { known, command, answer, showing, startedMs } = pending;
      if (known === undefined || command === undefined) this.#write(answer!, showing);
      else this.#writeReply(known, command.args, answer as Reply, showing, startedMs);
      this.#sendIfMuch();
    }
  }

  #runRequest(): void {
    const reader = this.#reader;
    const { figures, catalogue } = this.#parts;
    figures.commands += 1;
    const known = catalogue.find(reader.nameSource, reader.nameFrom, reader.nameTo);
    this.flow.received(reader.admittedBytes);
    const { client } = this;
    if (known?.session !== undefined) {
      client.lastCommand = known.name;
      known.calls += 1;
      this.#runSession(known, reader.args);
      return;
    }
    const showing = this.#showing();
    if (known === undefined) {
      const name = reader.nameSource.subarray(reader.nameFrom, reader.nameTo);
      this.#answer(unknownCommand(name, reader.args), showing);
      return;
    }
    known.calls += 1;
    client.lastCommand = known.name;
    if (!client.isAuthenticated) this.#answer(this.#unauthenticated(known, reader.args), showing);
    else this.#runCommand(known, reader.args, showing);
  }

  /** Of a command for the executor, of a client that may give one. */
  #beginUpload(args: readonly Buffer[], bytes: number): Upload | undefined {
    const { executor, catalogue } = this.#parts;
    if (executor.beginUpload === undefined || !this.client.isAuthenticated) return undefined;
    const known = catalogue.find(this.#reader.nameSource, this.#reader.nameFrom, this.#reader.nameTo);
    if (known === undefined || known.session !== undefined) return undefined;
    return executor.beginUpload(known.name, args, bytes);
  }

  #runCommand(known: KnownCommand, args: readonly Buffer[], showing: Showing): void {
    const { upload } = this.#reader;
    const command: Command = upload === undefined ? { name: known.name, args } : { name: known.name, args, upload };
    // Looking at the clock for each would cost as much as the command.
    const startedMs = (known.calls & timedEvery) === 0 ? performance.now() : untimed;
    const context = this.#context!;
    const pipeline = this.#pipeline;
    const { executor } = this.#parts;
    if (executor.submit !== undefined || !pipeline.isEmpty) {
      pipeline.enter(PendingReply.ofCommand(known, command, context, showing, startedMs));
      return;
    }
    const reply = executor.execute(command, context);
    if (!(reply instanceof Promise)) this.#writeReply(known, args, reply, showing, startedMs);
    else pipeline.begin(PendingReply.ofCommand(known, command, context, showing, startedMs), reply);
  }

  #runSession(known: KnownCommand, args: readonly Buffer[]): void {
    const { client } = this;
    const session = known.session!;
    const { min, max } = session.arguments;
    const isSkipped = client.replyMode === 'skip';
    if (isSkipped) client.replyMode = 'on';
    let reply: RespReply | Promise<RespReply>;
    if (args.length < min || args.length > max) {
      reply = wrongArity(known.name);
    } else if (!client.isAuthenticated && session.isOpen !== true) {
      reply = notAuthenticated;
    } else {
      reply = runSafely(() => session.run(args, client, this.#parts));
    }
    this.#reader.isTrusted = client.isAuthenticated;
    if (this.#context!.session !== client.session) {
      this.#context = { ...this.#context!, session: client.session };
    }
    if (client.isLeaving) this.flow.end();
    // Only now is it known how: HELLO and CLIENT REPLY count for their own replies.
    this.#answer(reply, this.#showingOfSession(isSkipped));
  }

  #unauthenticated({ spec }: KnownCommand, args: readonly Buffer[]): ReplyError {
    const fault = arityFault(spec!, args.length);
    return fault === undefined ? notAuthenticated : new ReplyError('ERR', fault);
  }

  #showing(): Showing {
    const { client } = this;
    if (client.replyMode === 'on') return client.protocol === 2 ? shownAs2 : shownAs3;
    if (client.replyMode === 'skip') client.replyMode = 'on';
    return { protocol: client.protocol, isSilent: true, isLast: false };
  }

  #showingOfSession(isSkipped: boolean): Showing {
    const { client } = this;
    const { protocol, isLeaving: isLast } = client;
    // CLIENT REPLY SKIP is not answered, and neither is the command after it.
    const isSilent = isSkipped || client.replyMode !== 'on';
    if (client.replyMode === 'skip-next') client.replyMode = 'skip';
    return { protocol, isSilent, isLast };
  }

  /** A reply that comes from no executor. */
  #answer(reply: RespReply | Promise<RespReply>, showing: Showing): void {
    if (reply instanceof Promise) this.#pipeline.follow(PendingReply.ofAnswer(undefined, showing), reply);
    else if (!this.#pipeline.isEmpty) this.#pipeline.follow(PendingReply.ofAnswer(reply, showing));
    else this.#write(reply, showing);
  }

  #writeReply(known: KnownCommand, args: readonly Buffer[], reply: Reply, showing: Showing, startedMs: number): void {
    const { spec } = known;
    if (startedMs !== untimed) {
      known.timedCalls += 1;
      known.timedMs += performance.now() - startedMs;
    }
    if (reply instanceof ReplyError) {
      known.failures += 1;
      this.#write(
        reply.code === 'MOVED' ? redirection(spec, args, this.#parts.cluster, this.client.local) : reply,
        showing,
      );
    } else if (reply === null && args.length >= known.nilArrayFrom) {
      this.#write(nilArray, showing);
    } else if (showing.protocol === 3 && spec?.resp3 !== undefined) {
      this.#write(shapedReply(spec.resp3, reply, args), showing);
    } else {
      this.#write(reply, showing);
    }
  }

  #write(reply: RespReply, { protocol, isSilent, isLast }: Showing): void {
    if (reply instanceof ReplyError || reply instanceof ErrorBytes) this.#parts.figures.errors += 1;
    if (!isSilent) this.#parts.writer.write(reply, protocol);
    if (isLast) this.flow.end();
  }

  #sendIfMuch(): void {
    if (this.#parts.writer.bytes > socketUnsentBytesHigh) this.#send();
  }

  #send(): void {
    const { writer, figures } = this.#parts;
    const { bytes } = writer;
    if (bytes === 0) return;
    figures.bytesWritten += bytes;
    writeParts(this.#socket, writer.take());
  }

  /** Says why, after everything before it, and ends. */
  #refuse(fault: string): void {
    this.#parts.figures.protocolErrors += 1;
    this.flow.end();
    this.#answer(new ErrorBytes(Buffer.from(`ERR Protocol error: ${fault}`, 'latin1')), {
      protocol: this.client.protocol,
      isSilent: false,
      isLast: true,
    });
  }
}

const shownAs2: Showing = { protocol: 2, isSilent: false, isLast: false };
const shownAs3: Showing = { protocol: 3, isSilent: false, isLast: false };

function runSafely(run: () => RespReply | Promise<RespReply>): RespReply | Promise<RespReply> {
  try {
    const reply = run();
    return reply instanceof Promise ? reply.catch(replyErrorOf) : reply;
  } catch (error) {
    return replyErrorOf(error);
  }
}
