import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KvcacheError } from '../errors.ts';
import { bytesTag, varintTag, WireReader } from './wire-reader.ts';

function readerOf(write: (writer: BinaryWriter) => void): WireReader {
  const writer = new BinaryWriter();
  write(writer);
  return new WireReader(Buffer.from(writer.finish()));
}

describe('a reader of protobuf', () => {
  it('reads every number of 32 bits and every signed one of 64 as the library writes it', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 32 - 1), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (small, signed) => {
        const reader = readerOf((writer) => writer.uint32(small).sint64(signed));
        expect(reader.u32()).toBe(small);
        const read = reader.sint64();
        expect(BigInt(read)).toBe(signed);
        expect(typeof read).toBe(Number.isSafeInteger(Number(signed)) ? 'number' : 'bigint');
        expect(reader.isAtEnd).toBe(true);
      }),
    );
  });

  it('skips fields of every wire type, groups within groups included', () => {
    const reader = readerOf((writer) => {
      writer.tag(9, WireType.Varint).int64(-1n);
      writer.tag(9, WireType.Bit64).fixed64(7n);
      writer.tag(9, WireType.Bit32).fixed32(7);
      writer.tag(9, WireType.LengthDelimited).bytes(Buffer.alloc(300));
      writer
        .tag(9, WireType.StartGroup)
        .tag(3, WireType.StartGroup)
        .tag(3, WireType.EndGroup)
        .tag(9, WireType.EndGroup);
      writer.tag(1, WireType.LengthDelimited).string('here');
    });
    for (let tag = reader.u32(); tag !== bytesTag(1); tag = reader.u32()) reader.skip(tag);
    expect(reader.text()).toBe('here');
    expect(varintTag(1)).toBe(8);
  });

  it('refuses what is cut or nested without end, and never reads beyond its bytes', () => {
    const deep = Buffer.alloc(1_000, (5 << 3) | WireType.StartGroup);
    expect(() => new WireReader(deep).skip(new WireReader(deep).u32())).toThrow(KvcacheError);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const reader = new WireReader(Buffer.from(bytes));
        try {
          while (!reader.isAtEnd) reader.skip(reader.u32());
        } catch (error) {
          expect(error).toBeInstanceOf(KvcacheError);
        }
        expect(reader.at).toBeLessThanOrEqual(bytes.byteLength);
      }),
    );
  });
});
