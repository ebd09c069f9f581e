import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blockContent, type BlockIdentity, isBlockContent } from './content.ts';

const block: BlockIdentity = { scope: Buffer.from('scope'), chainedHash: 7n, chainedParent: 6n };

describe('the content of a block', () => {
  test('is known again, at any length', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100_000 }), (bytes) => {
        const content = blockContent(block, bytes);
        expect(content.byteLength).toBe(bytes);
        expect(isBlockContent(block, content)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test('with any single bit flipped is not', () => {
    const content = blockContent(block, 4096);
    fc.assert(
      fc.property(fc.nat(4096 * 8 - 1), (bit) => {
        const damaged = Buffer.from(content);
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        expect(isBlockContent(block, damaged)).toBe(false);
      }),
    );
  });

  test('cut short or of another block, chain or scope is not', () => {
    const content = blockContent(block, 4096);
    expect(isBlockContent(block, content.subarray(0, 4095))).toBe(false);
    expect(isBlockContent({ ...block, chainedHash: 8n }, content)).toBe(false);
    expect(isBlockContent({ ...block, chainedParent: 0n }, content)).toBe(false);
    expect(isBlockContent({ ...block, scope: Buffer.from('other') }, content)).toBe(false);
  });

  test('differs from that of another block in every part', () => {
    const [ours, theirs] = [blockContent(block, 65_536), blockContent({ ...block, chainedHash: 8n }, 65_536)];
    for (let from = 0; from < 65_536; from += 64) {
      expect(ours.subarray(from, from + 64).equals(theirs.subarray(from, from + 64))).toBe(false);
    }
  });
});
