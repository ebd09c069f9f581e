import fc from 'fast-check';
import { expect, test } from 'vitest';
import { binaryCursor, comparePositions, numericCursor } from './scan-cursor.ts';

const position = fc.record({
  slot: fc.integer({ min: 0, max: 16_383 }),
  boundary: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
});

test.each([
  ['bytes', binaryCursor],
  ['a number', numericCursor],
])('a position comes back from its cursor as %s', (_, form) => {
  fc.assert(
    fc.property(position, (at) => {
      expect(form.decode(form.encode(at))).toEqual(at);
    }),
  );
  expect(form.decode(form.encode(undefined))).toEqual({ slot: 0, boundary: 0 });
});

test('numbers are in the order of positions', () => {
  fc.assert(
    fc.property(position, position, (left, right) => {
      const difference = Number(numericCursor.encode(left)) - Number(numericCursor.encode(right));
      expect(Math.sign(difference)).toBe(Math.sign(comparePositions(left, right)));
    }),
  );
});

test('what is no position is no cursor', () => {
  for (const bytes of [Buffer.from([0xff, 0xff, 0, 0, 0, 0]), Buffer.alloc(5)]) {
    expect(binaryCursor.decode(bytes)).toBeUndefined();
  }
  for (const text of ['', '-1', '+1', ' 1', '1 ', '0x1', '1e3', String(16_384 * 2 ** 32), '9'.repeat(30)]) {
    expect(numericCursor.decode(Buffer.from(text))).toBeUndefined();
  }
});
