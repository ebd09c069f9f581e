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
 * A connection is held (its socket not read, the rest of its chunk left) while enough of its commands are at work, while
 * what it was answered has not been sent, and while there is no room for the request that it is sending. Nothing of it is
 * unbounded then but one reply.
 */
import type { Socket } from 'node:net';
import type { CommandContext } from '../../commands/command.ts';
import { type Reply, ReplyError, replyErrorOf } from '../../commands/reply.ts';
import { arityFault } from '../../commands/table.ts';
import {
  commandDeadlineDefaultMs,
  respLingerMs,
  respUnsentBytesMax,
  socketStallMaxMs,
  socketUnsentBytesHigh,
} from '../../limits.ts';
import { Pipeline } from '../pipeline.ts';
import type { ListenedConnection } from '../socket-listener.ts';
import type { KnownCommand } from './catalogue.ts';
import type { Client, ClientConnection } from './client.ts';
import type { DoorParts } from './door-parts.ts';
import { notAuthenticated, redirection, unknownCommand, wrongArity } from './faults.ts';
import type { BudgetWaiter } from '../in-flight-budget.ts';
import { pendingAnswer, pendingCommand, type PendingReply, type Showing } from './pending.ts';
import type { ReplyWriter } from './reply-writer.ts';
import { RequestReader } from './request-reader.ts';
import { ErrorBytes, nilArray, type RespReply, shapedReply } from './resp-reply.ts';

/** What a connection needs of its door besides the parts. */
export interface ConnectionHost {
  readonly parts: DoorParts;
  /** One for all connections, which use it one after the other. */
  readonly writer: ReplyWriter;
  /** Has `flush` called at the end of this turn. */
  flushLater(connection: Connection): void;
}

/** Expected before the first: sixteen commands at once. */
const expectedReplyBytesFirst = 4 * 1024 * 1024;
/** A mask: the time of one command in sixteen is taken. */
const timedEvery = 15;

export class Connection implements ListenedConnection, ClientConnection, BudgetWaiter {
  client!: Client;
  lastReadAtMs = Date.now();
  /** A flush of it is on its way. */
  isDirty = false;
  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #parts: DoorParts;
  readonly #reader: RequestReader;
  readonly #pipeline: Pipeline<RespReply, PendingReply>;
  /** The same for all commands that begin in one turn. */
  #context: CommandContext | undefined;
  /** What the budget counts for it. */
  #counted = 0;
  #admitted = 0;
  #isWaitingForRoom = false;
  #isRunning = false;
  #isPaused = false;
  /** No request is read any more: a fault, QUIT, the end of the input, or of the door. */
  #isEnding = false;
  /** The client has ended its side; what came before that may still be held. */
  #hasInputEnded = false;
  #isClosed = false;
  #isStallArmed = false;

