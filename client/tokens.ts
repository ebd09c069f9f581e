/**
 * The tokens of a prompt in the one form that the SDK works on: 64-bit integers side by side.
 *
 * Tokenizers hand out plain numbers, typed arrays or bigints. A `BigInt64Array` holds any of them in 8 bytes a token,
 * and a view of 32-bit halves over the same memory lets hashing and encoding work without one BigInt per token.
 */
import { endianness } from 'node:os';
import { KvcacheError } from '../errors.ts';
import { lookupTokensMax } from '../limits.ts';

/** What callers may pass as tokens. Numbers must be whole and within ±(2^53 − 1), bigints within 64 bits. */
export type TokenInput = readonly number[] | readonly bigint[] | BigInt64Array | Int32Array;

/** Where the low half of a 64-bit integer lies among its two 32-bit halves. */
const lowHalf = endianness() === 'LE' ? 0 : 1;

/** Tokens as 64-bit integers; a `BigInt64Array` is passed through without a copy. */
export function tokensOf(input: TokenInput): BigInt64Array {
  if (input.length > lookupTokensMax) {
    throw new KvcacheError('TOOLARGE', `${input.length} tokens are too many: at most ${lookupTokensMax}`);
  }
  if (input instanceof BigInt64Array) return input;
  const tokens = new BigInt64Array(input.length);
  const halves = tokenHalves(tokens);
  for (let index = 0; index < input.length; index++) {
    const token = input[index];
    if (typeof token === 'number') writeNumber(halves, index, token);
    else tokens[index] = checkedBigint(token, index);
  }
  return tokens;
}

/** The same memory as unsigned 32-bit halves; `halfIndex` says which is which. */
export function tokenHalves(tokens: BigInt64Array): Uint32Array {
  return new Uint32Array(tokens.buffer, tokens.byteOffset, tokens.length * 2);
}

/** The place of the low (or high) half of token `index` in `tokenHalves`. */
export function lowHalfAt(index: number): number {
  return index * 2 + lowHalf;
}

export function highHalfAt(index: number): number {
  return index * 2 + 1 - lowHalf;
}

function writeNumber(halves: Uint32Array, index: number, token: number): void {
  if (!Number.isSafeInteger(token)) {
    throw new KvcacheError('ERR', `tokens[${index}] is ${token}: a token is a whole number`);
  }
  // Two's complement: the division rounds down, so a negative token gets a high half of ones.
  halves[lowHalfAt(index)] = token;
  halves[highHalfAt(index)] = Math.floor(token / 2 ** 32);
}

function checkedBigint(token: bigint | undefined, index: number): bigint {
  if (typeof token !== 'bigint' || BigInt.asIntN(64, token) !== token) {
    throw new KvcacheError('ERR', `tokens[${index}] is ${String(token)}: a token is a 64-bit integer`);
  }
  return token;
}
