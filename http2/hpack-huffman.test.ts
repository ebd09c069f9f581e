import { describe, expect, it } from 'vitest';
import { decodeHuffman, huffmanDecodedBytesMax } from './hpack-huffman.ts';

function decoded(hex: string): string | undefined {
  const source = Buffer.from(hex, 'hex');
  const target = Buffer.alloc(huffmanDecodedBytesMax(source.length));
  const bytes = decodeHuffman(source, 0, source.length, target);
  return bytes < 0 ? undefined : target.toString('latin1', 0, bytes);
}

describe("HPACK's Huffman code", () => {
  it.each([
    ['f1e3c2e5f23a6ba0ab90f4ff', 'www.example.com'],
    ['a8eb10649cbf', 'no-cache'],
    ['25a849e95ba97d7f', 'custom-key'],
    ['25a849e95bb8e8b4bf', 'custom-value'],
    ['6402', '302'],
    ['d07abe941054d444a8200595040b8166e082a62d1bff', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['', ''],
  ])('decodes %s as in the RFC', (hex, text) => {
    expect(decoded(hex)).toBe(text);
  });

  it.each([
    ['EOS', 'ffffffff'],
    ['EOS behind a symbol', '07fffffffc'],
    ['a whole byte of padding', '07ff'],
    ['nothing but padding of eight bits', 'ff'],
    ['padding of zeros', '00'],
    ['padding with a zero in it', '06'],
  ])('refuses %s', (_, hex) => {
    expect(decoded(hex)).toBeUndefined();
  });

  it.each([
    [0, 'X', 'fc'],
    [1, ':', 'b9'],
    [3, '0', '07'],
    [6, '00', '003f'],
    [7, '0%-', '02ab7f'],
  ])('takes %i bits of padding behind %j', (_, text, hex) => {
    expect(decoded(hex)).toBe(text);
  });
});
