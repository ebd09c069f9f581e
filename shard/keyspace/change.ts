/** Writes as the keyspace makes them: one change of one key, in groups that are appended and installed as one. */
import { storedTypes } from '../../commands/stored-type.ts';
import { hotSmallValueBytesMax } from '../../limits.ts';
import type { HotObject } from '../hot/large-copy.ts';
import { type Entry, type JournalWrite, spaceOfKeys } from '../journal.ts';

/** One write of a group. `name` is the key as the index keeps it. */
export interface Change extends JournalWrite {
  readonly name: string;
  /** Of a block: its place in its prompt, or -1. */
  readonly chainIndex?: number;
  /** Of a deletion: no clock is kept of the versions that the key had. */
  readonly forgetsVersions?: true;
  /**
   * Nobody reads the body's memory any more, once it is in the log and the index: neither this command nor its door. So it
   * may be taken again (../value-memory.ts).
   */
  readonly isSole?: boolean;
  /** Collections: does to the object what the write says, once that is in the log, and gives the object. */
  readonly apply?: () => HotObject;
}

/** The change that deletes an entry's key. */
export function deletionOf({ space, key, slot }: Entry): Change {
  const written = { space, key: Buffer.from(key, 'latin1'), name: key, slot, expireAtMs: 0 };
  return { ...written, meta: undefined, body: undefined, forgetsVersions: true };
}

/** True for changes that may be written over an entry, and whose own may be written over: bytes, and nothing besides. */
export function isSmallText({ space, body, expireAtMs, type, meta, deltaOf, apply }: Change): boolean {
  if (space !== spaceOfKeys || body === undefined || body.byteLength > hotSmallValueBytesMax) return false;
  const isPlain = (type ?? storedTypes.bytes) === storedTypes.bytes && expireAtMs === 0;
  return isPlain && meta === undefined && deltaOf === undefined && apply === undefined;
}

/** What a record takes in the log besides key and value, roughly. */
const recordOverheadBytes = 64;

interface Logged {
  /** As bytes, or as the index keeps it. */
  readonly key: { readonly length: number };
  readonly meta?: Buffer | undefined;
  readonly body?: Buffer | undefined;
}

/** About what a write takes of the log, for admission. */
export function loggedBytes({ key, meta, body }: Logged): number {
  return recordOverheadBytes + key.length + (meta?.byteLength ?? 0) + (body?.byteLength ?? 0);
}
