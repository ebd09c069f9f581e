/**
 * Typed values as programs hold them, and their bytes.
 *
 *   Null null      Int bigint      Float number      Decimal TypedDecimal      String string      Bytes Buffer
 *   List array     Map Map         Bool boolean
 *
 * An Int is a bigint and a Float a number, always: 1 and 1n are stored as different kinds, and come back as what they
 * were. A Decimal keeps its text.
 */
import { tcpPayloadBytesMax, typedDepthMax, typedItemsMax } from '../limits.ts';
import { CallError } from './call-error.ts';

/** An exact decimal number, by its text: `new TypedDecimal('1.50')`. */
export class TypedDecimal {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

export type Typed =
  | null
  | bigint
  | number
  | TypedDecimal
  | string
  | Uint8Array
  | boolean
  | Typed[]
  | Map<string, Typed>;

const tags = { null: 0, int: 1, float: 2, decimal: 3, text: 4, bytes: 5, list: 6, map: 7, bool: 8 } as const;

/** The bytes of a value with its tag. Throws CallError ERR for one that the protocol cannot hold. */
export function encodeTyped(value: Typed): Buffer {
  const parts: Uint8Array[] = [];
  encodeInto(parts, value, 0);
  return Buffer.concat(parts);
}

function encodeInto(parts: Uint8Array[], value: Typed, depth: number): void {
  if (depth > typedDepthMax) throw unfit(`values may be nested ${typedDepthMax} deep`);
  if (value === null) parts.push(Buffer.of(tags.null));
  else if (typeof value === 'boolean') parts.push(Buffer.of(tags.bool, value ? 1 : 0));
  else if (typeof value === 'bigint') parts.push(intBytes(value));
  else if (typeof value === 'number') parts.push(floatBytes(value));
  else if (typeof value === 'string') parts.push(...behindLength32(tags.text, Buffer.from(value, 'utf8')));
  else if (value instanceof Uint8Array) parts.push(...behindLength32(tags.bytes, value));
  else if (value instanceof TypedDecimal) parts.push(Buffer.of(tags.decimal), shortText(value.text));
  else if (Array.isArray(value)) {
    parts.push(countHead(tags.list, value.length));
    for (const item of value) encodeInto(parts, item, depth + 1);
  } else {
    parts.push(countHead(tags.map, value.size));
    for (const [key, item] of value) {
      parts.push(shortText(key));
      encodeInto(parts, item, depth + 1);
    }
  }
}

function intBytes(value: bigint): Buffer {
  if (BigInt.asIntN(64, value) !== value) throw unfit(`${value} does not fit 64 bits`);
  const bytes = Buffer.allocUnsafe(9);
  bytes[0] = tags.int;
  bytes.writeBigInt64BE(value, 1);
  return bytes;
}

function floatBytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(9);
  bytes[0] = tags.float;
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

function behindLength32(tag: number, bytes: Uint8Array): Uint8Array[] {
  if (bytes.byteLength > tcpPayloadBytesMax) throw unfit(`${bytes.byteLength} bytes are more than a request may have`);
  return [countHead(tag, bytes.byteLength), bytes];
}

function countHead(tag: number, count: number): Buffer {
  const head = Buffer.allocUnsafe(5);
  head[0] = tag;
  head.writeUInt32BE(count, 1);
  return head;
}

/** Text behind its length of two bytes: keys, owners, decimals. */
export function shortText(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.byteLength > 0xffff) throw unfit(`a text of ${bytes.byteLength} bytes is too long for a key or a decimal`);
  const length = Buffer.allocUnsafe(2);
  length.writeUInt16BE(bytes.byteLength);
  return Buffer.concat([length, bytes]);
}

function unfit(text: string): CallError {
  return new CallError('ERR', text, true);
}

/** Reads values out of a response, one after the other. Throws CallError ERR for bytes that are none. */
export class TypedReader {
  readonly #bytes: Buffer;
  #at = 0;
  #itemsLeft = typedItemsMax;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** A number of two bytes. */
  count(): number {
    return this.#take(2).readUInt16BE();
  }

  value(depth = 0): Typed {
    if (depth > typedDepthMax || --this.#itemsLeft < 0) throw unfit('the response holds too many values');
    const tag = this.#take(1)[0]!;
    switch (tag) {
      case tags.null:
        return null;
      case tags.int:
        return this.#take(8).readBigInt64BE();
      case tags.float:
        return this.#take(8).readDoubleBE();
      case tags.decimal:
        return new TypedDecimal(this.#take(this.count()).toString('utf8'));
      case tags.text:
        return this.#take(this.#take(4).readUInt32BE()).toString('utf8');
      case tags.bytes:
        return Buffer.from(this.#take(this.#take(4).readUInt32BE()));
      case tags.list:
        return this.#list(depth);
      case tags.map:
        return this.#map(depth);
      case tags.bool:
        return this.#take(1)[0] !== 0;
      default:
        throw unfit(`the response holds a value of the unknown tag ${tag}`);
    }
  }

  #list(depth: number): Typed[] {
    const items: Typed[] = [];
    for (let left = this.#take(4).readUInt32BE(); left > 0; left--) items.push(this.value(depth + 1));
    return items;
  }

  #map(depth: number): Map<string, Typed> {
    const members = new Map<string, Typed>();
    for (let left = this.#take(4).readUInt32BE(); left > 0; left--) {
      const key = this.#take(this.count()).toString('utf8');
      members.set(key, this.value(depth + 1));
    }
    return members;
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.byteLength) throw unfit('the response ends within a value');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
