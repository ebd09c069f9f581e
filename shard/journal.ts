/**
 * The seam between the keyspace (what is stored) and storage (where it lies).
 *
 * The keyspace owns the index and knows nothing of segments, disk or Blob; storage owns the log and asks the index
 * only through `RecordIndex`. An `Entry` is what both share: one live record of one key. The engine also runs without
 * a journal, as a pure cache in RAM: then an entry's `segment` is 0 and a value that leaves the hot tier is gone.
 *
 * Invariants
 *   - An entry is in the index if and only if it is the newest record of its key and neither deleted nor evicted.
 *   - `sequence` grows with every append of a shard; the highest wins, never file order.
 *   - `segment`, `offset`, `recordBytes` and `chain` change only by compaction, which keeps the sequence.
 *
 * A value may be a chain: a base record and deltas behind it. The body is the base's bytes with those of all deltas
 * behind them, in order; what they mean is the keyspace's matter. Every delta makes a new entry with the delta's
 * sequence and expiry, whose place is the base's, so an entry still is one state of one key. Only what nobody keeps is
 * written over (`LentEntry`).
 */
import type { Acknowledgement } from '../commands/command.ts';
import type { StoredType } from '../commands/stored-type.ts';
import { Expiry, expiryOf, factsOf, madeFacts, type Rare, RareFacts } from './rare-facts.ts';

/**
 * Key spaces that can never meet: plain keys, versions of prompt blocks (key: commands/block-key.ts), the shard's own
 * marks, one a slot at most (key: the slot, big-endian, and what the mark is about), and what belongs to a plain key
 * without being its value, such as a lock (key: one byte of kind, then the plain key, whose slot it is in).
 */
export const spaceOfKeys = 0;
export const spaceOfBlocks = 1;
export const spaceOfMarks = 2;
export const spaceOfCompanions = 3;
export type Space = typeof spaceOfKeys | typeof spaceOfBlocks | typeof spaceOfMarks | typeof spaceOfCompanions;
/** The spaces that slots are handed over with; marks are each shard's own. */
export type MovingSpace = Exclude<Space, typeof spaceOfMarks>;
/** In the order in which they are listed. */
export const movingSpaces: readonly MovingSpace[] = [spaceOfKeys, spaceOfBlocks, spaceOfCompanions];
export const spaceMax = spaceOfCompanions;
export const companionKindBytes = 1;
/** The part of a sequence above its 32 low bits, in an entry: at this value, the whole sequence lies outside. */
const sequenceHighMax = 0x3ff;
const sequenceHighShift = 22;
/** In an entry's traits: nobody but index and hot tier knows it. */
const overwritableTrait = 1 << 21;

export function isMovingSpace(space: number | undefined): space is MovingSpace {
  return movingSpaces.some((moving) => moving === space);
}

/**
 * A stored value. `meta` is what a block keeps beside its body; plain keys have none. Nobody writes into either. Without
 * `type` it is bytes.
 */
export interface StoredValue {
  readonly type?: StoredType;
  readonly meta: Buffer | undefined;
  readonly body: Buffer;
}

/** Where a delta lies, the sequence of the state that it makes, and its share of the body. */
export interface DeltaPlace {
  readonly sequence: number;
  readonly segment: number;
  readonly offset: number;
  readonly recordBytes: number;
  readonly bodyBytes: number;
}

/** What a value consists of besides its base record. Never changed: a further delta makes a new chain. */
export interface Chain {
  readonly baseSequence: number;
  readonly baseBodyBytes: number;
  /** At least one, in the order of their sequences. */
  readonly deltas: readonly DeltaPlace[];
}

/**
 * One live record, or a base with deltas: ten fields of 8 bytes and a header of 24. There are millions of them, and every
 * full collection of garbage visits each, so nothing here is an object of its own that need not be.
 *
 *   traits   bits 0–13 slot │ 14–15 space │ 16–20 type │ 21 overwritable │ 22–31 the sequence above its 32 low bits
 *
 * What a read in RAM needs comes first, so that it lies in as few lines of the processor's cache as can be.
 *
 * V8 keeps integers of 32 bits in the field itself, others in objects of 16 bytes. Hence the sequence in two parts (beyond
 * 2^42 it lies among the rare facts); times lie outside, and all else is below 2^31: what is of one segment or one value.
 * A private method would cost a field more: V8 marks every object whose class has one.
 */
