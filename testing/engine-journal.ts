/**
 * A journal in RAM that behaves as shard/journal.ts says, and fails and waits when a test tells it to.
 *
 * It keeps its own account of what is live, so that a test can compare it with the index: a record that the keyspace
 * forgets to release, or releases twice, is found.
 */
import { storedTypes } from '../commands/stored-type.ts';
import { KvcacheError } from '../errors.ts';
import { chainWith } from '../shard/log/chain.ts';
import type { Part } from '../shard/log/parts.ts';
import {
  type Condense,
  Entry,
  type Journal,
  type JournalPosition,
  type JournalWrite,
  type LentEntry,
  type StoredValue,
} from '../shard/journal.ts';

interface Deferred {
  readonly resolve: () => void;
  readonly reject: (error: KvcacheError) => void;
}

interface WaitingForSafety extends Deferred {
  readonly position: JournalPosition;
}

const segmentRecords = 16;
const headerBytes = 48;

export class MemoryJournal implements Journal {
  /** Entries appended and neither released nor taken out by storage. */
  readonly live = new Set<Entry>();
  /** Groups appended, for tests of atomicity. */
  readonly groups: JournalWrite[][] = [];
  /** While true, writers wait. */
  isFull = false;
  /** While true, reads wait for `answerReads`; otherwise they answer in the next turn of the loop. */
  holdsReads = false;
  /** While set, reads fail with it. */
  readFault: KvcacheError | undefined;
  reads = 0;
  readonly #values = new Map<string, StoredValue>();
  #admissions: Deferred[] = [];
  #heldReads: (() => void)[] = [];
  #safety: WaitingForSafety[] = [];
  #sequence = 0;
  #segment = 1;
  #records = 0;
  #offset = 32;

  admit(): Promise<void> | undefined {
    if (!this.isFull) return undefined;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#admissions.push({ resolve, reject });
    return promise;
  }

  /** How often chains were to be folded. */
  folds = 0;

  fold(entry: Entry, _condense?: Condense): void {
    this.folds += 1;
    entry.chain = undefined;
  }

  isAway(): boolean {
    return false;
  }

  /** Lets the writers that wait now go on, or tells them why not. */
  makeRoom(fault?: KvcacheError): void {
    const admissions = this.#admissions;
    this.#admissions = [];
    for (const { resolve, reject } of admissions) {
      if (fault === undefined) resolve();
      else reject(fault);
    }
  }

  append(writes: readonly JournalWrite[]): { entries: (Entry | undefined)[]; position: JournalPosition } {
    this.groups.push([...writes]);
    const entries = writes.map((write) => this.#place(write));
    return { entries, position: { segment: this.#segment, end: this.#offset } };
  }

  overwrite(write: JournalWrite, entry: LentEntry): JournalPosition {
    if (!this.live.has(entry as Entry)) throw new Error(`a dead entry is written over: ${entry.key}`);
    this.groups.push([write]);
    this.#sequence += 1;
    const body = write.body!;
    const { segment, offset, recordBytes } = this.#takePlace(write, body);
    entry.overwrite(this.#sequence, body.byteLength, segment, offset, recordBytes);
    this.#values.set(`${segment}:${offset}`, { type: entry.type, meta: undefined, body: ownCopy(body) });
    return { segment, end: this.#offset };
  }

  release(entry: Entry): void {
    if (!this.live.delete(entry)) throw new Error(`released twice, or never appended: ${entry.key}`);
  }

  durable(position: JournalPosition): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#safety.push({ position, resolve, reject });
    return promise;
  }

  /** How many wait for durability. */
  get unsafe(): number {
    return this.#safety.length;
  }

  makeSafe(fault?: KvcacheError): void {
    const waiting = this.#safety;
    this.#safety = [];
    for (const { resolve, reject } of waiting) {
      if (fault === undefined) resolve();
      else reject(fault);
    }
  }

  async read(entry: Entry): Promise<StoredValue> {
    this.reads += 1;
    const place = placeOf(entry);
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.holdsReads) this.#heldReads.push(resolve);
    else setImmediate(resolve);
    await promise;
    if (this.readFault !== undefined) throw this.readFault;
    const value = this.#values.get(place);
    if (value === undefined) throw new KvcacheError('CORRUPT', `nothing lies at ${place}`);
    return { type: entry.type, meta: value.meta && ownCopy(value.meta), body: ownCopy(value.body) };
  }

  answerReads(): void {
    const held = this.#heldReads;
    this.#heldReads = [];
    for (const answer of held) answer();
  }

  /** Compaction: the record moves to the segment that is written now, and its old place is no more. */
  move(entry: Entry): void {
    const value = this.#values.get(placeOf(entry))!;
    this.#values.delete(placeOf(entry));
    this.#nextPlace(entry.recordBytes);
    entry.segment = this.#segment;
    entry.offset = this.#offset;
    this.#offset += entry.recordBytes;
    this.#values.set(placeOf(entry), value);
  }

  /** Eviction: the record is gone from every level. The caller takes the entry out of the index. */
  lose(entry: Entry): void {
    this.live.delete(entry);
    this.#values.delete(placeOf(entry));
  }

  #place(write: JournalWrite): Entry | undefined {
    this.#sequence += 1;
    const { space, key, slot, expireAtMs, meta, deltaOf } = write;
    const bytes = write.body;
    const earlier = deltaOf && this.#values.get(placeOf(deltaOf))!.body;
    const body = earlier === undefined || bytes === undefined ? bytes : Buffer.concat([earlier, bytes]);
    const { offset, recordBytes } = this.#takePlace(write, body);
    if (body === undefined) return undefined;
    const name = key.toString('latin1');
    const entry = new Entry(
      space,
      write.type ?? storedTypes.bytes,
      name,
      slot,
      this.#sequence,
      expireAtMs,
      body.byteLength,
      this.#segment,
      offset,
      recordBytes,
    );
    if (deltaOf !== undefined) {
      if (!this.live.has(deltaOf)) throw new Error(`a delta of a dead entry: ${deltaOf.key}`);
      const { segment, sequence } = entry;
      entry.chain = chainWith(deltaOf, { sequence, segment, offset, recordBytes, bodyBytes: bytes!.byteLength });
    }
    this.#values.set(placeOf(entry), { type: entry.type, meta: meta && ownCopy(meta), body: ownCopy(body) });
    this.live.add(entry);
    return entry;
  }

  #takePlace({ key, meta }: JournalWrite, body: Buffer | undefined): Part {
    const recordBytes = headerBytes + key.byteLength + (meta?.byteLength ?? 0) + (body?.byteLength ?? 0);
    this.#nextPlace(recordBytes);
    const offset = this.#offset;
    this.#offset += recordBytes;
    return { segment: this.#segment, offset, recordBytes };
  }

  #nextPlace(recordBytes: number): void {
    this.#records += 1;
    if (this.#records < segmentRecords && this.#offset + recordBytes < 2 ** 31) return;
    this.#records = 0;
    this.#segment += 1;
    this.#offset = 32;
  }
}

function placeOf(entry: Entry): string {
  return `${entry.segment}:${entry.offset}`;
}

function ownCopy(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.byteLength);
  bytes.copy(copy);
  return copy;
}
