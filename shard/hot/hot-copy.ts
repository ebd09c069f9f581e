import type { Entry, StoredValue } from '../journal.ts';
import type { Slab } from './slab-arena.ts';

/**
 * The RAM copy of one entry's value, and its place in the order of use. Kept flat: there are millions of them.
 *
 * A small value lies in a cell of a slab, meta first and body behind it; a large one is kept as it came.
 */
export class HotCopy {
  readonly entry: Entry;
  /** Neighbours in the order of use. */
  newer: HotCopy | undefined = undefined;
  older: HotCopy | undefined = undefined;
  /** Small values: the cell. A slab's compaction changes both. */
  slab: Slab | undefined = undefined;
  cell = 0;
  /** -1: the value has no meta. */
  readonly metaBytes: number;
  /** Large values, and small ones without a byte. */
  value: StoredValue | undefined = undefined;
  /** What a large value is accounted with. */
  largeBytes = 0;

  constructor(entry: Entry, metaBytes: number) {
    this.entry = entry;
    this.metaBytes = metaBytes;
  }
}
