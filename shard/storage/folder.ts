/**
 * Folds long chains: makes one record of a base and its deltas, behind the writes that made them so many.
 *
 * The value is put together from what is stored, without anybody knowing what it means, a few at a time and each key once
 * however often it is asked for. A write never waits for it.
 */
import { KvcacheError } from '../../errors.ts';
import { foldsInFlightMax } from '../../limits.ts';
import type { Entry } from '../journal.ts';
import { rewrite, type RewriteParts } from './rewrite.ts';

export class Folder {
  readonly #parts: RewriteParts;
  readonly #onFault: (error: unknown) => void;
  /** Keys that wait or are being folded, by space and name. */
  readonly #wanted = new Map<string, Entry>();
  readonly #underWay = new Set<string>();
  #lanes = new Set<Promise<void>>();
  #isClosed = false;

  constructor(parts: RewriteParts, onFault: (error: unknown) => void) {
    this.#parts = parts;
    this.#onFault = onFault;
  }

  fold(entry: Entry): void {
    const name = `${entry.space}${entry.key}`;
    if (this.#isClosed || this.#wanted.has(name) || this.#underWay.has(name)) return;
    this.#wanted.set(name, entry);
    if (this.#lanes.size >= foldsInFlightMax) return;
    const lane = this.#work().finally(() => this.#lanes.delete(lane));
    this.#lanes.add(lane);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#lanes);
  }

  async #work(): Promise<void> {
    for (const [name, { space, key }] of this.#wanted) {
      if (this.#isClosed) return;
      this.#wanted.delete(name);
      const entry = this.#parts.index.find(space, key);
      if (entry?.chain === undefined) continue;
      this.#underWay.add(name);
      await rewrite(this.#parts, entry).catch((error: unknown) => this.#failed(error));
      this.#underWay.delete(name);
    }
  }

  /** The chain stays as it is and is tried again with a later write. */
  #failed(error: unknown): void {
    if (!(error instanceof KvcacheError) || error.code !== 'SHUTDOWN') this.#onFault(error);
  }
}
