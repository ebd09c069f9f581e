/**
 * Sets of entries by slot that never stall, however many entries a slot has.
 *
 *   slot → sequence / 4,096, rounded down → entries
 *
 * A JavaScript Set copies itself when it grows: from half a million entries on for longer than anybody may wait. Here a
 * slot's entries lie in small sets by their sequence, of which each record has its own, so that no set outgrows 4,096.
 */
import { entriesPerSetMax } from '../../limits.ts';
import type { Entry } from '../journal.ts';

export class EntrySets {
  readonly #slots = new Map<number, Map<number, Set<Entry>>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(entry: Entry): boolean {
    return this.#slots.get(entry.slot)?.get(partOf(entry))?.has(entry) ?? false;
  }

  hasSlot(slot: number): boolean {
    return this.#slots.has(slot);
  }

  add(entry: Entry): void {
    let parts = this.#slots.get(entry.slot);
    if (parts === undefined) this.#slots.set(entry.slot, (parts = new Map()));
    const part = parts.get(partOf(entry));
    const before = part?.size ?? 0;
    if (part === undefined) parts.set(partOf(entry), new Set([entry]));
    else part.add(entry);
    this.#size += (part?.size ?? 1) - before;
  }

  /** False if it was not there. */
  delete(entry: Entry): boolean {
    const parts = this.#slots.get(entry.slot);
    const part = parts?.get(partOf(entry));
    if (parts === undefined || part === undefined || !part.delete(entry)) return false;
    this.#size -= 1;
    if (part.size === 0) parts.delete(partOf(entry));
    if (parts.size === 0) this.#slots.delete(entry.slot);
    return true;
  }

  /** Entries of a slot; they may come and go meanwhile. */
  *of(slot: number): Generator<Entry> {
    for (const part of this.#slots.get(slot)?.values() ?? []) yield* part;
  }

  deleteSlot(slot: number): void {
    for (const part of this.#slots.get(slot)?.values() ?? []) this.#size -= part.size;
    this.#slots.delete(slot);
  }
}

function partOf({ sequence }: Entry): number {
  return Math.floor(sequence / entriesPerSetMax);
}
