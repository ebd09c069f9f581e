import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { blockDigestBytes } from '../../commands/block-key.ts';
import { missedBlocksMax } from '../../limits.ts';
import { MissedBlocks } from './missed-blocks.ts';

function digestOf(name: string): Buffer {
  return createHash('sha256').update(name).digest().subarray(0, blockDigestBytes);
}

describe('MissedBlocks', () => {
  it('knows the place of a block that was noted last, and of no other block', () => {
    const missed = new MissedBlocks();
    expect(missed.chainIndexOf(digestOf('a'))).toBe(-1);
    missed.note(digestOf('a'), 0);
    expect([missed.chainIndexOf(digestOf('a')), missed.chainIndexOf(digestOf('b'))]).toEqual([0, -1]);
    missed.note(digestOf('a'), 2_000_000_000);
    expect(missed.chainIndexOf(digestOf('a'))).toBe(2_000_000_000);
  });

  it('gives no wrong place, however many were noted', () => {
    const missed = new MissedBlocks();
    const count = missedBlocksMax * 4;
    for (let index = 0; index < count; index++) missed.note(digestOf(`${index}`), index);
    const places = Array.from({ length: count }, (_, index) => missed.chainIndexOf(digestOf(`${index}`)));
    expect(places.filter((place, index) => place !== index && place !== -1)).toEqual([]);
    expect(places.filter((place) => place >= 0).length).toBeGreaterThan(missedBlocksMax / 2);
  });
});
