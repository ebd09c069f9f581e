/**
 * A page of a slot's list, as it travels from the shard that hands the slot over to the one that gets it.
 *
 *   cursor   0  1  space        1  4  hash, big-endian: the first that is not yet listed; empty to begin and when done
 *   page     items, each
 *     0  1  space     1  1  1 if the value has a copy in RAM, else 0     2  4  length of the value, big-endian
 *     6  8  expiry in ms, float64     14  4  length of the key     18  1  type of the value     19  …  key
 */
import type { StoredType } from '../../commands/stored-type.ts';
import { KvcacheError } from '../../errors.ts';
import { handoverPageEntriesMax } from '../../limits.ts';
import { type Entry, isMovingSpace, type MovingSpace, movingSpaces, spaceOfKeys } from '../journal.ts';
import type { KeyIndex } from '../keyspace/key-index.ts';
import { hashEnd } from '../keyspace/slot-map.ts';

const itemHeadBytes = 19;
const cursorBytes = 5;

export interface ListedKey {
  readonly space: MovingSpace;
  readonly type: StoredType;
  readonly isWarm: boolean;
  readonly bodyBytes: number;
  readonly expireAtMs: number;
  readonly key: Buffer;
}

interface Cursor {
  readonly space: MovingSpace;
  readonly hash: number;
}

function decodeCursor(cursor: Buffer): Cursor {
  if (cursor.byteLength === 0) return { space: spaceOfKeys, hash: 0 };
  const space = cursor[0];
  if (cursor.byteLength !== cursorBytes || !isMovingSpace(space)) {
    throw new KvcacheError('ERR', 'HANDOVER.LIST: this is no cursor of a list');
  }
  return { space, hash: cursor.readUInt32BE(1) };
}

function encodeCursor(cursor: Cursor | undefined): Buffer {
  if (cursor === undefined) return Buffer.alloc(0);
  const bytes = Buffer.alloc(cursorBytes);
  bytes[0] = cursor.space;
  bytes.writeUInt32BE(cursor.hash, 1);
  return bytes;
}

/** The page at `cursor`, and the cursor of the next one. Whole leaves of the index, hence never a hash in two pages. */
export function listPage(
  index: KeyIndex,
  slot: number,
  cursor: Buffer,
  isLive: (entry: Entry) => boolean,
): { readonly next: Buffer; readonly page: Buffer } {
  let at: Cursor | undefined = decodeCursor(cursor);
  const items: Buffer[] = [];
  while (at !== undefined && items.length < handoverPageEntriesMax) {
    const run = index.run(at.space, slot, at.hash);
    for (const entry of run?.entries ?? []) if (isLive(entry)) items.push(encodeItem(entry, index.isHot(entry)));
    at = after(at, run?.end ?? hashEnd);
  }
  return { next: encodeCursor(at), page: Buffer.concat(items) };
}

function after({ space }: Cursor, end: number): Cursor | undefined {
  if (end < hashEnd) return { space, hash: end };
  const next = movingSpaces[movingSpaces.indexOf(space) + 1];
  return next === undefined ? undefined : { space: next, hash: 0 };
}

function encodeItem(entry: Entry, isWarm: boolean): Buffer {
  const item = Buffer.allocUnsafe(itemHeadBytes + entry.key.length);
  item[0] = entry.space;
  item[1] = isWarm ? 1 : 0;
  item.writeUInt32BE(entry.bodyBytes, 2);
  item.writeDoubleBE(entry.expireAtMs, 6);
  item.writeUInt32BE(entry.key.length, 14);
  item[18] = entry.type;
  item.write(entry.key, itemHeadBytes, 'latin1');
  return item;
}

/** The keys of a page, as views of it. Throws KvcacheError ERR if it is none. */
export function listedKeys(page: Buffer): ListedKey[] {
  const keys: ListedKey[] = [];
  for (let at = 0; at < page.byteLength;) {
    if (at + itemHeadBytes > page.byteLength) throw malformed(at);
    const end = at + itemHeadBytes + page.readUInt32BE(at + 14);
    const space = page[at];
    if (end > page.byteLength || !isMovingSpace(space)) throw malformed(at);
    keys.push({
      space,
      type: page[at + 18] as StoredType,
      isWarm: page[at + 1] === 1,
      bodyBytes: page.readUInt32BE(at + 2),
      expireAtMs: page.readDoubleBE(at + 6),
      key: page.subarray(at + itemHeadBytes, end),
    });
    at = end;
  }
  return keys;
}

function malformed(offset: number): KvcacheError {
  return new KvcacheError('ERR', `a list of keys is malformed at byte ${offset}`);
}