export class Entry {
  /**
   * The key's bytes as a latin1 string, which V8 keeps at a byte a character. The index gives a new entry the string that
   * the one before it had: strings of that age lie where they are for good, and the new one goes without being moved.
   */
  key: string;
  /** Bytes of the body (without meta), deltas included. Changes only where these are folded. */
  bodyBytes: number;
  /** Owned by the keyspace: when the value was last used, and how (keyspace/last-use.ts). */
  lastUse = 0;
  /** Owned by the hot tier: the number of the value's copy in RAM (hot/copy-number.ts); 0 is none. */
  hot = 0;
  #traits: number;
  #rare: Rare;
  /** The segment that holds the record; 0 without a journal. */
  segment: number;
  /** Where the whole record begins in its segment, and its length, header and key included. */
  offset: number;
  recordBytes: number;
  #sequenceLow: number;

  constructor(
    space: Space,
    type: StoredType,
    key: string,
    slot: number,
    sequence: number,
    expireAtMs: number,
    bodyBytes: number,
    segment: number,
    offset: number,
    recordBytes: number,
  ) {
    const sequenceHigh = sequenceHighOf(sequence);
    this.key = key;
    this.bodyBytes = bodyBytes;
    this.segment = segment;
    this.offset = offset;
    this.recordBytes = recordBytes;
    this.#traits = slot | (space << 14) | (type << 16) | (sequenceHigh << sequenceHighShift);
    this.#sequenceLow = sequence | 0;
    const expiry = expireAtMs === 0 ? undefined : new Expiry(expireAtMs);
    this.#rare = sequenceHigh < sequenceHighMax ? expiry : new RareFacts(expiry, sequence);
  }

  get slot(): number {
    return this.#traits & 0x3fff;
  }

