/**
 * The records of a victim that a compaction keeps, in the order of their offsets.
 *
 *   triples       offset, length, 1 to write a tombstone in its place: as the worker takes them, in shared memory
 *   entries       what is live there; none for a tombstone
 *   hint places   where the hint tells of the record, for whoever has to know more of a tombstone
 *
 * There may be hundreds of thousands, of a shard that has little memory: 36 bytes each. Memory is asked for once, for as
 * many records as there are; the system gives what is written to.
 *
 * Rejected: an object for each, with what the hint says of a tombstone. Two hundred thousand of them were 100 MB.
 */
import { KvcacheError } from '../../errors.ts';
import type { Entry } from '../journal.ts';
import { HintCursor, type HintEntry } from '../log/hint.ts';
import { recordKinds } from '../log/record.ts';

const tripleBytes = 3 * Float64Array.BYTES_PER_ELEMENT;

export class KeptRecords {
  readonly #triples: Float64Array;
  readonly #hintPlaces: Uint32Array;
  readonly #entries: (Entry | undefined)[] = [];
  #live = 0;

  constructor(recordsMax: number) {
    this.#triples = new Float64Array(new SharedArrayBuffer(recordsMax * tripleBytes));
    this.#hintPlaces = new Uint32Array(recordsMax);
  }

  get length(): number {
    return this.#entries.length;
  }

  /** Those that are no tombstones. */
  get live(): number {
    return this.#live;
  }

  /** Of all, one after the other. */
  get triples(): Float64Array {
    return this.#triples.subarray(0, 3 * this.length);
  }

  /** What the cursor stands on. */
  addLive(record: HintCursor, entry: Entry): void {
    this.#add(record, entry, false);
    this.#live += 1;
  }

  /** The same as a tombstone: one that it is already, or in place of a record that has expired. */
  addTombstone(record: HintCursor, isExpired: boolean): void {
    this.#add(record, undefined, isExpired || record.kind === recordKinds.tombstone);
  }

  #add({ offset, recordBytes, place }: HintCursor, entry: Entry | undefined, isPlainTombstone: boolean): void {
    const at = this.length;
    // A record that is not kept is lost, and a typed array says nothing of what does not fit.
    if (at === this.#hintPlaces.length) throw new KvcacheError('CORRUPT', 'a hint has more entries than it says');
    this.#triples[3 * at] = offset;
    this.#triples[3 * at + 1] = recordBytes;
    this.#triples[3 * at + 2] = isPlainTombstone ? 1 : 0;
    this.#hintPlaces[at] = place;
    this.#entries.push(entry);
  }

  offsetOf(at: number): number {
    return this.#triples[3 * at]!;
  }

  recordBytesOf(at: number): number {
    return this.#triples[3 * at + 1]!;
  }

  /** Undefined for a tombstone. */
  entryOf(at: number): Entry | undefined {
    return this.#entries[at];
  }

  /** What the hint tells of a tombstone; an expired record becomes a plain one. */
  tombstoneOf(at: number, hint: Buffer): HintEntry {
    const cursor = new HintCursor(hint);
    cursor.seek(this.#hintPlaces[at]!);
    const isPlain = this.#triples[3 * at + 2] === 1;
    return { ...cursor.own(), kind: isPlain ? recordKinds.tombstone : cursor.kind };
  }
}
