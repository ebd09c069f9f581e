/**
 * The flow of one connection: when its socket is read, what of it counts in the budget of its door, when it is stalled,
 * and how it ends. What is said on it is its connection's business, which is asked to go on whenever it may.
 *
 *   held      not read, the rest of its chunk left: enough of its requests are at work, what it was answered has not
 *             been sent, there is no room for the request that it is sending, or this turn of the loop is over
 *   stalled   in the middle of a request or a reply, and nothing has moved for long: it is ended at once
 *   unread    what was under way for it when it was held has come to more than may wait to be sent: the same
 *   ending    no request is run any more: those at work are answered, this side is ended, and for a while what the client
 *             still sends is read and thrown away, so that its end is seen and it gets to read its last reply
 *
 * Bytes of the request that is being received are counted as they are admitted; once it is whole, with the pipeline.
 */
import type { Socket } from 'node:net';
import type { Session } from '../commands/command.ts';
import { socketUnsentBytesHigh } from '../limits.ts';
import { loopTurn, type NextTurn } from '../loop-turn.ts';
import type { DoorLog } from './door.ts';
import type { BudgetWaiter, InFlightBudget } from './in-flight-budget.ts';
import { type SocketBounds, socketBounds } from './socket-bounds.ts';
import type { ListenedConnection } from './socket-listener.ts';
import type { TurnEnd } from './turn-end.ts';

/** Why a connection has stopped: there is no more input, no room for the request in hand, or it was held or ends. */
export type FlowOutcome = 'more' | 'wait' | 'held';

/** What all connections of a door share. */
export interface FlowParts {
  readonly budget: InFlightBudget;
  readonly turnEnd: TurnEnd;
  readonly figures: { bytesRead: number; endedStalled: number; endedUnread: number };
  readonly log?: DoorLog | undefined;
  readonly bounds?: Partial<SocketBounds> | undefined;
}

export interface FlowOptions {
  readonly socket: Socket;
  readonly session: Session;
  readonly parts: FlowParts;
  readonly reader: {
    /** True in the middle of a request. */
    readonly isPartial: boolean;
    /** Only called when all before it was read. */
    feed(chunk: Buffer): void;
    /** Not all that was fed was looked at. */
    readonly hasInput: boolean;
    /** Memory of a request in hand, where what is to come of it belongs. */
    whereNext(): Buffer | undefined;
  };
  readonly pipeline: { readonly isEmpty: boolean; readonly isFull: boolean; readonly bytes: number };
  /** How long the client may take to end its side after this one. */
  readonly lingerMs: number;
  /** Sends what has been answered, and runs requests until there is no more input, or the connection is held or ends. */
  readonly run: () => FlowOutcome;
}

export class FlowControl implements ListenedConnection, BudgetWaiter, NextTurn {
  lastReadAtMs = Date.now();
  readonly #options: FlowOptions;
  readonly #socket: Socket;
  readonly #parts: FlowParts;
  readonly #bounds: SocketBounds;
  /** What the budget counts for it. */
  #counted = 0;
  #admitted = 0;
  #isWaitingForRoom = false;
  #isRunning = false;
  #isDirty = false;
  #isWaitingForTurn = false;
  #isPaused = false;
  #isEnding = false;
  /** The client has ended its side; what came before that may still be held. */
  #hasInputEnded = false;
  #isClosed = false;
  #isStallArmed = false;

