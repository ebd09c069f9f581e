/**
 * What a write by a command that knows no versions makes of a key that has some: its siblings become one value, whose
 * clock has seen all of theirs and one more write of this shard. So a client with versions finds that somebody wrote.
 *
 *   SET k v     siblings {a:2}, {a:3}   →   one value {a:4}
 *   DEL k       the same                →   no value, and the clock {a:4} kept beside the key for a while
 *
 * Collections have no versions: a key that becomes one has the empty clock from then on. Writes that keep the value,
 * such as EXPIRE, bring the siblings along as they are.
 *
 * A write must know the clocks before it is applied, and they lie in the value. Nearly always this is in RAM; where it
 * is not, `write` of the keyspace reads it first, and read-modify-write has read it anyway. What was read is kept
 * without its bodies for as long as the record is the live one. A write that comes upon clocks that nobody has read is
 * told to try again, and they are read meanwhile.
 *
 * Rejected: the clock in the record's tags, beside the value. Recovery and hints would have to carry it for each of
 * millions of keys, of which hardly any has one.
 */
import { decodeSiblings, encodeSiblings, type Sibling } from '../../commands/siblings.ts';
import { isCollection, storedTypes } from '../../commands/stored-type.ts';
import { mergeClocks, type VectorClock, withCounter } from '../../commands/vector-clock.ts';
import { KvcacheError } from '../../errors.ts';
import { tombstoneLifeMs } from '../../limits.ts';
import { type Entry, type Space, spaceOfCompanions, spaceOfKeys, type StoredValue } from '../journal.ts';
import type { Answer } from './answer.ts';
import type { Change } from './change.ts';
import { companionChange, companionKinds, companionName } from './companion.ts';
import { slotOfName } from './key-hash.ts';

/** What of a keyspace is needed. */
export interface VersionedKeyspace {
  /** The node of the clocks that this shard gives. */
  readonly nodeName: string;
  readonly index: {
    readonly hasVersions: boolean;
    findInSlot(space: Space, slot: number, name: string): Entry | undefined;
  };
  readonly hot: { get(entry: Entry): StoredValue | undefined };
  now(): number;
  isExpired(entry: Entry): boolean;
  peek(entry: Entry): Answer<StoredValue | undefined>;
}

const nothing = Buffer.alloc(0);

export class KeyVersions {
  readonly #keyspace: VersionedKeyspace;
  readonly #read = new WeakMap<Entry, readonly Sibling[]>();

  constructor(keyspace: VersionedKeyspace) {
    this.#keyspace = keyspace;
  }

  /** The entry that holds the clocks of a plain key: its own, or that of its deletion. */
  holderOf(slot: number, name: string): Entry | undefined {
    return this.#valueOf(slot, name) ?? this.#deletionOf(slot, name);
  }

  /** Keeps the clocks of what was read. */
  noteRead(entry: Entry, value: StoredValue): void {
    // A read may end with a later record, of any type.
    if (value.type !== storedTypes.versioned && value.type !== storedTypes.tombstone) return;
    const siblings = decodeSiblings(value.body).map(({ type, clock }) => ({ type, clock, body: nothing }));
    this.#read.set(entry, siblings);
  }

  /** Type and clock of the siblings, if they are known without waiting. */
  siblingsAtHand(entry: Entry): readonly Sibling[] | undefined {
    const value = this.#keyspace.hot.get(entry);
    return value === undefined ? this.#read.get(entry) : decodeSiblings(value.body);
  }

  /** Reads the clocks of these plain keys that are not at hand; undefined if all are. */
  bringToHand(names: readonly string[]): Promise<void> | undefined {
    const missing = names
      .map((name) => this.holderOf(slotOfName(spaceOfKeys, name), name))
      .filter((entry) => entry !== undefined && this.siblingsAtHand(entry) === undefined);
    if (missing.length === 0) return undefined;
    return Promise.all(missing.map(async (entry) => this.#fetch(entry!))).then(() => undefined);
  }

  /** The changes as they are to be written. Throws TRYAGAIN where clocks are not at hand. */
  carry(changes: readonly Change[]): readonly Change[] {
    if (!this.#keyspace.index.hasVersions) return changes;
    const ownCompanions = new Set(changes.filter(({ space }) => space === spaceOfCompanions).map(({ name }) => name));
    return changes.flatMap((change) => {
      const isPlain = change.space === spaceOfKeys && change.deltaOf === undefined && change.awayBytes === undefined;
      if (!isPlain || ownCompanions.has(companionName(companionKinds.deletion, change.name))) return [change];
      return change.body === undefined ? this.#carryDeletion(change) : this.#carryWrite(change, change.body);
    });
  }

  #carryDeletion(change: Change): readonly Change[] {
    const value = change.forgetsVersions === true ? undefined : this.#valueOf(change.slot, change.name);
    return value === undefined ? [change] : [change, this.#deletion(change, value)];
  }

  #carryWrite(change: Change, body: Buffer): readonly Change[] {
    const { slot, name, key, type = storedTypes.bytes } = change;
    const deletion = this.#deletionOf(slot, name);
    const holder = this.#valueOf(slot, name) ?? deletion;
    if (holder === undefined) return [change];
    const hasOwnClocks = type === storedTypes.versioned || isCollection(type);
    const written = hasOwnClocks ? change : this.#advanced(change, body, holder);
    return deletion === undefined ? [written] : [written, companionChange(companionKinds.deletion, key, 0, undefined)];
  }

  #valueOf(slot: number, name: string): Entry | undefined {
    const entry = this.#keyspace.index.findInSlot(spaceOfKeys, slot, name);
    return entry?.type === storedTypes.versioned && !this.#keyspace.isExpired(entry) ? entry : undefined;
  }

  #deletionOf(slot: number, name: string): Entry | undefined {
    const kept = companionName(companionKinds.deletion, name);
    const entry = this.#keyspace.index.findInSlot(spaceOfCompanions, slot, kept);
    return entry === undefined || this.#keyspace.isExpired(entry) ? undefined : entry;
  }

  #advanced(change: Change, body: Buffer, holder: Entry): Change {
    const type = change.type ?? storedTypes.bytes;
    const siblings = encodeSiblings([{ type, clock: this.#nextClock(holder), body }]);
    return { ...change, type: storedTypes.versioned, body: siblings };
  }

  #deletion({ key }: Change, holder: Entry): Change {
    return deletionChange(
      key,
      [{ type: storedTypes.tombstone, clock: this.#nextClock(holder), body: nothing }],
      this.#keyspace.now(),
    );
  }

  #nextClock(holder: Entry): VectorClock {
    const siblings = this.siblingsAtHand(holder);
    if (siblings === undefined) {
      // Who tries again finds them, unless they cannot be read: then the next attempt says why.
      this.#fetch(holder).catch(() => undefined);
      throw new KvcacheError('TRYAGAIN', 'the key has versions that are not in RAM; nothing was written');
    }
    const { nodeName } = this.#keyspace;
    const all = mergeClocks(siblings.map(({ clock }) => clock));
    return withCounter(all, nodeName, (all.get(nodeName) ?? 0n) + 1n);
  }

  async #fetch(entry: Entry): Promise<void> {
    const value = await this.#keyspace.peek(entry);
    if (value !== undefined) this.noteRead(entry, value);
  }
}

/** Keeps the clocks of a key's deletion beside it. */
export function deletionChange(key: Buffer, siblings: readonly Sibling[], nowMs: number): Change {
  const change = companionChange(companionKinds.deletion, key, nowMs + tombstoneLifeMs, encodeSiblings(siblings));
  return { ...change, type: storedTypes.tombstone };
}
