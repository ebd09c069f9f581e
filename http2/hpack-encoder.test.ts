import { describe, expect, it } from 'vitest';
import {
  http2HeaderTableBytes,
  http2IndexedValueBytesMax,
  http2IndexedValuesPerName,
  http2RememberedBlocks,
} from '../limits.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';

const trailers = { 'grpc-status': '0' };
const responseHeaders = { ':status': '200', 'content-type': 'application/grpc' };

function encoderAndDecoder(): { encoder: HpackEncoder; decoder: HpackDecoder } {
  return {
    encoder: new HpackEncoder({ tableBytesMax: http2HeaderTableBytes }),
    decoder: new HpackDecoder({ tableBytesMax: http2HeaderTableBytes, listBytesMax: 1 << 20 }),
  };
}

describe('the encoder', () => {
  it('sends a field in full once and as an index from then on', () => {
    const { encoder } = encoderAndDecoder();
    expect(encoder.encode({ ...responseHeaders }).length).toBeGreaterThan(10);
    expect(encoder.encode({ ...responseHeaders })).toEqual(Buffer.of(0x88, 0xbe));
  });

  it('answers an object that comes again with the same bytes until the table changes', () => {
    const { encoder, decoder } = encoderAndDecoder();
    const send = (fields: Record<string, string>): Buffer => {
      const block = encoder.encode(fields);
      expect({ ...(decoder.decode(block) as object) }).toEqual(fields);
      return block;
    };
    for (let times = 0; times < 3; times++) send(trailers);
    expect(send(trailers)).toBe(send(trailers));
    send({ 'grpc-message': 'no such key' });
    for (let times = 0; times < 3; times++) send(trailers);
    encoder.peerTableBytesMax = 0;
    for (let times = 0; times < 3; times++) send(trailers);
  });

  it('never changes a block that it has handed out', () => {
    const { encoder } = encoderAndDecoder();
    const blocks = Array.from({ length: 3_000 }, (_, number) => encoder.encode({ 'x-number': String(number) }));
    const decoder = new HpackDecoder({ tableBytesMax: http2HeaderTableBytes, listBytesMax: 1_000 });
    for (const [number, block] of blocks.entries()) {
      expect(decoder.decode(block)).toHaveProperty('x-number', String(number));
    }
  });

  it('remembers the constants again after many objects that came once', () => {
    const { encoder } = encoderAndDecoder();
    for (let times = 0; times < 3; times++) encoder.encode(trailers);
    const block = encoder.encode(trailers);
    for (let times = 0; times < 2 * http2RememberedBlocks; times++) encoder.encode({ ...trailers });
    for (let times = 0; times < 2; times++) expect(encoder.encode(trailers)).toEqual(block);
    expect(encoder.encode(trailers)).toBe(encoder.encode(trailers));
  });

  it('marks credentials as never to be indexed', () => {
    const { encoder, decoder } = encoderAndDecoder();
    for (let times = 0; times < 2; times++) {
      const block = encoder.encode({ authorization: 'Bearer x', cookie: 'a=b' });
      expect([block[0], block[1], block[2]]).toEqual([0x1f, 23 - 15, 8]);
      expect(block[2 + 9]).toBe(0x1f);
      expect(decoder.decode(block)).toMatchObject({ authorization: 'Bearer x', cookie: 'a=b' });
    }
  });

  it('keeps deadlines, lengths and long values out of the table, but for one deadline that lends its name', () => {
    const { encoder } = encoderAndDecoder();
    expect(encoder.encode({ 'grpc-timeout': '1S' })[0]).toBe(0x40);
    for (let times = 0; times < 2; times++) {
      expect(encoder.encode({ 'grpc-timeout': '2S' })).toEqual(Buffer.from('0f2f023253', 'hex'));
      expect(encoder.encode({ 'content-length': '12' }).subarray(0, 2)).toEqual(Buffer.of(0x0f, 28 - 15));
      expect(encoder.encode({ 'x-long': 'v'.repeat(http2IndexedValueBytesMax + 1) })[0]).toBe(0x00);
    }
    expect(encoder.encode({ 'x-long': 'v'.repeat(http2IndexedValueBytesMax) })[0]).toBe(0x40);
  });

  it('lets a name whose values never come again not push out the others', () => {
    const { encoder, decoder } = encoderAndDecoder();
    decoder.decode(encoder.encode(responseHeaders));
    for (let number = 0; number < 1_000; number++) {
      const fields = { 'request-id': `request ${number} of a client` };
      const block = encoder.encode(fields);
      expect(block[0]! & 0xc0).toBe(number < http2IndexedValuesPerName ? 0x40 : 0x00);
      expect(decoder.decode(block)).toMatchObject(fields);
    }
    expect(encoder.encode(responseHeaders)).toHaveLength(2);
  });

  it('puts nothing into a table of no bytes', () => {
    const { encoder, decoder } = encoderAndDecoder();
    encoder.peerTableBytesMax = 0;
    expect(encoder.encode({ a: 'b' })).toEqual(Buffer.from('200001610162', 'hex'));
    encoder.encode({ a: 'b' });
    expect(decoder.decode(encoder.encode({ a: 'b' }))).toMatchObject({ a: 'b' });
  });

  it('tells of the smallest table that there was between two blocks, and of the last', () => {
    const { encoder, decoder } = encoderAndDecoder();
    decoder.decode(encoder.encode({ a: 'b' }));
    encoder.peerTableBytesMax = 10;
    encoder.peerTableBytesMax = 2_000;
    const block = encoder.encode({ a: 'b' });
    expect(block.toString('hex')).toBe('2a3fb10f4001610162');
    expect(decoder.decode(block)).toMatchObject({ a: 'b' });
    expect(encoder.encode({ a: 'b' })).toEqual(Buffer.of(0xbe));
  });

  it('stays below its own bound whatever the peer offers', () => {
    const { encoder } = encoderAndDecoder();
    encoder.peerTableBytesMax = 1 << 20;
    expect(encoder.encode({ ':status': '200' })).toEqual(Buffer.of(0x88));
  });

  it('sends an array as several fields', () => {
    const { encoder, decoder } = encoderAndDecoder();
    expect(decoder.decode(encoder.encode({ a: ['1', '2', '1'] }))).toMatchObject({ a: '1, 2, 1' });
  });

  it('sends pseudo-header fields first, also before names that are numbers', () => {
    const { encoder, decoder } = encoderAndDecoder();
    for (let times = 0; times < 2; times++) {
      decoder.decode(encoder.encode({ ':status': '200', '7': 'seven', a: 'b' }));
      expect(decoder.fault).toBeUndefined();
    }
  });

  it('sends values of any length', () => {
    const { encoder, decoder } = encoderAndDecoder();
    for (const length of [0, 126, 127, 128, 255, 16_000, 100_000, 5]) {
      const fields = { a: 'v'.repeat(length), b: 'w' };
      expect(decoder.decode(encoder.encode(fields))).toMatchObject(fields);
    }
  });
});
