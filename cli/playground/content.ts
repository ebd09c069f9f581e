/**
 * What the playground stores as a block's KV tensors, so that every byte read back can be judged without keeping it.
 *
 *   content = AES-128-CTR keystream
 *     key   first 16 bytes of SHA-256(scope ‖ chained hash ‖ hash of the block before)
 *     iv    length of the content, 8 bytes big-endian, then 8 bytes of zeros
 *
 * The chained hash stands for the whole prompt up to the block, so the bytes of the same block in another chain, in
 * another partition or cut short all differ from the first byte on. The keystream runs at several GB/s on one core,
 * so neither making nor checking is the bottleneck of a run. Rejected: a page of random bytes with a header a block,
 * where a store that mixed up the middles of two blocks would not be noticed.
 */
import { createCipheriv, hash as digestOf } from 'node:crypto';

/** A block's place in its chain; hashes are chained and unsigned 64-bit. */
export interface BlockIdentity {
  readonly scope: Buffer;
  readonly chainedHash: bigint;
  readonly chainedParent: bigint;
}

/** The content of a block, `bytes` long. */
export function blockContent(block: BlockIdentity, bytes: number): Buffer {
  return keystream(block, bytes, zeros(bytes));
}

/** True if `content` is, byte for byte, what `blockContent` makes for this block at that length. */
export function isBlockContent(block: BlockIdentity, content: Buffer): boolean {
  // Content XOR keystream is all zeros exactly where the two are equal.
  return keystream(block, content.byteLength, content).equals(zeros(content.byteLength));
}

function keystream(block: BlockIdentity, bytes: number, input: Buffer): Buffer {
  const seed = Buffer.allocUnsafe(block.scope.byteLength + 16);
  block.scope.copy(seed);
  seed.writeBigUInt64BE(block.chainedHash, block.scope.byteLength);
  seed.writeBigUInt64BE(block.chainedParent, block.scope.byteLength + 8);
  const iv = Buffer.alloc(16);
  iv.writeBigUInt64BE(BigInt(bytes));
  return createCipheriv('aes-128-ctr', digestOf('sha256', seed, 'buffer').subarray(0, 16), iv).update(input);
}

let sharedZeros = Buffer.alloc(0);

/** Zeros to read from, grown to the largest length asked for so far. */
function zeros(bytes: number): Buffer {
  if (sharedZeros.byteLength < bytes) sharedZeros = Buffer.alloc(bytes);
  return sharedZeros.subarray(0, bytes);
}
