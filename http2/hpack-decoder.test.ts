import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { http2HeaderFieldsMax } from '../limits.ts';
import type { OutgoingFields } from './header-fields.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import { HpackError } from './hpack-error.ts';

const bounds = { tableBytesMax: 4_096, listBytesMax: 16_384 };

function decode(hex: string, decoder = new HpackDecoder(bounds)): Record<string, string> | 'too-large' {
  return decoder.decode(Buffer.from(hex, 'hex'));
}

/** A literal without indexing. */
function literal(name: string, value: string): Buffer {
  const parts = [name, value].map((text) => Buffer.from(text, 'latin1'));
  return Buffer.concat([
    Buffer.of(0),
    ...parts.flatMap((bytes) => {
      if (bytes.length >= 0x7f) throw new Error('a short text is meant');
      return [Buffer.of(bytes.length), bytes];
    }),
  ]);
}

describe('a header block that is none', () => {
  it.each([
    ['index zero', '80'],
    ['an index behind the static table while the other is empty', 'be'],
    ['a name behind the tables', '7f000161'],
    ['a name of a literal without indexing behind the tables', '0f2f0161'],
    ['a number that does not end', 'ff'],
    ['a number that goes on behind the block', 'ff80'],
    ['a number above 2^31', 'ffffffffff7f'],
    ['a number of zeros without an end', `ff${'80'.repeat(20)}00`],
    ['a string longer than the block', '000161027a'],
    ['a string as long as no block', '00ffffffff0761'],
    ['a literal without a value', '000161'],
    ['a literal without anything', '40'],
    ['Huffman that holds EOS', '000161 84ffffffff'.replace(' ', '')],
    ['Huffman that is padded with zeros', '0001618100'],
    ['Huffman that is padded by a byte', '0001618207ff'],
    ['a table above what was announced', '3fe21f'],
    ['a table size behind a field', '8220'],
  ])('is refused: %s', (_, hex) => {
    expect(() => decode(hex)).toThrow(HpackError);
  });

  it('is never anything else than fields or an HpackError, whatever the bytes', () => {
    const decoder = new HpackDecoder(bounds);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        fieldsOrRefusal(decoder, Buffer.from(bytes));
      }),
      { numRuns: 3_000 },
    );
  });

  it('is told from its beginning wherever it is cut', () => {
    const fields = { ':status': '200', 'content-type': 'application/grpc', 'x-long': 'v'.repeat(300), te: 'trailers' };
    const plain = new HpackEncoder({ tableBytesMax: 4_096 }).encode(fields);
    const huffman = Buffer.from(
      '828684418cf1e3c2e5f23a6ba0ab90f4ff5886a8eb10649cbf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
      'hex',
    );
    for (const block of [plain, huffman]) {
      const whole = Object.entries(new HpackDecoder(bounds).decode(block));
      for (let length = 0; length < block.length; length++) {
        const part = fieldsOrRefusal(new HpackDecoder(bounds), block.subarray(0, length));
        if (part) expect(Object.entries(part)).toEqual(whole.slice(0, Object.keys(part).length));
      }
    }
  });
});

/** Undefined for what was refused. */
function fieldsOrRefusal(decoder: HpackDecoder, block: Buffer): Record<string, string> | 'too-large' | undefined {
  try {
    return decoder.decode(block);
  } catch (error) {
    expect(error).toBeInstanceOf(HpackError);
    return undefined;
  }
}

describe('decoded fields', () => {
  it('join the values of a name that comes several times', () => {
    const block = Buffer.concat([
      literal('a', '1'),
      literal('cookie', 'x=1'),
      literal('a', '2'),
      literal('cookie', 'y=2'),
    ]);
    expect({ ...(new HpackDecoder(bounds).decode(block) as object) }).toEqual({ a: '1, 2', cookie: 'x=1; y=2' });
  });

  it('inherit nothing', () => {
    const fields = new HpackDecoder(bounds).decode(literal('__proto__', 'x')) as Record<string, unknown>;
    expect(Object.keys(fields)).toEqual(['__proto__']);
    expect(fields['constructor']).toBeUndefined();
    expect(fields['__proto__']).toBe('x');
  });

  it('have a character for each byte of a value', () => {
    const value = Array.from({ length: 126 }, (_, code) => String.fromCharCode(code + 128)).join('');
    expect(new HpackDecoder(bounds).decode(literal('a', value))).toHaveProperty('a', value);
  });

  it('are the same object for the same bytes while the table stays as it is', () => {
    const decoder = new HpackDecoder(bounds);
    const inserting = '40016101624001630164';
    expect(decode(inserting, decoder)).not.toBe(decode(inserting, decoder));
    const first = decode('bebf', decoder);
    expect(decode('bebf', decoder)).toBe(first);
    decode('4001650166', decoder);
    expect(decode('bebf', decoder)).toMatchObject({ e: 'f', c: 'd' });
  });

  it('are not kept for a deadline, which hardly comes twice', () => {
    const decoder = new HpackDecoder(bounds);
    const block = literal('grpc-timeout', '1S');
    expect(decoder.decode(block)).not.toBe(decoder.decode(block));
  });

  it('keep what was decoded when many blocks come after it', () => {
    const decoder = new HpackDecoder(bounds);
    const blocks = Array.from({ length: 100 }, (_, number) => literal('n', String(number)));
    for (const [number, block] of [...blocks, ...blocks].entries()) {
      expect(decoder.decode(block)).toHaveProperty('n', String(number % 100));
    }
  });
});

