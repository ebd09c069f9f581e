/**
 * What doors of text and bytes read of a stored value: bytes and strings as they are, numbers as decimal text, Null as
 * nothing, lists and maps as JSON. Collections are no text; only their own commands read them.
 *
 * In JSON an Int is a number with all its digits, a Decimal a string with exactly its text, and Bytes that are no UTF-8
 * are `{"encoding":"base64","value":"…"}`. A Float that JSON has no number for is a string.
 */
import { isUtf8 } from 'node:buffer';
import { decodeSiblings, newestValue } from './siblings.ts';
import { isCollection, type StoredType, storedTypes } from './stored-type.ts';
import { readTyped } from './typed-value.ts';

/** The text of a value, or undefined for a type that is none: WRONGTYPE. The bytes may be shared with `body`. */
export function textOf(type: StoredType, body: Buffer): Buffer | undefined {
  switch (type) {
    case storedTypes.bytes:
    case storedTypes.text:
    case storedTypes.decimal:
      return body;
    case storedTypes.null:
      return Buffer.alloc(0);
    case storedTypes.int:
      return Buffer.from(body.readBigInt64BE().toString());
    case storedTypes.float:
      return Buffer.from(floatText(body.readDoubleBE()));
    case storedTypes.bool:
      return Buffer.from(String(body[0] !== 0));
    case storedTypes.array:
    case storedTypes.map:
      return Buffer.from(jsonOf(type, body));
    case storedTypes.hash:
    case storedTypes.list:
    case storedTypes.set:
    case storedTypes.zset:
    case storedTypes.tombstone:
      break;
    case storedTypes.versioned: {
      const newest = newestValue(decodeSiblings(body));
      return newest && textOf(newest.type, newest.body);
    }
  }
  return undefined;
}

/** True for types that `textOf` gives a text of. */
export function isText(type: StoredType): boolean {
  return !isCollection(type) && type !== storedTypes.tombstone;
}

/** As Redis writes a double: the shortest text that reads back as the same number. */
function floatText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
}

/** JSON of a value as it is stored. */
export function jsonOf(type: StoredType, body: Buffer): string {
  switch (type) {
    case storedTypes.null:
      return 'null';
    case storedTypes.int:
    case storedTypes.bool:
      return textOf(type, body)!.toString('latin1');
    case storedTypes.float: {
      const value = body.readDoubleBE();
      return Number.isFinite(value) ? String(value) : JSON.stringify(floatText(value));
    }
    case storedTypes.array:
      return `[${itemsOf(body).join(',')}]`;
    case storedTypes.map:
      return `{${membersOf(body).join(',')}}`;
    case storedTypes.bytes:
    case storedTypes.text:
    case storedTypes.decimal:
    case storedTypes.hash:
    case storedTypes.list:
    case storedTypes.set:
    case storedTypes.zset:
    case storedTypes.tombstone:
      break;
    case storedTypes.versioned: {
      const newest = newestValue(decodeSiblings(body));
      return newest ? jsonOf(newest.type, newest.body) : 'null';
    }
  }
  if (isUtf8(body)) return JSON.stringify(body.toString('utf8'));
  return JSON.stringify({ encoding: 'base64', value: body.toString('base64') });
}

function itemsOf(body: Buffer): string[] {
  const items: string[] = [];
  for (let at = 4; at < body.byteLength;) {
    const { value, end } = readTyped(body, at);
    items.push(jsonOf(value.type, value.body));
    at = end;
  }
  return items;
}

function membersOf(body: Buffer): string[] {
  const members: string[] = [];
  for (let at = 4; at < body.byteLength;) {
    const keyEnd = at + 2 + body.readUInt16BE(at);
    const { value, end } = readTyped(body, keyEnd);
    members.push(`${JSON.stringify(body.toString('utf8', at + 2, keyEnd))}:${jsonOf(value.type, value.body)}`);
    at = end;
  }
  return members;
}
