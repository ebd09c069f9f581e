/**
 * When a connection reads on: not while a turn of the event loop is over, and not while its peer does not read itself.
 */
import type { Duplex } from 'node:stream';
import { loopTurn, type NextTurn } from '../loop-turn.ts';

/** Bytes that count as one step in a turn of the event loop: two or three small calls, or what takes as long to copy. */
const stepBytes = 1024;

export interface IntakeOwner {
  read(chunk: Buffer): void;
  /** False: what comes would only make more wait. */
  readonly mayRead: boolean;
}

export class SocketIntake implements NextTurn {
  readonly #socket: Duplex;
  readonly #owner: IntakeOwner;
  /** What came when a turn of the event loop was over: one chunk, and more only if somebody else lets the socket flow. */
  #waiting: Buffer[] = [];

  constructor(socket: Duplex, owner: IntakeOwner) {
    this.#socket = socket;
    this.#owner = owner;
  }

  /** A chunk waits that came before all that is still to come. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  take(chunk: Buffer): void {
    if (!this.isWaiting && loopTurn.take(Math.ceil(chunk.byteLength / stepBytes))) {
      this.#read(chunk);
      return;
    }
    if (!this.isWaiting) loopTurn.next(this);
    this.#waiting.push(chunk);
    this.#socket.pause();
  }

  onNextTurn(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const chunk of waiting) this.#read(chunk);
    this.resume();
  }

  /** Unless something else still keeps it from reading. */
  resume(): void {
    if (!this.isWaiting && this.#owner.mayRead) this.#socket.resume();
  }

  #read(chunk: Buffer): void {
    this.#owner.read(chunk);
    if (!this.#owner.mayRead) this.#socket.pause();
  }
}
