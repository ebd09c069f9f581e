/**
 * Where one version of a prompt block is, as the text that Lookup gives and Read takes. Opaque to clients.
 *
 *   version     1 byte   1
 *   slot        2 bytes  big-endian; that of the digest
 *   scope       8 bytes  SHA-256 of (account, container), cut to 64 bits
 *   digest     20 bytes  the block's digest (commands/block-key.ts)
 *   hash        8 bytes
 *   parent      8 bytes
 *   checksum    4 bytes  CRC-32 of everything else
 *   partition   n bytes  the partition key, UTF-8
 *
 * in base64url without padding. Exact: it names a version, not only its tokens, so a Read never gives the block of
 * another chain. Tied to account and container, so that a location that went astray is an error and never another
 * tenant's block. S0's own locations (tokens as 4-byte numbers) are recognized and refused by name.
 */
import { hash as digestOf } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { blockDigestBytes, blockKeyBytes, writeBlockKey } from '../../commands/block-key.ts';
import { blockTokens, locationCharsMax, slotCount } from '../../limits.ts';
import { slotOfBlock } from '../../topology/slot.ts';

const version = 1;
const slotAt = 1;
const scopeAt = 3;
const scopeLength = 8;
const keyAt = scopeAt + scopeLength;
const checksumAt = keyAt + blockKeyBytes;
const partitionAt = checksumAt + 4;
const formerBytes = blockTokens * 4;

/** A location's account and container, as locations name them. Compute once a call. */
export function locationScope(accountUrl: string, containerName: string): Buffer {
  const account = Buffer.from(accountUrl, 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(account.byteLength);
  const all = Buffer.concat([length, account, Buffer.from(containerName, 'utf8')]);
  return digestOf('sha256', all, 'buffer').subarray(0, scopeLength);
}

export interface BlockVersion {
  readonly digest: Buffer;
  readonly hash: bigint;
  readonly parent: bigint;
}

/** Encodes the locations of one scope and partition, of which a Lookup has as many as blocks, in the same memory. */
export class LocationEncoder {
  readonly #bytes: Buffer;
  readonly #words: DataView;
  readonly #head: Buffer;
  readonly #partition: Buffer;

  constructor(scope: Buffer, partitionKey: string) {
    const partition = Buffer.from(partitionKey, 'utf8');
    const bytes = Buffer.allocUnsafeSlow(partitionAt + partition.byteLength);
    bytes[0] = version;
    bytes.set(scope, scopeAt);
    bytes.set(partition, partitionAt);
    this.#bytes = bytes;
    this.#words = new DataView(bytes.buffer);
    this.#head = bytes.subarray(0, checksumAt);
    this.#partition = partition;
  }

  encode({ digest, hash, parent }: BlockVersion): string {
    const bytes = this.#bytes;
    this.#words.setUint16(slotAt, slotOfBlock(digest));
    writeBlockKey(bytes, this.#words, keyAt, digest, hash, parent);
    this.#words.setUint32(checksumAt, checksumOf(this.#head, this.#partition));
    return bytes.toString('base64url');
  }
}

/** The block's key (commands/block-key.ts), or what is wrong with the location. */
export type DecodedLocation = { readonly key: Buffer } | { readonly fault: string };

export function decodeLocation(location: string, scope: Buffer): DecodedLocation {
  if (location.length > locationCharsMax) {
    return { fault: `location has ${location.length} characters; at most ${locationCharsMax} are allowed` };
  }
  // Exactly the alphabet: Node would skip anything else in silence.
  if (!/^[A-Za-z0-9_-]+$/.test(location)) return { fault: 'location is not one that Lookup gave: not base64url' };
  const bytes = Buffer.from(location, 'base64url');
  if (bytes.byteLength === formerBytes && bytes[0] !== version) {
    return { fault: 'location is of another store: it holds only tokens; take a new one from Lookup' };
  }
  if (bytes[0] !== version || bytes.byteLength < partitionAt) return { fault: 'location is not one that Lookup gave' };
  const slot = bytes.readUInt16BE(slotAt);
  const digest = bytes.subarray(keyAt, keyAt + blockDigestBytes);
  if (
    bytes.readUInt32BE(checksumAt) !== checksumOf(bytes.subarray(0, checksumAt), bytes.subarray(partitionAt)) ||
    slot >= slotCount ||
    slot !== slotOfBlock(digest)
  ) {
    return { fault: 'location is damaged: its checksum is wrong' };
  }
  if (!bytes.subarray(scopeAt, keyAt).equals(scope)) {
    return { fault: 'location belongs to another account_url or container_name' };
  }
  const key = Buffer.allocUnsafeSlow(blockKeyBytes);
  bytes.copy(key, 0, keyAt, checksumAt);
  return { key };
}

function checksumOf(head: Buffer, partition: Buffer): number {
  return crc32(partition, crc32(head));
}