describe('a list of fields above the bound', () => {
  it('is told from one at the bound', () => {
    const block = Buffer.concat([literal('a', '1'), literal('b', '22')]);
    expect(new HpackDecoder({ ...bounds, listBytesMax: 69 }).decode(block)).toMatchObject({ a: '1', b: '22' });
    expect(new HpackDecoder({ ...bounds, listBytesMax: 68 }).decode(block)).toBe('too-large');
  });

  it('is also one of too many fields, however small they are', () => {
    const decoder = new HpackDecoder(bounds);
    const fields = Buffer.alloc(http2HeaderFieldsMax, 0x82);
    expect(decoder.decode(fields)).not.toBe('too-large');
    expect(decoder.decode(Buffer.concat([fields, Buffer.of(0x82)]))).toBe('too-large');
  });

  it('leaves the table as the sender has it', () => {
    const decoder = new HpackDecoder({ ...bounds, listBytesMax: 100 });
    const large = decode(`4001610162${'be'.repeat(10)}4001630164`, decoder);
    expect(large).toBe('too-large');
    expect(decode('bebf', decoder)).toMatchObject({ a: 'b', c: 'd' });
  });

  it('takes no memory when a small block stands for a huge list', () => {
    const decoder = new HpackDecoder(bounds);
    decode(`4001617f8110${'62'.repeat(2_176)}`, decoder);
    expect(decoder.decode(Buffer.alloc(1 << 20, 0xbe))).toBe('too-large');
  });
});

describe('the table of the decoder', () => {
  it('begins with 4096 bytes until the peer knows our bound', () => {
    const decoder = new HpackDecoder({ tableBytesMax: 0, listBytesMax: 1_000 });
    decode('4001610162', decoder);
    expect(decode('be', decoder)).toMatchObject({ a: 'b' });
    decode('20', decoder);
    expect(() => decode('be', decoder)).toThrow(HpackError);
  });

  it('forgets everything for an entry that is larger than all of it, and takes the entry for the message', () => {
    const decoder = new HpackDecoder(bounds);
    decode('3f0f', decoder);
    decode('4001610162', decoder);
    expect(decode(`4001617f00${'62'.repeat(127)}`, decoder)).toMatchObject({ a: 'b'.repeat(127) });
    expect(() => decode('be', decoder)).toThrow(HpackError);
  });

  it('takes the name from an entry that makes room for the new one', () => {
    const decoder = new HpackDecoder(bounds);
    decode('3f05', decoder);
    expect(decode('4001610162', decoder)).toMatchObject({ a: 'b' });
    expect(decode('7e0163', decoder)).toMatchObject({ a: 'c' });
    expect(decode('be', decoder)).toMatchObject({ a: 'c' });
    expect(() => decode('bf', decoder)).toThrow(HpackError);
  });

  it('may be set twice at the beginning of a block', () => {
    const decoder = new HpackDecoder(bounds);
    decode('4001610162', decoder);
    expect(decode('203fe11f4001610163be', decoder)).toMatchObject({ a: 'c, c' });
    expect(() => decode('bf', decoder)).toThrow(HpackError);
  });
});

describe('the fault of a message', () => {
  it.each<[string, Buffer]>([
    ['an upper case name', literal('A', 'x')],
    ['a line break in a value', literal('a', 'x\r\ny')],
    ['a pseudo-header field behind a regular one', Buffer.concat([literal('a', 'x'), Buffer.of(0x82)])],
    ['a pseudo-header field twice', Buffer.of(0x82, 0x82)],
  ])('is told and leaves the connection alone: %s', (_, block) => {
    const decoder = new HpackDecoder(bounds);
    for (let times = 0; times < 3; times++) {
      decoder.decode(block);
      expect(decoder.fault).toEqual(expect.any(String));
      decode('8286', decoder);
      expect(decoder.fault).toBeUndefined();
    }
  });
});

describe('our encoder and our decoder', () => {
  const name = fc.constantFrom(
    ':path',
    ':status',
    'grpc-timeout',
    'authorization',
    'content-type',
    'a',
    'b',
    'c',
    'd-e',
    '7',
  );
  const value = fc.oneof(
    fc.constantFrom('', '200', '/', 'application/grpc', 'x'),
    fc.string({ maxLength: 20 }),
    fc.nat({ max: 400 }).map((length) => 'v'.repeat(length)),
  );
  const fields = fc.dictionary(name, fc.oneof(value, fc.array(value, { minLength: 1, maxLength: 3 })), { maxKeys: 8 });
  const step = fc.oneof({ weight: 20, arbitrary: fields }, { weight: 1, arbitrary: fc.nat({ max: 5_000 }) });

  it('agree over any series of fields and table sizes, with evictions and objects that come again', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), fc.infiniteStream(fc.nat()), (steps, choices) => {
        const encoder = new HpackEncoder({ tableBytesMax: 600 });
        const decoder = new HpackDecoder({ tableBytesMax: 600, listBytesMax: 1 << 20 });
        const given: OutgoingFields[] = [];
        for (const next of steps) {
          if (typeof next === 'number') {
            encoder.peerTableBytesMax = next;
          } else {
            given.push(next);
            const again = given[choices.next().value! % given.length]!;
            for (const item of [next, again, again, again]) {
              expect({ ...(decoder.decode(encoder.encode(item)) as object) }).toEqual(joined(item));
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

function joined(fields: OutgoingFields): Record<string, string> {
  const entries = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : value.join(', '),
  ]);
  return Object.fromEntries(entries) as Record<string, string>;
}