  constructor(socket: Socket, host: ConnectionHost) {
    this.#socket = socket;
    this.#host = host;
    this.#parts = host.parts;
    const { budget } = host.parts;
    this.#reader = new RequestReader((bytes, isGrowth) => {
      if (!budget.take(this, bytes, isGrowth)) return false;
      this.#admitted += bytes;
      return true;
    });
    this.#pipeline = new Pipeline({
      executor: host.parts.executor,
      expectedReplyBytes: expectedReplyBytesFirst,
      onSettled: () => host.flushLater(this),
    });
    socket.on('drain', () => this.#go());
    socket.on('end', () => this.#onInputEnd());
    socket.on('timeout', () => this.#onStall());
    socket.on('close', () => this.#onClose());
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  get receivedBytes(): number {
    return this.#admitted;
  }

  get commandsUnderWay(): number {
    return this.#pipeline.size;
  }

  get isIdle(): boolean {
    return this.#pipeline.isEmpty && !this.#reader.isPartial && this.#socket.writableLength === 0;
  }

  /** Begins to read. */
  start(client: Client): void {
    this.client = client;
    this.#reader.isTrusted = client.isAuthenticated;
    this.#socket.on('data', (chunk) => this.#onData(chunk as Buffer));
  }

  /** Sends what has been answered, and goes on with what was held. */
  flush(): void {
    this.isDirty = false;
    if (this.#isClosed) return;
    const { writer } = this.#host;
    for (let pending = this.#pipeline.take(); pending !== undefined; pending = this.#pipeline.take()) {
      const { known, command, reply, showing } = pending;
      if (known === undefined || command === undefined) this.#write(reply!, showing);
      else this.#writeReply(known, command.args, reply as Reply, showing);
      if (writer.bytes > socketUnsentBytesHigh) this.#send();
    }
    this.#send();
    this.#go();
  }

  end(): void {
    this.#isEnding = true;
    this.#endIfDone();
  }

  /** At once, as Redis does: a client that waits for its next reply sees its connection gone. */
  endIdle(): void {
    this.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
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
    // A door that ends reads on, and takes no more requests.
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

  /** Runs requests until there is no more input or the connection is held. */
  #go(): void {
    if (this.#isRunning || this.#isClosed) return;
    this.#isRunning = true;
    if (this.#reader.hasInput) {
      this.#context = { session: this.client.session, deadlineMs: Date.now() + commandDeadlineDefaultMs };
    }
    let outcome: 'request' | 'more' | 'wait' | 'fault' = 'request';
    while (!this.#isEnding && !this.#isHeld()) {
      outcome = this.#reader.next();
      if (outcome !== 'request') break;
      this.#runRequest();
      if (this.#host.writer.bytes > socketUnsentBytesHigh) this.#send();
    }
    if (outcome === 'fault') this.#refuse(this.#reader.fault);
    if (outcome === 'more' && this.#hasInputEnded) this.#isEnding = true;
    this.#isWaitingForRoom = outcome === 'wait';
    this.#send();
    this.#isRunning = false;
    if (this.#isEnding) this.#endIfDone();
    else this.#pauseOrResume(outcome !== 'more');
  }

  #isHeld(): boolean {
    return this.#pipeline.isFull || this.#socket.writableLength > socketUnsentBytesHigh;
  }

  #pauseOrResume(mustPause: boolean): void {
    if (mustPause === this.#isPaused) return;
    this.#isPaused = mustPause;
    if (mustPause) this.#socket.pause();
    else this.#socket.resume();
  }

  #runRequest(): void {
    const reader = this.#reader;
    const { figures, catalogue, budget } = this.#parts;
    figures.commands += 1;
    const known = catalogue.find(reader.nameSource, reader.nameFrom, reader.nameTo);
    if (reader.admittedBytes > 0) {
      // From here on its arguments are counted with the pipeline.
      this.#admitted -= reader.admittedBytes;
      budget.add(-reader.admittedBytes);
      budget.settle(this);
    }
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

  #runCommand(known: KnownCommand, args: readonly Buffer[], showing: Showing): void {
    const command = { name: known.name, args };
    // Looking at the clock for each would cost as much as the command.
    const timed = (known.calls & timedEvery) === 0 ? { ...showing, startedMs: performance.now() } : showing;
    const context = this.#context!;
    const pipeline = this.#pipeline;
    if (!pipeline.isEmpty) {
      pipeline.enter(pendingCommand(known, command, context, timed));
      return;
    }
    const reply = this.#parts.executor.execute(command, context);
    if (reply instanceof Promise) pipeline.begin(pendingCommand(known, command, context, timed), reply);
    else this.#writeReply(known, args, reply, timed);
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
    if (client.isLeaving) this.#isEnding = true;
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
    if (reply instanceof Promise) this.#pipeline.follow(pendingAnswer(undefined, showing), reply);
    else if (!this.#pipeline.isEmpty) this.#pipeline.follow(pendingAnswer(reply, showing));
    else this.#write(reply, showing);
  }

  #writeReply(known: KnownCommand, args: readonly Buffer[], reply: Reply, showing: Showing): void {
    const { spec } = known;
    if (showing.startedMs !== undefined) {
      known.timedCalls += 1;
      known.timedMs += performance.now() - showing.startedMs;
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
    if (!isSilent) this.#host.writer.write(reply, protocol);
    if (isLast) this.#isEnding = true;
  }

  #send(): void {
    const { writer, parts } = this.#host;
    const { bytes } = writer;
    const socket = this.#socket;
    if (bytes > 0) {
      parts.figures.bytesWritten += bytes;
      const pieces = writer.take();
      if (pieces.length === 1) {
        socket.write(pieces[0]!);
      } else {
        socket.cork();
        for (const piece of pieces) socket.write(piece);
        socket.uncork();
      }
      if (socket.writableLength > respUnsentBytesMax) this.#endUnread();
    }
    const counted = socket.writableLength + this.#pipeline.bytes;
    if (counted === this.#counted || this.#isClosed) return;
    parts.budget.add(counted - this.#counted);
    this.#counted = counted;
  }

  #endUnread(): void {
    this.#parts.figures.endedUnread += 1;
    this.#parts.log?.warn(
      { peer: this.client.peer },
      'a RESP client was ended: it reads too little of what it asks for',
    );
    this.#socket.destroy();
  }

  /** Says why, after everything before it, and ends. */
  #refuse(fault: string): void {
    this.#parts.figures.protocolErrors += 1;
    this.#isEnding = true;
    this.#answer(new ErrorBytes(Buffer.from(`ERR Protocol error: ${fault}`, 'latin1')), {
      protocol: this.client.protocol,
      isSilent: false,
      isLast: true,
    });
  }

  #endIfDone(): void {
    if (this.#isClosed || !this.#pipeline.isEmpty || this.#socket.writableEnded) return;
    this.#socket.end();
    this.#socket.setTimeout(respLingerMs);
    // What the client still sends is read, so that its end is seen, and thrown away.
    this.#pauseOrResume(false);
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
