/**
 * Folds long chains: makes one record of a base and its deltas, behind the writes that made them so many.
 *
 * The value is put together from what is stored, a few values at a time and each key once however often it is asked for.
 * A write never waits for it. What the bytes mean is the keyspace's matter: it may give a way to make fewer of them.
 */
import { KvcacheError } from '../../errors.ts';
import { foldsInFlightMax } from '../../limits.ts';
import type { Condense, Entry, Space } from '../journal.ts';
import { rewrite, type RewriteParts } from './rewrite.ts';

interface Wanted {
  readonly space: Space;
  readonly key: string;
  readonly condense: Condense | undefined;
}

export class Folder {
  readonly #parts: RewriteParts;
  readonly #onFault: (error: unknown) => void;
  /** Keys that wait or are being folded, by space and name. */
  readonly #wanted = new Map<string, Wanted>();
  readonly #underWay = new Set<string>();
  #lanes = new Set<Promise<void>>();
  #isClosed = false;

  constructor(parts: RewriteParts, onFault: (error: unknown) => void) {
    this.#parts = parts;
    this.#onFault = onFault;
  }

  fold({ space, key }: Entry, condense?: Condense): void {
    const name = `${space}${key}`;
    if (this.#isClosed || this.#wanted.has(name) || this.#underWay.has(name)) return;
    this.#wanted.set(name, { space, key, condense });
    if (this.#lanes.size >= foldsInFlightMax) return;
    const lane = this.#work().finally(() => this.#lanes.delete(lane));
    this.#lanes.add(lane);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#lanes);
  }

  async #work(): Promise<void> {
    for (const [name, { space, key, condense }] of this.#wanted) {
      if (this.#isClosed) return;
      this.#wanted.delete(name);
      const entry = this.#parts.index.find(space, key);
      if (entry?.chain === undefined) continue;
      this.#underWay.add(name);
      await rewrite(this.#parts, entry, condense).catch((error: unknown) => this.#failed(error));
      this.#underWay.delete(name);
    }
  }

  /** The chain stays as it is and is tried again with a later write. */
  #failed(error: unknown): void {
    if (!(error instanceof KvcacheError) || error.code !== 'SHUTDOWN') this.#onFault(error);
  }
}
