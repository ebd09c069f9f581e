/**
 * Whether two typed values are the same, as compare-and-set means it: of one type and of the same content. A map's order
 * counts for nothing, since clients keep maps in any order; of a key that comes twice the last counts. Numbers are the
 * same if their bytes are, decimals if their texts are: 1.0 is not 1.00.
 */
import { storedTypes } from './stored-type.ts';
import { readTyped, type TypedValue } from './typed-value.ts';

export function isSameValue(left: TypedValue, right: TypedValue): boolean {
  if (left.type !== right.type) return false;
  if (left.body.equals(right.body)) return true;
  if (left.body.byteLength === 0 || right.body.byteLength === 0) return false;
  if (left.type === storedTypes.array) return isSameList(itemsOf(left.body), itemsOf(right.body));
  return left.type === storedTypes.map && isSameMap(membersOf(left.body), membersOf(right.body));
}

function isSameList(left: readonly TypedValue[], right: readonly TypedValue[]): boolean {
  return left.length === right.length && left.every((item, index) => isSameValue(item, right[index]!));
}

function isSameMap(left: ReadonlyMap<string, TypedValue>, right: ReadonlyMap<string, TypedValue>): boolean {
  if (left.size !== right.size) return false;
  for (const [key, value] of left) {
    const other = right.get(key);
    if (other === undefined || !isSameValue(value, other)) return false;
  }
  return true;
}

const countBytes = 4;
const keyLengthBytes = 2;

function itemsOf(body: Buffer): TypedValue[] {
  const items: TypedValue[] = [];
  for (let at = countBytes; at < body.byteLength;) {
    const { value, end } = readTyped(body, at);
    items.push(value);
    at = end;
  }
  return items;
}

function membersOf(body: Buffer): Map<string, TypedValue> {
  const members = new Map<string, TypedValue>();
  for (let at = countBytes; at < body.byteLength;) {
    const keyEnd = at + keyLengthBytes + body.readUInt16BE(at);
    const { value, end } = readTyped(body, keyEnd);
    members.set(body.toString('latin1', at + keyLengthBytes, keyEnd), value);
    at = end;
  }
  return members;
}
