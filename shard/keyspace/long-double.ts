/**
 * The arithmetic of INCRBYFLOAT, digit for digit as Redis does it on x86-64.
 *
 * Redis adds in C's long double, which there is the 80-bit format of the x87: a mantissa of 64 bits, an exponent of 15,
 * rounding to the nearest and on a tie to the even. JavaScript has no such type, and its 53 bits would give other digits
 * (10.5 + 0.1 is 10.6 in one and 10.59999999999999964 in the other). So a number is an exact integer times a power
 * of two here, and every result is rounded once, as the hardware does. The text has 17 digits behind the point, without
 * its trailing zeros. On processors whose long double is another (aarch64 has 113 bits), Redis itself answers otherwise.
 *
 * Rejected: decimal arithmetic, which would be more accurate than Redis and hence differ from it.
 */

/** mantissa × 2^exponent, the mantissa below 2^64. */
export interface LongDouble {
  readonly mantissa: bigint;
  readonly exponent: number;
}

const mantissaBits = 64;
/** Of the last bit of the mantissa: below it numbers are lost, above it infinite. */
const exponentMin = -16_445;
const exponentMax = 16_320;
/** Texts that Redis' buffer takes. */
const textCharsMax = 5 * 1024 - 1;
/** Powers of ten beyond which no text is finite, or anything but nothing. */
const tenPowerMax = 5_000;
const tenPowerMin = -5_100;
const fractionDigits = 17;

const infinityPattern = /^[+-]?inf(?:inity)?$/i;
const hexPattern = /^([+-]?)0x([0-9a-f]*)(?:\.([0-9a-f]*))?(?:p([+-]?[0-9]+))?$/i;
const decimalPattern = /^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:e([+-]?[0-9]+))?$/i;

export const zero: LongDouble = { mantissa: 0n, exponent: 0 };

/** The number that C's strtold reads; undefined for text that is none, NaN, or a number too large or too small. */
export function parseLongDouble(text: string): LongDouble | 'infinite' | undefined {
  if (text.length > textCharsMax) return undefined;
  if (infinityPattern.test(text)) return 'infinite';
  const hex = hexPattern.exec(text);
  const [, sign, whole = '', fraction = '', power = '0'] = hex ?? decimalPattern.exec(text) ?? [];
  if (sign === undefined || whole.length + fraction.length === 0) return undefined;
  const digits = BigInt((hex === null ? '' : '0x') + whole + fraction);
  if (digits === 0n) return zero;
  const signed = sign === '-' ? -digits : digits;
  const number =
    hex === null
      ? fromDecimal(signed, Number(power) - fraction.length)
      : fromBinary(signed, Number(power) - 4 * fraction.length);
  return number === 'infinite' || number.mantissa === 0n ? undefined : number;
}

/** The sum, rounded; a sum beyond the largest number is infinite. */
export function addLongDouble(left: LongDouble, right: LongDouble): LongDouble | 'infinite' {
  const exponent = Math.min(left.exponent, right.exponent);
  const sum =
    (left.mantissa << BigInt(left.exponent - exponent)) + (right.mantissa << BigInt(right.exponent - exponent));
  return rounded(sum, 1n, exponent);
}

/** As C's `%.17Lf` without trailing zeros. */
export function formatLongDouble({ mantissa, exponent }: LongDouble): string {
  const scaled = mantissa * 10n ** BigInt(fractionDigits);
  const fixed = exponent >= 0 ? scaled << BigInt(exponent) : divideToEven(scaled, 1n << BigInt(-exponent));
  const digits = absolute(fixed)
    .toString()
    .padStart(fractionDigits + 1, '0');
  const fraction = digits.slice(-fractionDigits).replace(/0+$/, '');
  const text = digits.slice(0, -fractionDigits) + (fraction === '' ? '' : `.${fraction}`);
  return fixed < 0n ? `-${text}` : text;
}

function fromDecimal(digits: bigint, power: number): LongDouble | 'infinite' {
  const magnitude = absolute(digits).toString().length + power;
  if (magnitude > tenPowerMax) return 'infinite';
  if (magnitude < tenPowerMin) return zero;
  return power >= 0 ? rounded(digits * 10n ** BigInt(power), 1n, 0) : rounded(digits, 10n ** BigInt(-power), 0);
}

function fromBinary(digits: bigint, power: number): LongDouble | 'infinite' {
  if (bitsOf(digits) + power > exponentMax + mantissaBits) return 'infinite';
  if (bitsOf(digits) + power < exponentMin - 1) return zero;
  return rounded(digits, 1n, power);
}

/** numerator / denominator × 2^exponent as the nearest number that there is. */
function rounded(numerator: bigint, denominator: bigint, exponent: number): LongDouble | 'infinite' {
  if (numerator === 0n) return zero;
  // So that the quotient has 64 bits, or one more.
  const wanted = bitsOf(numerator) - bitsOf(denominator) - mantissaBits;
  const first = quotient(numerator, denominator, exponent, Math.max(wanted, exponentMin - exponent));
  if (bitsOf(first.mantissa) <= mantissaBits) return finite(first);
  return finite(quotient(numerator, denominator, exponent, first.exponent - exponent + 1));
}

function quotient(numerator: bigint, denominator: bigint, exponent: number, shift: number): LongDouble {
  const mantissa =
    shift >= 0
      ? divideToEven(numerator, denominator << BigInt(shift))
      : divideToEven(numerator << BigInt(-shift), denominator);
  return { mantissa, exponent: exponent + shift };
}

function finite({ mantissa, exponent }: LongDouble): LongDouble | 'infinite' {
  // Rounding up may carry into one bit more, all others of which are zero then.
  const hasCarried = bitsOf(mantissa) > mantissaBits;
  const number = hasCarried ? { mantissa: mantissa >> 1n, exponent: exponent + 1 } : { mantissa, exponent };
  return number.exponent > exponentMax ? 'infinite' : number;
}

function divideToEven(numerator: bigint, denominator: bigint): bigint {
  const magnitude = absolute(numerator);
  let result = magnitude / denominator;
  const doubled = 2n * (magnitude - result * denominator);
  if (doubled > denominator || (doubled === denominator && (result & 1n) === 1n)) result += 1n;
  return numerator < 0n ? -result : result;
}

function bitsOf(value: bigint): number {
  const hex = absolute(value).toString(16);
  return 4 * (hex.length - 1) + (32 - Math.clz32(parseInt(hex[0]!, 16)));
}

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value;
}
