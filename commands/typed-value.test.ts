import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { typedDepthMax } from '../limits.ts';
import { isCollection, redisTypeName, storedTypeName, storedTypes } from './stored-type.ts';
import { isText, jsonOf, textOf } from './typed-text.ts';
import { readTyped, TypedFault, typedFault, writeTyped } from './typed-value.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** A tagged value as bytes, and its JSON. */
function tagged(depth: number): fc.Arbitrary<Buffer> {
  const scalars: fc.Arbitrary<Buffer>[] = [
    fc.constant(hex('00')),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => {
      const bytes = Buffer.alloc(9, 1);
      bytes.writeBigInt64BE(value, 1);
      return bytes;
    }),
    fc.double().map((value) => {
      const bytes = Buffer.alloc(9, 2);
      bytes.writeDoubleBE(value, 1);
      return bytes;
    }),
    fc.integer().map((value) => writeTyped(storedTypes.decimal, Buffer.from(`${value}.50`))!),
    fc.string({ unit: 'grapheme' }).map((text) => writeTyped(storedTypes.text, Buffer.from(text))!),
    fc.uint8Array().map((bytes) => writeTyped(storedTypes.bytes, Buffer.from(bytes))!),
    fc.boolean().map((value) => hex(value ? '0801' : '0800')),
  ];
  if (depth === 0) return fc.oneof(...scalars);
  const list = fc.array(tagged(depth - 1), { maxLength: 4 }).map((items) => {
    const head = Buffer.alloc(5, 6);
    head.writeUInt32BE(items.length, 1);
    return Buffer.concat([head, ...items]);
  });
  const map = fc.array(fc.tuple(fc.string(), tagged(depth - 1)), { maxLength: 4 }).map((members) => {
    const head = Buffer.alloc(5, 7);
    head.writeUInt32BE(members.length, 1);
    const parts = members.flatMap(([name, value]) => {
      const bytes = Buffer.from(name);
      return [hex(bytes.byteLength.toString(16).padStart(4, '0')), bytes, value];
    });
    return Buffer.concat([head, ...parts]);
  });
  return fc.oneof(...scalars, list, map);
}

describe('typed values', () => {
  test('are what they were after the way through the store', () => {
    fc.assert(
      fc.property(tagged(3), (bytes) => {
        const { value, end } = readTyped(bytes, 0);
        expect(end).toBe(bytes.byteLength);
        expect(writeTyped(value.type, value.body)).toEqual(bytes);
        expect(typedFault(value.type, value.body)).toBeUndefined();
        // Whatever it is, it has a text, and JSON that parses.
        expect(textOf(value.type, value.body)).toBeInstanceOf(Buffer);
        JSON.parse(jsonOf(value.type, value.body));
      }),
    );
  });

  test('cut anywhere, or of random bytes, are refused with a message or read whole', () => {
    const cut = fc.tuple(tagged(2), fc.nat()).map(([bytes, at]) => bytes.subarray(0, at % bytes.byteLength));
    const random = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(cut, random), (bytes) => {
        try {
          expect(readTyped(bytes, 0).end).toBeLessThanOrEqual(bytes.byteLength);
        } catch (error) {
          expect(error).toBeInstanceOf(TypedFault);
        }
      }),
    );
  });

  test('nested too deeply are refused, and so are unknown tags and bad text', () => {
    const nested = (depth: number): Buffer =>
      Buffer.concat([...Array<Buffer>(depth).fill(hex('0600000001')), hex('00')]);
    expect(readTyped(nested(typedDepthMax), 0).end).toBe(5 * typedDepthMax + 1);
    expect(() => readTyped(nested(typedDepthMax + 1), 0)).toThrow('nested deeper');
    expect(() => readTyped(nested(100_000), 0)).toThrow('nested deeper');
    expect(() => readTyped(hex('2a'), 0)).toThrow('Invalid value type: 42');
    expect(() => readTyped(hex('0400000001ff'), 0)).toThrow('Invalid UTF-8 string');
    expect(() => readTyped(hex('06ffffffff'), 0)).toThrow('Unexpected end of data');
    expect(() => readTyped(hex('030003312e782e'), 0)).toThrow('Invalid decimal');
  });
});

describe('text of a stored value', () => {
  const texts: [keyof typeof storedTypes, string, string][] = [
    ['bytes', '6869', 'hi'],
    ['text', 'c3a9', 'é'],
    ['null', '', ''],
    ['int', '7fffffffffffffff', '9223372036854775807'],
    ['float', '3ff8000000000000', '1.5'],
    ['float', '7ff0000000000000', 'inf'],
    ['decimal', '302e3130', '0.10'],
    ['bool', '01', 'true'],
    [
      'array',
      '00000002 01 8000000000000000 05 00000001 ff',
      '[-9223372036854775808,{"encoding":"base64","value":"/w=="}]',
    ],
    ['map', '00000001 0001 61 03 0003 312e30', '{"a":"1.0"}'],
  ];
  test.each(texts)('%s %s is %s', (name, body, text) => {
    expect(textOf(storedTypes[name], hex(body))!.toString()).toBe(text);
    expect(isText(storedTypes[name])).toBe(true);
  });

  test('a collection has none, and the name that Redis gives it', () => {
    for (const name of ['hash', 'list', 'set', 'zset'] as const) {
      expect(isCollection(storedTypes[name])).toBe(true);
      expect(isText(storedTypes[name])).toBe(false);
      expect(textOf(storedTypes[name], Buffer.alloc(0))).toBeUndefined();
      expect(redisTypeName(storedTypes[name])).toBe(name);
      expect(storedTypeName(storedTypes[name])).toBe(name);
    }
    expect(redisTypeName(storedTypes.int)).toBe('string');
  });
});
