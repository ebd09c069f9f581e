import type { Entry, StoredValue } from '../journal.ts';
import type { Slab } from './slab-arena.ts';

/** A value that is an object of its own in RAM: a collection. */
export interface HotObject {
  /** What it takes in RAM, as an estimate. */
  readonly memoryBytes: number;
  /** The bytes of the value as it is stored. */
  encode(): Buffer;
}

/**
 * The RAM copy of one entry's value, and its place in the order of use. Kept flat: there are millions of them.
 *
 * A small value lies in a cell of a slab, meta first and body behind it; a large one is kept as it came, and a collection
 * as the object that its commands work on.
 */
export class HotCopy {
  entry: Entry;
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
  object: HotObject | undefined = undefined;
  /** What a large value or an object is accounted with. */
  largeBytes = 0;

  constructor(entry: Entry, metaBytes: number) {
    this.entry = entry;
    this.metaBytes = metaBytes;
  }
}
