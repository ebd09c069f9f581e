/** Entries whose values had a copy in RAM where they come from: they are moved first, and get a copy here. */
import type { Entry } from '../journal.ts';

export class WarmKeys {
  /** By slot: one Set of many millions would stall while it grows. */
  readonly #slots = new Map<number, Set<Entry>>();

  add(entry: Entry): void {
    const ofSlot = this.#slots.get(entry.slot);
    if (ofSlot === undefined) this.#slots.set(entry.slot, new Set([entry]));
    else ofSlot.add(entry);
  }

  has(entry: Entry): boolean {
    return this.#slots.get(entry.slot)?.has(entry) ?? false;
  }

  of(slot: number): Iterable<Entry> {
    return this.#slots.get(slot) ?? [];
  }

  /** Nothing of the slot is on its way any more. */
  forget(slot: number): void {
    this.#slots.delete(slot);
  }

  clear(): void {
    this.#slots.clear();
  }
}
