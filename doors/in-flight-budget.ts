/**
 * Bytes that all connections of a door hold together: requests that are being received or worked on, and replies that
 * are not sent. Above the bound, who wants more waits in line and its socket is not read.
 *
 * Half-received requests may fill the bound among themselves, and none of them would ever be whole. So one of those that
 * hold something already may always go beyond it, until its request is whole: the bound is exceeded by one request at
 * most, and there is always somebody who gets on.
 */

export interface BudgetWaiter {
  /** There may be room now: ask again. */
  onRoom(): void;
}

export class InFlightBudget {
  readonly bytesMax: number;
  #used = 0;
  readonly #waiting = new Set<BudgetWaiter>();
  readonly #growing = new Set<BudgetWaiter>();
  #express: BudgetWaiter | undefined;
  #isWaking = false;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get used(): number {
    return this.#used;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes bytes for a request; `isGrowth` if it holds some already. False: `onRoom` will be called. */
  take(waiter: BudgetWaiter, bytes: number, isGrowth: boolean): boolean {
    const isFirst = this.#waiting.size === 0 || this.#waiting.has(waiter);
    if (this.#express === waiter || (this.#used < this.bytesMax && isFirst)) return this.#grant(waiter, bytes);
    if (isGrowth && this.#express === undefined) {
      this.#express = waiter;
      return this.#grant(waiter, bytes);
    }
    this.#waiting.add(waiter);
    if (isGrowth) this.#growing.add(waiter);
    return false;
  }

  /** Counts what is there already, or (negative) is no more. */
  add(bytes: number): void {
    this.#used += bytes;
    if (bytes < 0) this.#wake();
  }

  /** The request of this waiter is whole, or will never be. */
  settle(waiter: BudgetWaiter): void {
    this.#waiting.delete(waiter);
    this.#growing.delete(waiter);
    if (this.#express !== waiter) return;
    this.#express = undefined;
    this.#wake();
  }

  #grant(waiter: BudgetWaiter, bytes: number): boolean {
    this.#waiting.delete(waiter);
    this.#growing.delete(waiter);
    this.#used += bytes;
    // Those behind it may find room as well.
    if (this.#waiting.size > 0) this.#wake();
    return true;
  }

  /** In a later turn, and one waiter a turn: each may take what there is. */
  #wake(): void {
    if (this.#isWaking || this.#waiting.size === 0) return;
    this.#isWaking = true;
    setImmediate(() => {
      this.#isWaking = false;
      const next = this.#next();
      next?.onRoom();
    });
  }

  #next(): BudgetWaiter | undefined {
    if (this.#used < this.bytesMax) return this.#waiting.values().next().value;
    return this.#express === undefined ? this.#growing.values().next().value : undefined;
  }
}