  constructor(options: FlowOptions) {
    const { socket, parts } = options;
    this.#options = options;
    this.#socket = socket;
    this.#parts = parts;
    this.#bounds = { ...socketBounds, ...parts.bounds };
    socket.on('drain', () => this.go());
    socket.on('end', () => this.#onInputEnd());
    socket.on('timeout', () => this.#onTimeout());
    socket.on('close', () => this.#onClose());
  }

  get isIdle(): boolean {
    return !this.#isEnding && this.#options.pipeline.isEmpty && !this.#isMoving;
  }

  /** True once no request is run any more: a fault, a client that takes its leave, the end of the input, or of the door. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Whether one more request may be run now. */
  admitsRequest(): boolean {
    if (this.#isEnding || this.#options.pipeline.isFull || this.#socket.writableLength > socketUnsentBytesHigh)
      return false;
    if (loopTurn.take()) return true;
    this.#waitForTurn();
    return false;
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  /** Of a request that is not whole. */
  get admittedBytes(): number {
    return this.#admitted;
  }

  /** Asks for room for a request that is being received. False: the connection will be run again. */
  admit(bytes: number, isGrowth: boolean): boolean {
    if (!this.#parts.budget.take(this, bytes, isGrowth)) return false;
    this.#admitted += bytes;
    return true;
  }

  /** A request is whole: from here on its bytes are counted with the pipeline. */
  received(admittedBytes: number): void {
    if (admittedBytes === 0) return;
    const { budget } = this.#parts;
    this.#admitted -= admittedBytes;
    budget.add(-admittedBytes);
    budget.settle(this);
  }

  receive(chunk: Buffer): void {
    const { reader } = this.#options;
    this.lastReadAtMs = Date.now();
    this.#parts.figures.bytesRead += chunk.byteLength;
    // A connection that ends reads on, and takes no more requests.
    if (this.#isEnding) return;
    reader.feed(chunk);
    this.go();
  }

  whereNext(): Buffer | undefined {
    const { reader } = this.#options;
    return this.#isEnding || reader.hasInput ? undefined : reader.whereNext();
  }

  go(): void {
    if (this.#isRunning || this.#isClosed) return;
    this.#isRunning = true;
    const outcome = this.#options.run();
    this.#isRunning = false;
    if (outcome === 'more' && this.#hasInputEnded) this.#isEnding = true;
    this.#isWaitingForRoom = outcome === 'wait';
    this.#count();
    if (this.#isEnding) this.#endIfDone();
    else this.#pauseOrResume(outcome !== 'more');
  }

  /** What is answered in this turn leaves together. */
  goLater(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    this.#parts.turnEnd.add(this);
  }

  onTurnEnd(): void {
    this.#isDirty = false;
    this.go();
  }

  onNextTurn(): void {
    this.#isWaitingForTurn = false;
    this.go();
  }

  onRoom(): void {
    this.#isWaitingForRoom = false;
    this.go();
  }

  /** Looked at every few seconds: a connection that is in the middle of something gets so long to move. */
  watchForStall(): void {
    if (this.#socket.writableEnded) return;
    const isStuck = this.#isMoving && !this.#isWaitingForRoom;
    if (isStuck === this.#isStallArmed) return;
    this.#isStallArmed = isStuck;
    this.#socket.setTimeout(isStuck ? this.#bounds.stallMaxMs : 0);
  }

  end(): void {
    this.#isEnding = true;
    this.#endIfDone();
  }

  /** At once, whatever is under way. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** In the middle of a request or of a reply. */
  get #isMoving(): boolean {
    return this.#options.reader.isPartial || this.#socket.writableLength > 0;
  }

  #waitForTurn(): void {
    if (this.#isWaitingForTurn) return;
    this.#isWaitingForTurn = true;
    loopTurn.next(this);
  }

  #onInputEnd(): void {
    this.#hasInputEnded = true;
    this.go();
  }

  #onTimeout(): void {
    if (!this.#socket.writableEnded) {
      if (this.isIdle || this.#isWaitingForRoom) return;
      this.#parts.figures.endedStalled += 1;
    }
    this.#socket.destroy();
  }

  #onClose(): void {
    const { budget } = this.#parts;
    this.#isClosed = true;
    budget.settle(this);
    budget.add(-this.#counted - this.#admitted);
    this.#counted = 0;
    this.#admitted = 0;
  }

  #count(): void {
    // When it has closed, nothing is counted any more.
    if (this.#socket.destroyed) return;
    const unsentBytes = this.#socket.writableLength;
    const counted = unsentBytes + this.#options.pipeline.bytes;
    if (counted !== this.#counted) this.#parts.budget.add(counted - this.#counted);
    this.#counted = counted;
    if (unsentBytes > this.#bounds.unsentBytesMax) this.#endUnread();
  }

  #endUnread(): void {
    const { door, peer } = this.#options.session;
    this.#parts.figures.endedUnread += 1;
    this.#parts.log?.warn({ peer, door }, 'a client was ended: it reads too little of what it asks for');
    this.#socket.destroy();
  }

  #pauseOrResume(mustPause: boolean): void {
    if (mustPause === this.#isPaused) return;
    this.#isPaused = mustPause;
    if (mustPause) this.#socket.pause();
    else this.#socket.resume();
  }

  #endIfDone(): void {
    const { pipeline, lingerMs } = this.#options;
    if (this.#isClosed || this.#isRunning || !pipeline.isEmpty || this.#socket.writableEnded) return;
    this.#socket.end();
    this.#socket.setTimeout(lingerMs);
    this.#pauseOrResume(false);
  }
}
