/** The simplest index that keeps storage's contract: what tests of the log hold the real one against. */
import type { Entry, RecordIndex, Space } from '../shard/journal.ts';

export class MapIndex implements RecordIndex {
  readonly entries = new Map<string, Entry>();
  readonly evicted: string[] = [];
  /** Whether a key counts as being in RAM. */
  isInMemory: (key: string) => boolean = () => false;

  get size(): number {
    return this.entries.size;
  }

  find(space: Space, key: string): Entry | undefined {
    return this.entries.get(`${space}${key}`);
  }

  findInSlot(space: Space, _slot: number, key: string): Entry | undefined {
    return this.find(space, key);
  }

  install(entry: Entry): Entry | undefined {
    const name = `${entry.space}${entry.key}`;
    const previous = this.entries.get(name);
    this.entries.set(name, entry);
    return previous;
  }

  remove(entry: Entry, evictedFrom?: string): void {
    const name = `${entry.space}${entry.key}`;
    if (this.entries.get(name) !== entry) return;
    this.entries.delete(name);
    if (evictedFrom !== undefined) this.evicted.push(entry.key);
  }

  *entriesOfSlot(slot: number): Iterable<Entry> {
    for (const entry of this.entries.values()) if (entry.slot === slot) yield entry;
  }

  isHot(entry: Entry): boolean {
    return this.isInMemory(entry.key);
  }
}
