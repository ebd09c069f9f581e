/**
 * Drops slots that are another shard's, a batch at a time, behind whatever else goes on.
 *
 * A disk that is full fails a drop, which is what would make room on it: it is tried again until it is done.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { KvcacheError } from '../../errors.ts';
import { handoverRetryDelayMaxMs, handoverRetryDelayMinMs, slotDropsPerSync } from '../../limits.ts';
import type { KeyIndex } from '../keyspace/key-index.ts';
import type { Storage } from '../storage/storage.ts';

export class Dropper {
  readonly #index: KeyIndex;
  readonly #storage: Storage;
  readonly #onFault: (error: unknown) => void;
  readonly #closed = new AbortController();
  #work: Promise<void> = Promise.resolve();
  /** Slots dropped since the start. */
  dropped = 0;

  /** `onFault` hears of the first fault of every `drop`. */
  constructor(index: KeyIndex, storage: Storage, onFault: (error: unknown) => void) {
    this.#index = index;
    this.#storage = storage;
    this.#onFault = onFault;
  }

  /** Drops those of the slots that hold something and that `isForeign` still says are to go when their turn comes. */
  drop(slots: readonly number[], isForeign: (slot: number) => boolean): void {
    this.#work = this.#work.then(() => this.#untilDropped(slots, isForeign));
  }

  /** Resolves when everything asked for so far is done. */
  idle(): Promise<void> {
    return this.#work;
  }

  /** Gives up what is not done. Resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#work;
  }

  async #untilDropped(slots: readonly number[], isForeign: (slot: number) => boolean): Promise<void> {
    const { signal } = this.#closed;
    for (
      let delayMs = handoverRetryDelayMinMs;
      !signal.aborted;
      delayMs = Math.min(2 * delayMs, handoverRetryDelayMaxMs)
    ) {
      try {
        await this.#drop(slots, isForeign);
        return;
      } catch (error) {
        if (isOver(error)) return;
        if (delayMs === handoverRetryDelayMinMs) this.#onFault(error);
      }
      // Closed while it waits, it ends with the loop.
      await delay(delayMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #drop(slots: readonly number[], isForeign: (slot: number) => boolean): Promise<void> {
    const filled = slots.filter((slot) => !this.#index.isEmptySlot(slot));
    for (let from = 0; from < filled.length && !this.#closed.signal.aborted; from += slotDropsPerSync) {
      const batch = filled.slice(from, from + slotDropsPerSync).filter(isForeign);
      if (batch.length > 0) await this.#storage.dropSlots(batch);
      this.dropped += batch.length;
    }
  }
}

/** The shard ends or is fenced: there is nothing to write to. */
function isOver(error: unknown): boolean {
  return error instanceof KvcacheError && (error.code === 'SHUTDOWN' || error.code === 'FENCED');
}
