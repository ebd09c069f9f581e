/**
 * Waiting for what a cluster does in its own time. Kubernetes promises that things happen, never when, so a scenario
 * says what it waits for in words, and a wait that ends without it tells what was seen last.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../errors.ts';

export interface WaitOptions {
  /** Default: two minutes, many times what it takes on two idle cores. */
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
}

const timeoutDefaultMs = 120_000;
const intervalDefaultMs = 250;

/** A probe's way to say what it sees while it is not what is waited for. */
export class NotYet extends Error {}

export function notYet(seen: unknown): NotYet {
  return new NotYet(typeof seen === 'string' ? seen : JSON.stringify(seen));
}

/**
 * The probe's first answer that is neither `undefined`, `false` nor a `NotYet`. Anything that it throws counts as "not
 * yet" too, for the API server itself may be away.
 */
export async function eventually<Found>(
  what: string,
  probe: () => Promise<Found | NotYet | undefined | false> | Found | NotYet | undefined | false,
  options: WaitOptions = {},
): Promise<Found> {
  const timeoutMs = options.timeoutMs ?? timeoutDefaultMs;
  const deadline = Date.now() + timeoutMs;
  let seen = 'nothing';
  for (;;) {
    try {
      const found = await probe();
      if (found instanceof NotYet) seen = found.message;
      else if (found !== undefined && found !== false) return found;
    } catch (error) {
      seen = messageOf(error);
    }
    if (Date.now() >= deadline) throw new Error(`${what}: not within ${timeoutMs / 1_000} s; last seen: ${seen}`);
    await delay(options.intervalMs ?? intervalDefaultMs);
  }
}

/** Resolves when `check` has held for so long; rejects with its first fault. `check` throws what is wrong. */
export async function holds(what: string, forMs: number, check: () => Promise<void>): Promise<void> {
  const end = Date.now() + forMs;
  while (Date.now() < end) {
    try {
      await check();
    } catch (error) {
      throw new Error(`${what}: no longer so, ${end - Date.now()} ms early`, { cause: error });
    }
    await delay(intervalDefaultMs);
  }
}
