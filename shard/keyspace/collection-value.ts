/**
 * Collections as typed values: a hash is a Map of Bytes, a list or a set a List of Bytes, a sorted set a List of
 * [member, score]. Made of a collection's stored bytes, step by step, for nobody reads them so often that it would pay to
 * keep the value.
 */
import { isUtf8 } from 'node:buffer';
import { setImmediate as nextStep } from 'node:timers/promises';
import { ReplyError } from '../../commands/reply.ts';
import type { Scored } from '../../commands/set-algebra.ts';
import { type CollectionType, type StoredType, storedTypes } from '../../commands/stored-type.ts';
import { typedHead, type TypedValue } from '../../commands/typed-value.ts';
import { collectionStepElements } from '../../limits.ts';
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
    return arrayOf(set, (from, to) => set.members.slice(from, to).map(bytesText));
  }
  if (type === storedTypes.list) {
    const list = new List();
    await applyInSteps(list, stored);
    return arrayOf(list, (from, to) => Array.from(list.range(from, to), bytesText));
  }
  const sorted = new SortedSet();
  await applyInSteps(sorted, stored);
  return arrayOf(sorted, (from, to) => Array.from(sorted.range(from, to), pairText));
}

async function mapOf(hash: Hash): Promise<TypedValue | ReplyError> {
  for (let from = 0; from < hash.size; from += collectionStepElements) {
    for (let place = from; place < Math.min(hash.size, from + collectionStepElements); place++) {
      if (!isMapKey(hash.nameAt(place))) return notAMap;
    }
    await nextStep();
  }
  const body = await bodyInSteps(hash.size, (from, to) => {
    const parts: string[] = [];
    for (let place = from; place < to; place++) {
      const name = hash.nameAt(place);
      parts.push(uint16Text(name.length), name, bytesText(hash.valueAt(place)));
    }
    return parts;
  });
  return { type: storedTypes.map, body };
}

function isMapKey(name: string): boolean {
  return name.length <= mapKeyBytesMax && (!/[\x80-\xff]/.test(name) || isUtf8(Buffer.from(name, 'latin1')));
}

async function arrayOf(
  { size }: { readonly size: number },
  partsOf: (from: number, to: number) => readonly string[],
): Promise<TypedValue> {
  return { type: storedTypes.array, body: await bodyInSteps(size, partsOf) };
}

// ── Bytes, a character each ─────────────────────────────────────────────────────────────────────────────────────
// As the elements themselves are (types/operations.ts): joined they become bytes at once, where a Buffer for each of
// some hundred thousand would take longer than all else.

const scratch = Buffer.allocUnsafe(8);
const bytesTag = headText(storedTypes.bytes).slice(0, 1);
const floatHead = headText(storedTypes.float);
const pairHead = `${headText(storedTypes.array)}${uint32Text(2)}`;

function headText(type: StoredType): string {
  return typedHead(type, 0)!.toString('latin1');
}

/** An element of this text, tagged as Bytes. */
function bytesText(text: string): string {
  return `${bytesTag}${uint32Text(text.length)}${text}`;
}

function pairText({ member, score }: Scored): string {
  return `${pairHead}${bytesText(member)}${floatHead}${doubleText(score)}`;
}

async function bodyInSteps(count: number, partsOf: (from: number, to: number) => readonly string[]): Promise<Buffer> {
  const slices = [Buffer.from(uint32Text(count), 'latin1')];
  for (let from = 0; from < count; from += collectionStepElements) {
    const parts = partsOf(from, Math.min(count, from + collectionStepElements));
    slices.push(Buffer.from(parts.join(''), 'latin1'));
    await nextStep();
  }
  return Buffer.concat(slices);
}

function uint16Text(value: number): string {
  return scratch.toString('latin1', 0, scratch.writeUInt16BE(value));
}

function uint32Text(value: number): string {
  return scratch.toString('latin1', 0, scratch.writeUInt32BE(value));
}

function doubleText(value: number): string {
  return scratch.toString('latin1', 0, scratch.writeDoubleBE(value));
}
