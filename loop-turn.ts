/**
 * How long one turn of the event loop may work on what clients send.
 *
 *   poll    sockets that can be read: each is asked up to 32 times, 64 KiB at a time, before the next
 *   check   whoever had to stop goes on, the longest waiting first
 *   timers  …
 *
 * One client that sends without a pause fills a turn with 2 MiB of commands, and many clients with that much each. As long
 * as these are quick, nobody notices. But when V8 marks a large heap it does so in steps, between any two commands, and
 * a turn of ten thousand commands had so many steps that timers, health checks and everybody else waited for 0.7 s. So a
 * turn that has taken its time ends, and what is left goes on after the timers had theirs.
 *
 * The clock is asked rarely, since asking costs as much as a tenth of a command. Nobody tells when a turn begins: it is
 * taken to begin when the clock is first asked, and ends with an immediate. So a turn of few commands costs nothing.
 */
import { loopTurnMaxMs } from './limits.ts';

/** Steps until the clock is asked in a turn that has no beginning yet, and in one that has. */
const stepsUnseen = 64;
const stepsPerLook = 8;

export interface NextTurn {
  /** There is time again. */
  onNextTurn(): void;
}

export class LoopTurn {
  #stepsLeft = stepsUnseen;
  /** Undefined: the clock has not been asked in this turn. */
  #endsAtMs: number | undefined;
  #isOver = false;
  /** Timers run between the end of the turn and the next immediate. */
  #hasEndedLate = false;
  #waiting: NextTurn[] = [];
  readonly #now: () => number;
  readonly #onImmediate = (): void => this.#begin();

  /** `now` tells milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Takes a piece of work that costs about as much as so many small commands. False: it has to wait for `next`. */
  take(steps = 1): boolean {
    if (this.#isOver) return false;
    this.#stepsLeft -= steps;
    return this.#stepsLeft > 0 || this.#look();
  }

  /** Calls back when the loop has come around; who waits already is not to wait once more. */
  next(waiter: NextTurn): void {
    this.#waiting.push(waiter);
  }

  #look(): boolean {
    const nowMs = this.#now();
    this.#stepsLeft = stepsPerLook;
    if (this.#endsAtMs === undefined) {
      this.#endsAtMs = nowMs + loopTurnMaxMs;
      setImmediate(this.#onImmediate);
    }
    this.#isOver = nowMs >= this.#endsAtMs;
    return !this.#isOver;
  }

  #begin(): void {
    if (this.#isOver && !this.#hasEndedLate) {
      this.#hasEndedLate = true;
      setImmediate(this.#onImmediate);
      return;
    }
    this.#endsAtMs = undefined;
    this.#isOver = false;
    this.#hasEndedLate = false;
    this.#stepsLeft = stepsUnseen;
    if (this.#waiting.length > 0) this.#serve();
  }

  #serve(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#stepsLeft = 0;
    let served = 0;
    while (served < waiting.length && !this.#isOver) waiting[served++]!.onNextTurn();
    this.#hasEndedLate = this.#isOver;
    // Those who stopped once more go behind those whose time has not come.
    if (served < waiting.length) this.#waiting = [...waiting.slice(served), ...this.#waiting];
  }
}

/** There is one event loop. */
export const loopTurn = new LoopTurn();
