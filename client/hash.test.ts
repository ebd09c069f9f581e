import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blockCount, chainedHashes, unchainedHashes } from './hash.ts';
import { tokensOf } from './tokens.ts';

/** The definition itself, in BigInts. */
function unchainedByDefinition(tokens: readonly bigint[]): bigint[] {
  const hashes: bigint[] = [];
  for (let from = 0; from + 128 <= tokens.length; from += 128) {
    let hash = 0n;
    for (const token of tokens.slice(from, from + 128)) hash = BigInt.asUintN(64, hash * 31n + token);
    hashes.push(hash);
  }
  return hashes;
}

const token = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const prompt = fc.array(token, { minLength: 0, maxLength: 400, size: 'max' });

describe('unchained hashes', () => {
  test('are h × 31 + token modulo 2^64 over each block', () => {
    fc.assert(
      fc.property(prompt, (tokens) => {
        expect(unchainedHashes(tokens)).toEqual(unchainedByDefinition(tokens));
      }),
      { numRuns: 50 },
    );
  });

  test('of a block do not see the blocks before it', () => {
    const block = Array.from({ length: 128 }, (_, index) => index);
    const hashes = unchainedHashes([...block, ...block]);
    expect(hashes[0]).toBe(hashes[1]);
  });
});

describe('chained hashes', () => {
  test('differ from the first difference on, and only from there on', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 512, maxLength: 512 }), fc.nat(511), (tokens, place) => {
        const other = tokens.with(place, tokens[place]! + 1);
        const [ours, theirs] = [chainedHashes(tokens), chainedHashes(other)];
        const first = Math.floor(place / 128);
        expect(ours.slice(0, first)).toEqual(theirs.slice(0, first));
        for (let block = first; block < 4; block++) expect(ours[block]).not.toBe(theirs[block]);
      }),
      { numRuns: 20 },
    );
  });

  test('stay the same from version to version, because stored blocks are found by them', () => {
    const tokens = Array.from({ length: 256 }, (_, index) => index);
    expect(chainedHashes(tokens).map((hash) => hash.toString(16))).toMatchInlineSnapshot(`
      [
        "a02c93214705e4a0",
        "27d62cc0cf93b91",
      ]
    `);
  });
});

describe('tokens', () => {
  test('are the same whatever array they come in', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { maxLength: 300 }), (numbers) => {
        const expected = BigInt64Array.from(numbers.map(BigInt));
        expect(tokensOf(numbers)).toEqual(expected);
        expect(tokensOf(Int32Array.from(numbers))).toEqual(expected);
        expect(tokensOf(numbers.map(BigInt))).toEqual(expected);
      }),
    );
  });

  test('may be any safe integer, negative ones included', () => {
    const numbers = [-1, 0, 2 ** 32, -(2 ** 32) - 5, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];
    expect(tokensOf(numbers)).toEqual(BigInt64Array.from(numbers.map(BigInt)));
  });

  test.each([[[1.5]], [[Number.NaN]], [[2 ** 60]], [[2n ** 63n]]])('refuse %s by place', (tokens) => {
    expect(() => tokensOf(tokens as number[])).toThrow(/^tokens\[0\] is /);
  });

  test('make floor(n / 128) blocks', () => {
    expect([0, 127, 128, 255, 256].map(blockCount)).toEqual([0, 0, 1, 1, 2]);
  });
});
