/**
 * What few entries have beside what all have (journal.ts): an expiry, deltas, a place in a prompt.
 *
 *   entry.#rare ─▶ undefined          the usual case
 *               ─▶ Expiry             it expires, and nothing else
 *               ─▶ RareFacts ─▶ …     anything else
 *
 * Fields of the entry itself would take 8 bytes each in all of millions, and a number beyond 31 bits 16 bytes more.
 */
import type { Chain } from './journal.ts';

/** When an entry expires, and where it waits for that. */
export class Expiry {
  /** Unix milliseconds. */
  readonly atMs: number;
  /** Owned by the expiry wheel: bucket and position; bucket 0 is none. */
  bucket = 0;
  position = 0;

  constructor(atMs: number) {
    this.atMs = atMs;
  }
}

export class RareFacts {
  readonly expiry: Expiry | undefined;
  /** The entry's, where it does not fit into it. */
  readonly sequence: number;
  chain: Chain | undefined = undefined;
  /** -1: it was never looked up. */
  chainIndex = -1;

  constructor(expiry: Expiry | undefined, sequence: number) {
    this.expiry = expiry;
    this.sequence = sequence;
  }
}

export type Rare = Expiry | RareFacts | undefined;

export function expiryOf(rare: Rare): Expiry | undefined {
  return rare instanceof RareFacts ? rare.expiry : rare;
}

export function factsOf(rare: Rare): RareFacts | undefined {
  return rare instanceof RareFacts ? rare : undefined;
}

/** The same with room for all. */
export function madeFacts(rare: Rare): RareFacts {
  return rare instanceof RareFacts ? rare : new RareFacts(rare, 0);
}
