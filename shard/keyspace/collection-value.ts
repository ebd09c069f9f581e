/**
 * Collections as typed values: a hash is a Map of Bytes, a list or a set a List of Bytes, a sorted set a List of
 * [member, score]. Made of a collection's stored bytes, step by step, for nobody reads them so often that it would pay to
 * keep the value.
 */
import { isUtf8 } from 'node:buffer';
import { ReplyError } from '../../commands/reply.ts';
import { type CollectionType, storedTypes } from '../../commands/stored-type.ts';
import { type TypedValue, writeTyped } from '../../commands/typed-value.ts';
import { applyInSteps } from './types/collection.ts';
import { Hash } from './types/hash.ts';
import { List } from './types/list.ts';
import { MemberSet } from './types/set.ts';
import { SortedSet } from './types/sorted-set.ts';

const mapKeyBytesMax = 2 ** 16 - 1;
const notAMap = new ReplyError('WRONGTYPE', 'a field of the hash is no UTF-8 text of 64 KiB, as keys of maps must be');

/** WRONGTYPE for a hash that no Map can show. */
export async function valueOfCollection(type: CollectionType, stored: Buffer): Promise<TypedValue | ReplyError> {
  if (type === storedTypes.hash) {
    const hash = new Hash();
    await applyInSteps(hash, stored);
    return mapOf(hash);
  }
  if (type === storedTypes.set) {
    const set = new MemberSet();
    await applyInSteps(set, stored);
    return listOf(set.members, set.size);
  }
  if (type === storedTypes.list) {
    const list = new List();
    await applyInSteps(list, stored);
    return listOf(list.range(0, list.size), list.size);
  }
  const sorted = new SortedSet();
  await applyInSteps(sorted, stored);
  return pairsOf(sorted);
}

function pairsOf(sorted: SortedSet): TypedValue {
  const parts = [countOf(sorted.size)];
  for (const { member, score } of sorted.range(0, sorted.size)) {
    const float = Buffer.allocUnsafe(8);
    float.writeDoubleBE(score);
    const pair = [
      countOf(2),
      writeTyped(storedTypes.bytes, Buffer.from(member, 'latin1'))!,
      writeTyped(storedTypes.float, float)!,
    ];
    parts.push(writeTyped(storedTypes.array, Buffer.concat(pair))!);
  }
  return { type: storedTypes.array, body: Buffer.concat(parts) };
}

function mapOf(hash: Hash): TypedValue | ReplyError {
  const parts: Buffer[] = [countOf(hash.size)];
  for (let place = 0; place < hash.size; place++) {
    const key = Buffer.from(hash.nameAt(place), 'latin1');
    if (key.byteLength > mapKeyBytesMax || !isUtf8(key)) return notAMap;
    const length = Buffer.allocUnsafe(2);
    length.writeUInt16BE(key.byteLength);
    parts.push(length, key, writeTyped(storedTypes.bytes, Buffer.from(hash.valueAt(place), 'latin1'))!);
  }
  return { type: storedTypes.map, body: Buffer.concat(parts) };
}

function listOf(texts: Iterable<string>, count: number): TypedValue {
  const parts = [countOf(count)];
  for (const text of texts) parts.push(writeTyped(storedTypes.bytes, Buffer.from(text, 'latin1'))!);
  return { type: storedTypes.array, body: Buffer.concat(parts) };
}

function countOf(count: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(count);
  return bytes;
}