  get space(): Space {
    return ((this.#traits >>> 14) & 0x3) as Space;
  }

  get type(): StoredType {
    return ((this.#traits >>> 16) & 0x1f) as StoredType;
  }

  get sequence(): number {
    const sequenceHigh = this.#traits >>> sequenceHighShift;
    if (sequenceHigh < sequenceHighMax) return sequenceHigh * 2 ** 32 + (this.#sequenceLow >>> 0);
    return factsOf(this.#rare)!.sequence;
  }

  /** True as long as the next small value of the key may be written over this one; see LentEntry. */
  get isOverwritable(): boolean {
    return (this.#traits & overwritableTrait) !== 0;
  }

  /** For the new entry of a plain key with a small value, bytes in one piece: nobody but the index knows it. */
  allowOverwriting(): void {
    if (this.#rare === undefined) this.#traits |= overwritableTrait;
  }

  /** The entry for whoever keeps it: from now on it is one state of its key for ever. */
  keep(): Entry {
    if ((this.#traits & overwritableTrait) !== 0) this.#traits &= ~overwritableTrait;
    return this;
  }

  /** Becomes the next state of its key, of the same type and without an expiry either. */
  overwrite(sequence: number, bodyBytes: number, segment: number, offset: number, recordBytes: number): void {
    if (!this.isOverwritable) throw new Error('an entry that somebody keeps is written over');
    const sequenceHigh = sequenceHighOf(sequence);
    this.bodyBytes = bodyBytes;
    this.lastUse = 0;
    this.segment = segment;
    this.offset = offset;
    this.recordBytes = recordBytes;
    this.#traits = (this.#traits & ((1 << sequenceHighShift) - 1)) | (sequenceHigh << sequenceHighShift);
    this.#sequenceLow = sequence | 0;
    this.#rare = sequenceHigh < sequenceHighMax ? undefined : new RareFacts(undefined, sequence);
  }

  /** Unix milliseconds, 0 for never. */
  get expireAtMs(): number {
    return this.#rare === undefined ? 0 : (expiryOf(this.#rare)?.atMs ?? 0);
  }

  get expiry(): Expiry | undefined {
    return expiryOf(this.#rare);
  }

  /** Undefined for a value in one record. */
  get chain(): Chain | undefined {
    return factsOf(this.#rare)?.chain;
  }

  set chain(chain: Chain | undefined) {
    if (chain === this.chain) return;
    const facts = madeFacts(this.#rare);
    facts.chain = chain;
    this.#rare = facts;
  }

  /** Blocks: last known place in a prompt, for eviction; -1 if never looked up. */
  get chainIndex(): number {
    return factsOf(this.#rare)?.chainIndex ?? -1;
  }

  set chainIndex(chainIndex: number) {
    const facts = madeFacts(this.#rare);
    facts.chainIndex = chainIndex;
    this.#rare = facts;
  }
}

/**
 * An entry for as long as its caller does not wait: what index and hot tier have, and what a command gets that is done in
 * one go. The next SET of a small plain value writes over the entry that is there instead of making another one, which
 * would live long enough to be copied twice by the collector. But an entry is one state of one key to all who
 * keep one: readers, compaction, eviction and hand-over. So they have an `Entry`, which is only to be had by `keep`, and
 * what was ever kept is never written over.
 */
export type LentEntry = Pick<Entry, 'lastUse' | 'hot' | 'overwrite' | 'keep'> &
  Readonly<
    Pick<
      Entry,
      | 'key'
      | 'slot'
      | 'space'
      | 'type'
      | 'expireAtMs'
      | 'bodyBytes'
      | 'segment'
      | 'recordBytes'
      | 'chainIndex'
      | 'isOverwritable'
    >
  >;

function sequenceHighOf(sequence: number): number {
  return Math.min(Math.floor(sequence / 2 ** 32), sequenceHighMax);
}

/** What storage needs of the keyspace. All synchronous. */
export interface RecordIndex {
  find(space: Space, key: string): Entry | undefined;
  /** `find` for callers that know the slot. */
  findInSlot(space: Space, slot: number, key: string): Entry | undefined;
  /**
   * Makes the entry the live one of its key and returns the one that was. Used by recovery; does not touch the hot tier.
   */
  install(entry: Entry): Entry | undefined;
  /**
   * Takes the entry out, if it is still the live one, with its hot copy. Used by eviction and slot-drops; an eviction
   * names the level that it frees, and is counted there.
   */
  remove(entry: Entry, evictedFrom?: EvictionLevel): void;
  /** Live entries of a slot, for slot-drops. */
  entriesOfSlot(slot: number): Iterable<Entry>;
  /** True if the value has a copy in RAM (eviction gives such entries a second chance). */
  isHot(entry: Entry): boolean;
  /** Records, for statistics. */
  readonly size: number;
}

/** Marks and companions are never evicted: they take next to nothing, and others rely on them. */
export function isEvictable({ space }: Entry): boolean {
  return space === spaceOfKeys || space === spaceOfBlocks;
}

export type EvictionLevel = 'ram' | 'disk' | 'blob';

/** What one append writes: a value, an away record, or with neither `body` nor `awayBytes` a tombstone. */
export interface JournalWrite {
  readonly space: Space;
  readonly key: Buffer;
  /** The key as an entry has it, where it is known. */
  readonly name?: string;
  readonly slot: number;
  readonly expireAtMs: number;
  /** Of what type body or away value are; absent: bytes. */
  readonly type?: StoredType | undefined;
  readonly meta?: Buffer | undefined;
  readonly body?: Buffer | undefined;
  /** The live entry, here and not away, behind whose body `body` belongs: a delta, of at most `deltaBytesMax`. */
  readonly deltaOf?: Entry | undefined;
  /** The value, of so many bytes, is still at the shard that hands the key's slot over. */
  readonly awayBytes?: number | undefined;
}

/** Where an append ends: what `durable` waits for. Opaque to the keyspace. */
export interface JournalPosition {
  readonly segment: number;
  readonly end: number;
}

/** Makes a shorter body of a body, step by step. */
export type Condense = (body: Buffer) => Promise<Buffer>;

/** What the keyspace needs of storage. */
export interface Journal {
  /**
   * Room for `bytes` more? Undefined: yes, go on at once. A promise: wait (the log's buffer is full); it rejects with
   * KvcacheError DISKFULL, BLOBFULL, FENCED or SHUTDOWN when the writer must be told.
   */
  admit(bytes: number): Promise<void> | undefined;
  /**
   * Appends the writes as one atomic group and returns an entry for each in order (undefined for tombstones). The
   * caller installs them in the index at once, in the same tick, and `release`s the ones they replace. Keeps the
   * bodies' memory until they are in the file. Throws KvcacheError when the log takes no writes.
   */
  append(writes: readonly JournalWrite[]): { entries: (Entry | undefined)[]; position: JournalPosition };
  /**
   * Appends a write of a whole small value as a group of its own, and writes it over the entry, which is its key's. Then
   * that entry's former record is garbage. Throws as `append` does, and leaves the entry as it was.
   */
  overwrite(write: JournalWrite, entry: LentEntry): JournalPosition;
  /** The entry is no longer live (overwritten, deleted, expired): its bytes count as garbage from now on. */
  release(entry: Entry): void;
  /**
   * Makes one record of a base and its deltas, some time soon. `condense` makes a body that means the same of fewer bytes.
   */
  fold(entry: Entry, condense?: Condense): void;
  /** True if the entry's value is still at another shard: `read` fetches it from there. */
  isAway(entry: Entry): boolean;
  /** Resolves when everything up to the position is that safe. `memory` is at once and is never asked for. */
  durable(position: JournalPosition, level: Exclude<Acknowledgement, 'memory'>): Promise<void>;
  /**
   * The entry's value from the log's buffer, disk or Blob, checksum verified, in memory of its own, or from the shard
   * that still has it. Concurrent reads of one record share one read. Rejects with KvcacheError BLOBDOWN, CORRUPT, or
   * for a value that is away UNAVAILABLE.
   */
  read(entry: Entry): Promise<StoredValue>;
}
