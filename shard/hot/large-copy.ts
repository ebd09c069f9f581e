import type { StoredValue } from '../journal.ts';
import type { MemoryLease } from '../value-memory.ts';

/**
 * A LargeCopy, a StoredValue, and the objects behind a Buffer: view, ArrayBuffer, backing store, malloc's header. Measured
 * as growth of resident memory over values of 5,000 bytes, without the node.
 */
export const largeCopyOverheadBytes = 416;

/** A value that is an object of its own in RAM: a collection. */
export interface HotObject {
  /** What it takes in RAM, as an estimate. */
  readonly memoryBytes: number;
  /** The bytes of the value as it is stored. */
  encode(): Buffer;
}

/**
 * The RAM copy of a value that lies in no cell of a slab: a large one, kept as it came, one without a byte, or a
 * collection, kept as the object that its commands work on.
 */
export class LargeCopy {
  readonly value: StoredValue | undefined;
  readonly object: HotObject | undefined;
  /** What it is accounted with, beside its overhead. */
  bytes: number;
  /** Of the body's memory, where this copy owns it: nobody has it besides but the log. */
  readonly lease: MemoryLease | undefined;

  constructor(value: StoredValue | undefined, object: HotObject | undefined, bytes: number, lease?: MemoryLease) {
    this.value = value;
    this.object = object;
    this.bytes = bytes;
    this.lease = lease;
  }
}
