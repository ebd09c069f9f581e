/**
 * Deadlines of many calls with one timer.
 *
 * Buckets of `tickMs` in a ring; a deadline beyond one turn of the ring stays in its bucket for as many turns as it
 * needs. Adding and removing are O(1) through the links in the call itself. A deadline strikes up to one tick late,
 * never early. While nothing is waiting no timer runs.
 *
 * Rejected: setTimeout for each call. Node keeps a list for every distinct duration, and calls that carry their
 * remaining time have nearly all distinct ones.
 */

const tickMs = 5;
const bucketCount = 1_024;

/** One waiting deadline. Made by its owner, linked and unlinked by the wheel alone. */
export class Deadline {
  readonly dueMs: number;
  readonly strike: () => void;
  dueTick = 0;
  previous: Deadline | undefined;
  next: Deadline | undefined;
  waiting = false;

  constructor(dueMs: number, strike: () => void) {
    this.dueMs = dueMs;
    this.strike = strike;
  }
}

export class DeadlineWheel {
  readonly #buckets: (Deadline | undefined)[] = Array.from({ length: bucketCount });
  #waiting = 0;
  #tick = 0;
  #timer: NodeJS.Timeout | undefined;

  add(deadline: Deadline): void {
    if (!this.#timer) {
      this.#tick = Math.floor(Date.now() / tickMs);
      this.#timer = setInterval(() => this.#turn(), tickMs);
      this.#timer.unref();
    }
    deadline.dueTick = Math.max(this.#tick + 1, Math.ceil(deadline.dueMs / tickMs));
    const index = deadline.dueTick % bucketCount;
    const head = this.#buckets[index];
    deadline.next = head;
    if (head) head.previous = deadline;
    this.#buckets[index] = deadline;
    deadline.waiting = true;
    this.#waiting++;
  }

  /** Harmless for one that has struck or was removed. */
  remove(deadline: Deadline): void {
    if (!deadline.waiting) return;
    deadline.waiting = false;
    this.#waiting--;
    const { previous, next } = deadline;
    if (previous) previous.next = next;
    else this.#buckets[deadline.dueTick % bucketCount] = next;
    if (next) next.previous = previous;
    deadline.previous = undefined;
    deadline.next = undefined;
  }

  #turn(): void {
    const now = Math.floor(Date.now() / tickMs);
    // After a long stall one full turn visits every bucket; more would visit them again for nothing.
    const first = Math.max(this.#tick + 1, now - bucketCount + 1);
    this.#tick = Math.max(this.#tick, now);
    const due: Deadline[] = [];
    for (let tick = first; tick <= now; tick++) {
      for (let item = this.#buckets[tick % bucketCount]; item; item = item.next) {
        if (item.dueTick <= now) due.push(item);
      }
    }
    for (const deadline of due) {
      // An earlier strike of this turn may have removed it.
      if (!deadline.waiting) continue;
      this.remove(deadline);
      deadline.strike();
    }
    if (this.#waiting === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }
}
