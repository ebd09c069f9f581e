import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { blobBlockBytes, blobBlocksPerSegmentMax, segmentBytesMax } from '../../limits.ts';
import { planBlocks } from './block-plan.ts';
import type { Extent } from './block-plan.ts';

const blockBytes = 4096;

function apply(present: readonly Extent[], bytes: number): Extent[] {
  const { keep, stage } = planBlocks(present, bytes, blockBytes);
  return [...present.slice(0, keep), ...stage];
}

function grow(growths: readonly number[]): { blocks: Extent[]; bytes: number; stagedBytes: number; stagings: number } {
  let blocks: Extent[] = [];
  let bytes = 0;
  let stagedBytes = 0;
  let stagings = 0;
  for (const growth of growths) {
    bytes += growth;
    const { keep, stage } = planBlocks(blocks, bytes, blockBytes);
    blocks = [...blocks.slice(0, keep), ...stage];
    stagedBytes += stage.reduce((sum, { length }) => sum + length, 0);
    stagings += stage.length;
  }
  return { blocks, bytes, stagedBytes, stagings };
}

describe('the plan of blocks', () => {
  test('always covers the file end to end with blocks within the bound', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3 * blockBytes }), { maxLength: 60 }), (growths) => {
        const { blocks, bytes } = grow(growths);
        let end = 0;
        for (const { offset, length } of blocks) {
          expect(offset).toBe(end);
          expect(length).toBeGreaterThan(0);
          expect(length).toBeLessThanOrEqual(blockBytes);
          end += length;
        }
        expect(end).toBe(bytes);
      }),
    );
  });

  test('stays under the bound of blocks however small the steps are', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: blockBytes }), { minLength: 1, maxLength: 500 }), (growths) => {
        const { blocks, bytes } = grow(growths);
        expect(blocks.length).toBeLessThanOrEqual((2 * bytes) / blockBytes + Math.log2(blockBytes) + 2);
      }),
    );
  });

  test('merges all blocks into the fewest rather than exceed the bound of a blob', () => {
    const length = blockBytes - 1;
    const present = Array.from({ length: blobBlocksPerSegmentMax }, (_, index) => ({ offset: index * length, length }));
    const bytes = blobBlocksPerSegmentMax * length + blockBytes / 8;
    const { keep, stage } = planBlocks(present, bytes, blockBytes);
    expect([keep, stage.length]).toEqual([0, Math.ceil(bytes / blockBytes)]);
    expect(() => planBlocks([], blobBlocksPerSegmentMax * blockBytes + 1, blockBytes)).toThrow('too many for blocks');
  });

  test('a segment of the largest size never reaches the bound of a blob', () => {
    const most = (2 * segmentBytesMax) / blobBlockBytes + Math.log2(blobBlockBytes) + 2;
    expect(most).toBeLessThan(blobBlocksPerSegmentMax);
  });

  test('sends a byte a logarithmic number of times, not once a flush', () => {
    const { bytes, stagedBytes, stagings, blocks } = grow(Array.from({ length: 10_000 }, () => 16));
    expect(stagings).toBe(10_000);
    expect(stagedBytes / bytes).toBeLessThan(Math.log2(blockBytes / 16) + 1);
    expect(blocks.length).toBeLessThan(100);
  });

  test('a step that fits one block stages one block', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: blockBytes }), { maxLength: 50 }),
        fc.integer({ min: 1, max: blockBytes }),
        (growths, last) => {
          const { blocks, bytes } = grow(growths);
          expect(planBlocks(blocks, bytes + last, blockBytes).stage).toHaveLength(1);
        },
      ),
    );
  });

  test('nothing new stages nothing', () => {
    const { blocks, bytes } = grow([100, 5000, 3]);
    expect(planBlocks(blocks, bytes, blockBytes)).toEqual({ keep: blocks.length, stage: [] });
  });

  test('a file that is shorter than the blob cuts blocks off and stages the rest of the one it ends in', () => {
    const { blocks } = grow([4096, 4096, 4096]);
    expect(apply(blocks, 5000)).toEqual([
      { offset: 0, length: 4096 },
      { offset: 4096, length: 904 },
    ]);
  });
});
