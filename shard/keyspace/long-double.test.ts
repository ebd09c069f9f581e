import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addLongDouble, formatLongDouble, type LongDouble, parseLongDouble } from './long-double.ts';

/** What INCRBYFLOAT answers, or why it answers nothing. */
function sum(left: string, right: string): string | undefined {
  const [one, other] = [parseLongDouble(left), parseLongDouble(right)];
  if (one === undefined || other === undefined) return undefined;
  const result = one === 'infinite' || other === 'infinite' ? 'infinite' : addLongDouble(one, other);
  return result === 'infinite' ? result : formatLongDouble(result);
}

// Answers of redis-server 7.0 on x86-64.
test.each([
  ['10.50', '0.1', '10.6'],
  ['0.1', '0.2', '0.3'],
  ['5.0e3', '2.0e2', '5200'],
  ['3.0e3', '0x1p-1', '3000.5'],
  ['-1.5', '1.5', '0'],
  ['0', '-0', '0'],
  ['0', '1e-18', '0'],
  ['1', '0.00000000000000001', '1.00000000000000001'],
  ['18446744073709551616', '1', '18446744073709551616'],
  // Most decimals of so many digits are between two numbers, in Redis too.
  ['-248046.876', '0', '-248046.87600000000000477'],
  ['inf', '1', 'infinite'],
  ['1e4932', '1e4932', 'infinite'],
])('%s + %s is %s', (left, right, expected) => {
  expect(sum(left, right)).toBe(expected);
});

test.each(['', ' 1', '1 ', 'abc', '1e', '--1', '0x', 'nan', '1e5000', '1e-5000', '1,5', '9'.repeat(6_000)])(
  '%j is no number',
  (text) => {
    expect(parseLongDouble(text)).toBeUndefined();
  },
);

test('integers of 64 bits are exact', () => {
  const integer = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  fc.assert(
    fc.property(integer, (value) => {
      expect(sum('0', value.toString())).toBe(value.toString());
    }),
  );
});

test('addition commutes, and takes back what it added', () => {
  const number = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }).map(String);
  fc.assert(
    fc.property(number, number, (left, right) => {
      expect(sum(left, right)).toBe(sum(right, left));
      const one = parseLongDouble(left) as LongDouble;
      const negated = { ...one, mantissa: -one.mantissa };
      expect(formatLongDouble(addLongDouble(one, negated) as LongDouble)).toBe('0');
    }),
  );
});
