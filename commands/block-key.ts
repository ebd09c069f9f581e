/**
 * How a prompt block is named inside the cache.
 *
 *   digest    20 bytes  SHA-256 of (account, container, partition, 128 tokens), cut to 160 bits
 *   hash       8 bytes  big-endian, the version's hash as its writer gave it
 *   parent     8 bytes  big-endian, the hash of the block before it, 0 for the first
 *
 * The digest alone decides the slot, so all versions of a block share a shard and one Lookup asks each shard once.
 * Rejected: the tokens themselves as key (512 bytes and more a block in every index), and S0's location, which cannot
 * tell partitions or versions apart.
 */
import { hash as digestOf } from 'node:crypto';
import { blockTokens } from '../limits.ts';

export const blockDigestBytes = 20;
export const blockKeyBytes = blockDigestBytes + 16;

/** What a block belongs to, besides its tokens. */
export interface BlockScope {
  readonly accountUrl: string;
  readonly containerName: string;
  readonly partitionKey: string;
}

/** The scope as bytes that no other scope gives: each part behind its length. Compute once a Lookup. */
export function scopeBytes(scope: BlockScope): Buffer {
  const parts: Buffer[] = [];
  for (const part of [scope.accountUrl, scope.containerName, scope.partitionKey]) {
    const text = Buffer.from(part, 'utf8');
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.byteLength);
    parts.push(length, text);
  }
  return Buffer.concat(parts);
}

const tokenBytes = 8;

/**
 * The digest of block number `block` of tokens as 64-bit integers, big-endian. The caller guarantees its 128 tokens.
 */
export function blockDigestOfBytes(scope: Buffer, tokens: Buffer, block: number): Buffer {
  const from = block * blockTokens * tokenBytes;
  const input = Buffer.allocUnsafe(scope.byteLength + blockTokens * tokenBytes);
  input.set(scope);
  input.set(tokens.subarray(from, from + blockTokens * tokenBytes), scope.byteLength);
  return digestOf('sha256', input, 'buffer').subarray(0, blockDigestBytes);
}

/** The key of one version; `hash` and `parent` are unsigned 64-bit. */
export function blockKey(digest: Buffer, hash: bigint, parent: bigint): Buffer {
  const key = Buffer.allocUnsafeSlow(blockKeyBytes);
  writeBlockKey(key, new DataView(key.buffer), 0, digest, hash, parent);
  return key;
}

/** The same at a place of larger memory, of which `words` is a view too: Buffer writes 64 bits by four BigInts. */
export function writeBlockKey(
  into: Buffer,
  words: DataView,
  at: number,
  digest: Buffer,
  hash: bigint,
  parent: bigint,
): void {
  into.set(digest, at);
  words.setBigUint64(at + blockDigestBytes, hash);
  words.setBigUint64(at + blockDigestBytes + 8, parent);
}
