import { expect, test } from 'vitest';
import { formatScore, parseFiniteText, parseScore } from './score.ts';

const texts: [number, string][] = [
  [0, '0'],
  [-0, '-0'],
  [1, '1'],
  [-17, '-17'],
  [0.1, '0.10000000000000001'],
  [1.5, '1.5'],
  [3.14, '3.1400000000000001'],
  [1e15, '1000000000000000'],
  [1e17, '1e+17'],
  [1.5e300, '1.5000000000000001e+300'],
  [0.0001, '0.0001'],
  [0.00001, '1.0000000000000001e-05'],
  [5e-324, '4.9406564584124654e-324'],
  [Number.MAX_SAFE_INTEGER, '9007199254740991'],
  [Infinity, 'inf'],
  [-Infinity, '-inf'],
];

test.each(texts)('%d is written %s, as printf writes %%.17g, and read back as it was', (score, text) => {
  expect(formatScore(score)).toBe(text);
  expect(Object.is(parseScore(text), score)).toBe(true);
});

test('what C reads as a number is one; what is beyond a double is one only where no error is wanted', () => {
  for (const text of ['+1', '.5', '5.', '1e3', '-INF', '+infinity', '00012']) expect(parseScore(text)).toBeDefined();
  for (const text of ['', 'x', '1x', ' 1', '1 ', 'nan', '.', 'e5', '--1', '1e'])
    expect(parseScore(text)).toBeUndefined();
  expect(parseScore('1e400')).toBe(Infinity);
  for (const text of ['1e400', '-1e400', '1e-400']) expect(parseFiniteText(text)).toBeUndefined();
  expect([parseFiniteText('inf'), parseFiniteText('0e-400'), parseFiniteText('2.5')]).toEqual([Infinity, 0, 2.5]);
});
