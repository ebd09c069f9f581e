/**
 * The versions of prompt blocks, grouped by what they are versions of.
 *
 *   (slot, digest) → entry                  one version, the usual case
 *                  → [newest, …, oldest]    several, by sequence
 *
 * A version's key is its digest, hash and parent (commands/block-key.ts). A lookup asks for a digest and wants all
 * versions at once, so the digest is the key of the map and the versions of one block a short list behind it.
 */
import { blockDigestBytes } from '../../commands/block-key.ts';
import type { Entry } from '../journal.ts';
import { SlotMap } from './slot-map.ts';

export class BlockIndex {
  readonly #groups = new SlotMap<Entry | Entry[]>((group) => digestOf((Array.isArray(group) ? group[0]! : group).key));
  #size = 0;

  /** Versions of all blocks. */
  get size(): number {
    return this.#size;
  }

  find(slot: number, key: string): Entry | undefined {
    const group = this.#groups.get(slot, digestOf(key));
    if (group === undefined) return undefined;
    if (Array.isArray(group)) return group.find((entry) => entry.key === key);
    return group.key === key ? group : undefined;
  }

  /** The versions of a block, the newest first. */
  versions(slot: number, digest: string): readonly Entry[] {
    const group = this.#groups.get(slot, digest);
    if (group === undefined) return [];
    return Array.isArray(group) ? group : [group];
  }

  /** Adds a version, or puts it in place of the record with its key, which is returned. */
  replace(entry: Entry): Entry | undefined {
    const digest = digestOf(entry.key);
    const group = this.#groups.get(entry.slot, digest);
    if (group === undefined || (!Array.isArray(group) && group.key === entry.key)) {
      this.#groups.set(entry.slot, digest, entry);
      if (group === undefined) this.#size += 1;
      return group;
    }
    const versions = Array.isArray(group) ? group : [group];
    const previousAt = versions.findIndex((version) => version.key === entry.key);
    const previous = previousAt < 0 ? undefined : versions.splice(previousAt, 1)[0];
    const olderAt = versions.findIndex((version) => version.sequence < entry.sequence);
    versions.splice(olderAt < 0 ? versions.length : olderAt, 0, entry);
    if (!Array.isArray(group)) this.#groups.set(entry.slot, digest, versions);
    if (previous === undefined) this.#size += 1;
    return previous;
  }

  /** Takes this very record out; false if it is not the live one of its key. */
  remove(entry: Entry): boolean {
    const digest = digestOf(entry.key);
    const group = this.#groups.get(entry.slot, digest);
    if (group === entry) {
      this.#groups.delete(entry.slot, digest);
    } else if (Array.isArray(group)) {
      const at = group.indexOf(entry);
      if (at < 0) return false;
      group.splice(at, 1);
      // A list is never shorter than two, so that most blocks have none.
      if (group.length === 1) this.#groups.set(entry.slot, digest, group[0]!);
    } else {
      return false;
    }
    this.#size -= 1;
    return true;
  }

  /** A leaf of a slot's blocks: those around the hash `from`, and where the next leaf begins. */
  run(slot: number, from: number): { entries: Iterable<Entry>; end: number } | undefined {
    const run = this.#groups.run(slot, from);
    return run && { entries: [...run.leaf.values()].flat(), end: run.end };
  }

  isEmptySlot(slot: number): boolean {
    return this.#groups.sizeOf(slot) === 0;
  }

  /** Entries may be removed on the way. */
  *entriesOfSlot(slot: number): Generator<Entry> {
    for (const group of this.#groups.values(slot)) {
      if (Array.isArray(group)) yield* group.slice();
      else yield group;
    }
  }
}

function digestOf(key: string): string {
  return key.slice(0, blockDigestBytes);
}
