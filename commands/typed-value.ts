/**
 * The typed values of the binary protocol, as they travel and as they are stored.
 *
 *   tag  data, big-endian
 *   00   Null     —                       05  Bytes  length(4) bytes
 *   01   Int      i64                     06  List   count(4) [tag data]…
 *   02   Float    f64                     07  Map    count(4) [key length(2) key tag data]…
 *   03   Decimal  length(2) text          08  Bool   0 or 1
 *   04   String   length(4) UTF-8
 *
 * A stored value is its data without the tag, which its stored type stands for; of String, Bytes and Decimal it is the
 * text alone, since a record knows its length. So what the door sends as Bytes is what every other door calls bytes.
 *
 * Decimals are text from end to end and integers are 64 bits wide: neither ever passes through floating point.
 */
import { isUtf8 } from 'node:buffer';
import { typedDepthMax, typedItemsMax } from '../limits.ts';
import { type StoredType, storedTypeMax, storedTypes } from './stored-type.ts';

/** Stored types by tag. */
const typeByTag: readonly StoredType[] = [
  storedTypes.null,
  storedTypes.int,
  storedTypes.float,
  storedTypes.decimal,
  storedTypes.text,
  storedTypes.bytes,
  storedTypes.array,
  storedTypes.map,
  storedTypes.bool,
];
/** Tags by stored type. */
const tagByType: readonly (number | undefined)[] = Array.from({ length: storedTypeMax + 1 }, (_, type) => {
  const tag = typeByTag.indexOf(type as StoredType);
  return tag < 0 ? undefined : tag;
});

/** What is wrong with bytes that are no value, in the protocol's words. */
export class TypedFault extends Error {}

export interface TypedValue {
  readonly type: StoredType;
  /** Data as it is stored. */
  readonly body: Buffer;
}

/** How many values may still be read of one request. */
export interface ItemBudget {
  left: number;
}

export function itemBudget(): ItemBudget {
  return { left: typedItemsMax };
}

/** The tagged value that begins at `offset`, as views, and where it ends. Throws TypedFault. */
export function readTyped(
  bytes: Buffer,
  offset: number,
  budget = itemBudget(),
): { readonly value: TypedValue; readonly end: number } {
  const tag = bytes[offset];
  if (tag === undefined) throw new TypedFault('Unexpected end of data');
  const type = typeByTag[tag];
  if (type === undefined) throw new TypedFault(`Invalid value type: ${tag}`);
  const end = endOfValue(bytes, offset, 0, budget);
  return { value: { type, body: bytes.subarray(offset + 1 + lengthBytesOf(type), end) }, end };
}

/** The value with its tag, for the wire. Undefined for a type that the protocol does not have. */
export function writeTyped(type: StoredType, body: Buffer): Buffer | undefined {
  const head = typedHead(type, body.byteLength);
  return head && Buffer.concat([head, body]);
}

/** What stands before a value's body on the wire. Undefined for a type that the protocol does not have. */
export function typedHead(type: StoredType, bodyBytes: number): Buffer | undefined {
  if (tagByType[type] === undefined) return undefined;
  const head = Buffer.allocUnsafe(typedHeadBytes(type));
  writeTypedHead(head, 0, type, bodyBytes);
  return head;
}

/** Throws for a type that the protocol does not have. */
export function typedHeadBytes(type: StoredType): number {
  if (tagByType[type] === undefined) throw new Error(`a value of type ${type} is none of the protocol's`);
  return 1 + lengthBytesOf(type);
}

/** Into what has room for it from `at` on; only of a type that the protocol has. */
export function writeTypedHead(into: Buffer, at: number, type: StoredType, bodyBytes: number): void {
  const lengthBytes = lengthBytesOf(type);
  into[at] = tagByType[type]!;
  if (lengthBytes === 2) into.writeUInt16BE(bodyBytes, at + 1);
  if (lengthBytes === 4) into.writeUInt32BE(bodyBytes, at + 1);
}

/** What is wrong with a body of this type, or undefined if nothing is. */
export function typedFault(type: StoredType, body: Buffer): string | undefined {
  try {
    const tagged = writeTyped(type, body);
    if (tagged === undefined) return `Invalid value type: ${type}`;
    return readTyped(tagged, 0).end === tagged.byteLength ? undefined : 'Unexpected data behind the value';
  } catch (error) {
    if (error instanceof TypedFault) return error.message;
    throw error;
  }
}

/** Length fields that the wire has and the store leaves out. */
function lengthBytesOf(type: StoredType): number {
  if (type === storedTypes.decimal) return 2;
  return type === storedTypes.text || type === storedTypes.bytes ? 4 : 0;
}

/** Walks over one tagged value, checking it, without making anything of it. */
function endOfValue(bytes: Buffer, offset: number, depth: number, budget: ItemBudget): number {
  if (--budget.left < 0) throw new TypedFault(`More than ${typedItemsMax} values in one request`);
  if (depth > typedDepthMax) throw new TypedFault(`Values are nested deeper than ${typedDepthMax}`);
  const tag = bytes[offset];
  if (tag === undefined) throw new TypedFault('Unexpected end of data');
  const type = typeByTag[tag];
  if (type === undefined) throw new TypedFault(`Invalid value type: ${tag}`);
  const at = offset + 1;
  switch (type) {
    case storedTypes.null:
      return at;
    case storedTypes.int:
    case storedTypes.float:
      return checkedEnd(bytes, at, 8);
    case storedTypes.bool:
      return checkedEnd(bytes, at, 1);
    case storedTypes.decimal:
      return endOfDecimal(bytes, at);
    case storedTypes.text:
      return endOfText(bytes, at + 4, length32(bytes, at));
    case storedTypes.bytes:
      return checkedEnd(bytes, at + 4, length32(bytes, at));
    case storedTypes.array: {
      let end = at + 4;
      for (let left = length32(bytes, at); left > 0; left--) end = endOfValue(bytes, end, depth + 1, budget);
      return end;
    }
    case storedTypes.map: {
      let end = at + 4;
      for (let left = length32(bytes, at); left > 0; left--) {
        end = endOfValue(bytes, endOfText(bytes, end + 2, length16(bytes, end)), depth + 1, budget);
      }
      return end;
    }
    case storedTypes.hash:
    case storedTypes.list:
    case storedTypes.set:
    case storedTypes.zset:
    case storedTypes.versioned:
    case storedTypes.tombstone:
      break;
  }
  throw new TypedFault(`Invalid value type: ${tag}`);
}

function endOfDecimal(bytes: Buffer, at: number): number {
  const end = endOfText(bytes, at + 2, length16(bytes, at));
  const text = bytes.toString('latin1', at + 2, end);
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) throw new TypedFault('Invalid decimal');
  return end;
}

function endOfText(bytes: Buffer, from: number, length: number): number {
  const end = checkedEnd(bytes, from, length);
  if (!isUtf8(bytes.subarray(from, end))) throw new TypedFault('Invalid UTF-8 string');
  return end;
}

function checkedEnd(bytes: Buffer, from: number, length: number): number {
  if (from + length > bytes.byteLength) throw new TypedFault('Unexpected end of data');
  return from + length;
}

function length16(bytes: Buffer, at: number): number {
  return bytes.readUInt16BE(checkedEnd(bytes, at, 2) - 2);
}

function length32(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(checkedEnd(bytes, at, 4) - 4);
}
