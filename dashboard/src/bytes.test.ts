import { expect, test } from 'vitest';
import { bytesOfText, hexLines, pathOfKey } from './bytes.ts';

test('every key has a path', () => {
  expect(pathOfKey('user:1/ü', undefined)).toBe('user%3a1%2f%c3%bc');
  expect(pathOfKey('/wA=', 'base64')).toBe('%ff%00');
});

test('hex shows offset, bytes and characters', () => {
  expect(hexLines(bytesOfText('hello, wörld and all', undefined))).toEqual([
    '00000000  68 65 6c 6c 6f 2c 20 77  c3 b6 72 6c 64 20 61 6e  hello, w··rld an',
    '00000010  64 20 61 6c 6c                                    d all',
  ]);
  expect(hexLines(new Uint8Array())).toEqual([]);
});
