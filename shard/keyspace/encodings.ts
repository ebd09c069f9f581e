/**
 * What OBJECT ENCODING answers: the encoding that Redis 7.0 would have chosen for a value, by its default thresholds.
 *
 * It is told by the value alone. Redis also goes by what has been: a text that was appended to stays raw, and a
 * collection that was large once stays in its large form.
 */
import { parseInt64 } from '../../commands/int64.ts';
import type { Reply } from '../../commands/reply.ts';
import { storedTypes } from '../../commands/stored-type.ts';
import { textOf } from '../../commands/typed-text.ts';
import type { Entry } from '../journal.ts';
import { andThen, type Answer } from './answer.ts';
import { Collections } from './collections.ts';
import type { Keyspace } from './keyspace.ts';
import type { Collection } from './types/collection.ts';
import { Hash } from './types/hash.ts';
import { MemberSet } from './types/set.ts';
import { SortedSet } from './types/sorted-set.ts';

/** Redis' OBJ_ENCODING_EMBSTR_SIZE_LIMIT, and the longest text of an integer. */
const embeddedBytesMax = 44;
const integerBytesMax = 20;
/** The defaults of hash-max-listpack-entries, zset-…, …-listpack-value and set-max-intset-entries. */
const hashEntriesMax = 512;
const scoredEntriesMax = 128;
const listpackValueBytesMax = 64;
const intsetEntriesMax = 512;

/** The encoding of a live entry of this key. */
export type EncodingOf = (key: Buffer, entry: Entry) => Answer<Reply>;

export function encodings(keyspace: Keyspace): EncodingOf {
  const hashes = new Collections(keyspace, storedTypes.hash, () => new Hash(), { isUse: false });
  const sets = new Collections(keyspace, storedTypes.set, () => new MemberSet(), { isUse: false });
  const sortedSets = new Collections(keyspace, storedTypes.zset, () => new SortedSet(), { isUse: false });
  return (key, entry) => {
    if (entry.type === storedTypes.list) return named('quicklist');
    if (entry.type === storedTypes.hash) {
      const fits = (hash: Hash): boolean => isListpack(hash, hashEntriesMax, (place) => hash.valueAt(place).length);
      return hashes.read(key, (hash) => named(hash && fits(hash) ? 'listpack' : 'hashtable'));
    }
    if (entry.type === storedTypes.set) {
      return sets.read(key, (set) => named(set && isIntset(set) ? 'intset' : 'hashtable'));
    }
    if (entry.type === storedTypes.zset) {
      return sortedSets.read(key, (set) => named(set && isListpack(set, scoredEntriesMax) ? 'listpack' : 'skiplist'));
    }
    return textEncoding(keyspace, entry);
  };
}

function named(encoding: string): Buffer {
  return Buffer.from(encoding);
}

interface Named extends Pick<Collection, 'size'> {
  nameAt(place: number): string;
}

function isListpack(collection: Named, entriesMax: number, valueBytes: (place: number) => number = () => 0): boolean {
  if (collection.size > entriesMax) return false;
  for (let place = 0; place < collection.size; place++) {
    if (Math.max(collection.nameAt(place).length, valueBytes(place)) > listpackValueBytesMax) return false;
  }
  return true;
}

function isIntset(set: Named): boolean {
  if (set.size > intsetEntriesMax) return false;
  for (let place = 0; place < set.size; place++) {
    if (parseInt64(Buffer.from(set.nameAt(place), 'latin1')) === undefined) return false;
  }
  return true;
}

/** Long texts need not be read. */
function textEncoding(keyspace: Keyspace, entry: Entry): Answer<Reply> {
  const { type, bodyBytes } = entry;
  if (type === storedTypes.bytes && bodyBytes > integerBytesMax) return byLength(bodyBytes);
  return andThen(keyspace.peek(entry), (value) => {
    if (value === undefined) return null;
    const text = textOf(type, value.body);
    if (text !== undefined && parseInt64(text) !== undefined) return named('int');
    return byLength(text?.byteLength ?? bodyBytes);
  });
}

function byLength(bytes: number): Buffer {
  return named(bytes <= embeddedBytesMax ? 'embstr' : 'raw');
}
