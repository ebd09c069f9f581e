/**
 * The commands of a link that have no reply yet, by their ids, and when the first of them is due.
 *
 *   places[id mod length] → command      ids count up, and one whose place is taken is passed over
 *
 * Commands are answered about in the order in which they came, so the places in use are mostly neighbours, and a reply
 * finds its command with one look. There are at least twice as many places as commands.
 *
 * Deadlines of one link's commands are nearly all far away and nearly in order. So none is looked at when its command
 * comes or is answered, beyond one comparison: one entry in the wheel of deadlines stands for a time before which no
 * command is due, and when it strikes all are looked at. That is seldom: with the deadlines of a door once in half a
 * minute, with many short ones no more often than the wheel turns.
 *
 * Rejected: a Map by id and an entry of the wheel for each command, which together cost as much as to encode it.
 */
import { Deadline, type DeadlineWheel } from '../grpc/deadline-wheel.ts';
import type { PendingCommand } from './pending.ts';

const placesFirst = 64;
const idMax = 0xffff_ffff;

export class PendingCommands {
  readonly #deadlines: DeadlineWheel;
  readonly #onDue: (pending: PendingCommand) => void;
  readonly #onStrike = (): void => this.#strike();
  #places: (PendingCommand | undefined)[] = newPlaces(placesFirst);
  #size = 0;
  #lastId: number;
  readonly #idBeforeFirst: number;
  /** Before which no command is due. */
  #deadline: Deadline | undefined;

  /** Ids are above `idBeforeFirst`. */
  constructor(deadlines: DeadlineWheel, idBeforeFirst: number, onDue: (pending: PendingCommand) => void) {
    this.#deadlines = deadlines;
    this.#idBeforeFirst = idBeforeFirst;
    this.#lastId = idBeforeFirst;
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#size;
  }

  /** Gives it its id. */
  add(pending: PendingCommand): void {
    if (this.#size * 2 >= this.#places.length) this.#makePlaces();
    const mask = this.#places.length - 1;
    do {
      this.#lastId = this.#lastId === idMax ? this.#idBeforeFirst + 1 : this.#lastId + 1;
    } while (this.#places[this.#lastId & mask] !== undefined);
    pending.id = this.#lastId;
    this.#places[pending.id & mask] = pending;
    this.#size += 1;
    if (this.#deadline === undefined || pending.dueMs < this.#deadline.dueMs) this.#watch(pending.dueMs);
  }

  get(id: number): PendingCommand | undefined {
    const pending = this.#places[id & (this.#places.length - 1)];
    return pending?.id === id ? pending : undefined;
  }

  /** One that is in here. */
  remove(pending: PendingCommand): void {
    this.#places[pending.id & (this.#places.length - 1)] = undefined;
    this.#size -= 1;
    // While nothing waits no timer runs.
    if (this.#size === 0) this.#unwatch();
  }

  all(): PendingCommand[] {
    return this.#places.filter((pending) => pending !== undefined);
  }

  #makePlaces(): void {
    const all = this.all();
    this.#places = newPlaces(this.#places.length * 2);
    // Ids that differ by the places that there were differ by those that there are.
    for (const pending of all) this.#places[pending.id & (this.#places.length - 1)] = pending;
  }

  #watch(dueMs: number): void {
    this.#unwatch();
    this.#deadline = new Deadline(dueMs, this.#onStrike);
    this.#deadlines.add(this.#deadline);
  }

  #unwatch(): void {
    if (this.#deadline !== undefined) this.#deadlines.remove(this.#deadline);
    this.#deadline = undefined;
  }

  #strike(): void {
    const nowMs = Date.now();
    this.#deadline = undefined;
    for (const pending of this.all()) {
      // Whoever hears of one may have ended others.
      if (pending.dueMs <= nowMs && this.get(pending.id) === pending) this.#onDue(pending);
    }
    const nextMs = this.all().reduce((earliest, { dueMs }) => Math.min(earliest, dueMs), Infinity);
    if (nextMs !== Infinity) this.#watch(nextMs);
  }
}

function newPlaces(count: number): (PendingCommand | undefined)[] {
  return Array.from({ length: count });
}
