import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { bytesOfArgument, jsonOf, printed, shown } from './bytes.ts';

test('printable UTF-8 is shown as it is', () => {
  for (const text of ['hello', 'größer 鍵', 'two\nlines\tand a tab', '']) expect(shown(Buffer.from(text))).toBe(text);
});

test('anything else is quoted, so that no byte plays with the terminal', () => {
  expect(shown(Buffer.from([0, 255, 0x22, 0x0a, 0x41]))).toBe(String.raw`"\x00\xff\"\nA"`);
  expect(shown(Buffer.from('\u001B[2J'))).toBe(String.raw`"\x1b[2J"`);
});

test('JSON holds text, or base64 that reads back as the same bytes', () => {
  expect(jsonOf(Buffer.from('text'))).toBe('text');
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const json = jsonOf(bytes);
      const back = typeof json === 'string' ? Buffer.from(json, 'utf8') : Buffer.from(json.base64, 'base64');
      expect(back.equals(bytes)).toBe(true);
    }),
  );
});

test('hexadecimal digits go in and out unchanged', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const hex = printed(Buffer.from(bytes), true);
      expect(bytesOfArgument(hex, true).equals(bytes)).toBe(true);
    }),
  );
});

test('what is not hexadecimal is refused with what would be right', () => {
  for (const text of ['0', 'xy', '00 ']) expect(() => bytesOfArgument(text, true)).toThrow('give two digits a byte');
});
