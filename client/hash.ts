/**
 * The two hashes by which clients name blocks of 128 tokens.
 *
 * *Chained* (recommended): the first 64 bits of SHA-256(hash of the block before, as 8 bytes big-endian, 0 for the
 * first ‖ 128 tokens as 8 bytes big-endian each). The hash stands for the whole prompt up to the end of the block, so
 * two prompts share a version of a block exactly where everything before it is the same too.
 *
 * *Unchained* (what the first clients of kvstore.KVStoreService send): h = 0, then h = h × 31 + token over the block,
 * modulo 2^64. It depends on this block alone. The server tells versions of a block apart by (hash, parent hash), and
 * with unchained hashes the parent says only what one block back looked like: in the prompts A-B-C and X-B-C the
 * versions of C are one and the same, although its KV tensors differ, and the second writer's bytes replace the
 * first's. The polynomial is also easy to collide: raising a token by 1 and lowering the next by 31 changes nothing.
 * Serving a block of another chain corrupts a model's answer without a sign, hence the recommendation.
 *
 * Rejected for the chain: continuing the polynomial over the whole prompt, which keeps its collisions.
 */
import { hash as digestOf } from 'node:crypto';
import { blockTokens } from '../limits.ts';
import { highHalfAt, lowHalfAt, tokenHalves, tokensOf, type TokenInput } from './tokens.ts';

const wordRange = 2 ** 32;

/** Full blocks of a prompt; the rest, under 128 tokens, is never cached. */
export function blockCount(tokenCount: number): number {
  return Math.floor(tokenCount / blockTokens);
}

/** The unchained hash of each full block, unsigned 64-bit. */
export function unchainedHashes(input: TokenInput): bigint[] {
  const halves = tokenHalves(tokensOf(input));
  return Array.from({ length: blockCount(input.length) }, (_, block) => unchainedHash(halves, block * blockTokens));
}

/** The chained hash of each full block, unsigned 64-bit and never 0, which stands for "no parent". */
export function chainedHashes(input: TokenInput): bigint[] {
  const tokens = tokensOf(input);
  const link = Buffer.alloc(8 + blockTokens * 8);
  const hashes: bigint[] = [];
  for (let block = 0; block < blockCount(tokens.length); block++) {
    for (let index = 0; index < blockTokens; index++) {
      link.writeBigInt64BE(tokens[block * blockTokens + index]!, 8 + index * 8);
    }
    const hash = digestOf('sha256', link, 'buffer').readBigUInt64BE(0) || 1n;
    hashes.push(hash);
    link.writeBigUInt64BE(hash);
  }
  return hashes;
}

/** h = h × 31 + token in two 32-bit halves: the products stay far below 2^53, so plain numbers are exact. */
function unchainedHash(halves: Uint32Array, from: number): bigint {
  let low = 0;
  let high = 0;
  for (let index = from; index < from + blockTokens; index++) {
    const lowSum = low * 31 + halves[lowHalfAt(index)]!;
    low = lowSum % wordRange;
    high = (high * 31 + halves[highHalfAt(index)]! + Math.floor(lowSum / wordRange)) % wordRange;
  }
  return (BigInt(high) << 32n) | BigInt(low);
}
