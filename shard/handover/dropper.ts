/** Drops slots that are another shard's, a batch at a time, behind whatever else goes on. */
import { slotDropsPerSync } from '../../limits.ts';
import type { KeyIndex } from '../keyspace/key-index.ts';
import type { Storage } from '../storage/storage.ts';

export class Dropper {
  readonly #index: KeyIndex;
  readonly #storage: Storage;
  readonly #onFault: (error: unknown) => void;
  #work: Promise<void> = Promise.resolve();
  /** Slots dropped since the start. */
  dropped = 0;

  constructor(index: KeyIndex, storage: Storage, onFault: (error: unknown) => void) {
    this.#index = index;
    this.#storage = storage;
    this.#onFault = onFault;
  }

  /** Drops those of the slots that hold something and that `isForeign` still says are to go when their turn comes. */
  drop(slots: readonly number[], isForeign: (slot: number) => boolean): void {
    this.#work = this.#work.then(() => this.#drop(slots, isForeign)).catch(this.#onFault);
  }

  /** Resolves when everything asked for so far is done. */
  idle(): Promise<void> {
    return this.#work;
  }

  async #drop(slots: readonly number[], isForeign: (slot: number) => boolean): Promise<void> {
    const filled = slots.filter((slot) => this.#index.entriesOfSlot(slot).next().done !== true);
    for (let from = 0; from < filled.length; from += slotDropsPerSync) {
      const batch = filled.slice(from, from + slotDropsPerSync).filter(isForeign);
      if (batch.length > 0) await this.#storage.dropSlots(batch);
      this.dropped += batch.length;
    }
  }
}
