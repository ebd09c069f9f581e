import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ChainLink, longestPrefix } from './block-chain.ts';

type Version = readonly [hash: number, parent: number];

function blocks(...lists: (readonly Version[] | null)[]): (Buffer | null)[] {
  return lists.map((list) => {
    if (!list) return null;
    const bytes = Buffer.alloc(list.length * 16);
    list.forEach(([hash, parent], place) => {
      bytes.writeBigUInt64BE(BigInt(hash), place * 16);
      bytes.writeBigUInt64BE(BigInt(parent), place * 16 + 8);
    });
    return bytes;
  });
}

function pairs(chain: readonly ChainLink[]): number[][] {
  return chain.map(({ hash, parent }) => [Number(hash), Number(parent)]);
}

function hashes(...values: number[]): bigint[] {
  return values.map(BigInt);
}

describe('without hashes', () => {
  it('follows the parents from the version with parent 0', () => {
    expect(pairs(longestPrefix(blocks([[1, 0]], [[2, 1]], [[3, 2]]), []))).toEqual([
      [1, 0],
      [2, 1],
      [3, 2],
    ]);
  });

  it('ends before a missing middle', () => {
    expect(pairs(longestPrefix(blocks([[1, 0]], null, [[3, 2]]), []))).toEqual([[1, 0]]);
  });

  it('ends before a block of another chain', () => {
    expect(pairs(longestPrefix(blocks([[1, 0]], [[2, 9]]), []))).toEqual([[1, 0]]);
  });

  it('takes the only version of the first block whatever its parent, but never guesses among several', () => {
    expect(pairs(longestPrefix(blocks([[1, 7]], [[2, 1]]), []))).toHaveLength(2);
    expect(
      longestPrefix(
        blocks([
          [1, 7],
          [2, 8],
        ]),
        [],
      ),
    ).toEqual([]);
  });

  it('finds nothing in nothing', () => {
    expect(longestPrefix([], [])).toEqual([]);
    expect(longestPrefix([null], [])).toEqual([]);
  });

  it('tells A-B-C from X-B-C by the stored parents', () => {
    const [a, x, b1, b2, c1, c2] = [1, 2, 31, 32, 41, 42];
    const middles: Version[] = [
      [b2, x],
      [b1, a],
    ];
    const ends: Version[] = [
      [c2, b2],
      [c1, b1],
    ];
    expect(pairs(longestPrefix(blocks([[a, 0]], middles, ends), []))).toEqual([
      [a, 0],
      [b1, a],
      [c1, b1],
    ]);
    expect(pairs(longestPrefix(blocks([[x, 0]], middles, ends), []))).toEqual([
      [x, 0],
      [b2, x],
      [c2, b2],
    ]);
  });

  it('goes on where the newest version leads into a dead end', () => {
    const first: Version[] = [
      [5, 0],
      [1, 0],
    ];
    const second: Version[] = [
      [6, 5],
      [2, 1],
    ];
    expect(pairs(longestPrefix(blocks(first, second, [[3, 2]]), []))).toEqual([
      [1, 0],
      [2, 1],
      [3, 2],
    ]);
  });
});

describe('with precomputed hashes', () => {
  it('matches each block only by its hash, the first included', () => {
    expect(longestPrefix(blocks([[1, 0]]), hashes(2))).toEqual([]);
    const several: Version[] = [
      [2, 0],
      [1, 0],
    ];
    expect(pairs(longestPrefix(blocks(several, [[3, 1]]), hashes(1, 3)))).toEqual([
      [1, 0],
      [3, 1],
    ]);
  });

  it('ends where the hashes end', () => {
    expect(longestPrefix(blocks([[1, 0]], [[2, 1]], [[3, 2]]), hashes(1, 2))).toHaveLength(2);
  });

  it('does not join a block whose parent differs, whatever its hash', () => {
    expect(longestPrefix(blocks([[1, 0]], [[2, 9]]), hashes(1, 2))).toHaveLength(1);
  });

  it('takes hashes with the highest bit set, signed or not', () => {
    const bytes = Buffer.alloc(16);
    bytes.writeBigUInt64BE(2n ** 64n - 1n);
    expect(longestPrefix([bytes], [2n ** 64n - 1n])).toHaveLength(1);
    expect(longestPrefix([bytes], [-1n])).toHaveLength(1);
  });
});

/** Tries every choice of versions: the rule itself, without any cleverness. */
function everyChain(lists: (readonly Version[] | null)[], precomputed: readonly number[]): number[][][] {
  const limit = precomputed.length > 0 ? Math.min(lists.length, precomputed.length) : lists.length;
  const fits = (block: number, [hash]: Version): boolean => precomputed.length === 0 || hash === precomputed[block];
  const starts = (lists[0] ?? []).filter((version) => limit > 0 && fits(0, version));
  const proper = starts.filter(([, parent]) => parent === 0);
  const mayGuess = precomputed.length > 0 || starts.length === 1;
  const first = proper.length > 0 ? proper : mayGuess ? starts : [];
  const chains: number[][][] = [[]];
  const extend = (chain: Version[]): void => {
    chains.push(chain.map((version) => [...version]));
    const block = chain.length;
    if (block >= limit) return;
    for (const version of lists[block] ?? []) {
      if (fits(block, version) && version[1] === chain[block - 1]![0]) extend([...chain, version]);
    }
  };
  for (const version of first) extend([version]);
  return chains;
}

describe('against every possible chain', () => {
  const small = fc.integer({ min: 0, max: 3 });
  const versionList = fc.uniqueArray(fc.tuple(small, small), { maxLength: 5, selector: (pair) => pair.join() });
  const prompt = fc.array(fc.option(versionList, { freq: 8 }), { maxLength: 6 });

  it('finds a longest one, and the newest at its end', () => {
    fc.assert(
      fc.property(prompt, fc.oneof(fc.constant([]), fc.array(small, { maxLength: 7 })), (lists, precomputed) => {
        const found = pairs(longestPrefix(blocks(...lists), hashes(...precomputed)));
        const chains = everyChain(lists, precomputed);
        const longest = Math.max(...chains.map((chain) => chain.length));
        const best = chains.filter((chain) => chain.length === longest);
        expect(best).toContainEqual(found);
        if (longest === 0) return;
        const ages = (chain: number[][]): number =>
          lists[longest - 1]!.findIndex((version) => String(version) === String(chain[longest - 1]));
        expect(ages(found)).toBe(Math.min(...best.map(ages)));
      }),
      { numRuns: 3000 },
    );
  });
});
