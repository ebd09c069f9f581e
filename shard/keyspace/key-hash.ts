/**
 * Hash and slot of a key in the form that the index keeps it: its bytes as a latin1 string.
 *
 * The hash orders the keys of a slot for scans and splits large slots. It has no seed: a scan's cursor must mean the
 * same on every shard and after a restart. Source: FNV-1a, and MurmurHash3's finalizer, which spreads it to the top
 * bits that the index splits by.
 */
import { crc16 } from '../../topology/slot.ts';
import { slotCount } from '../../limits.ts';
import { blockDigestBytes } from '../../commands/block-key.ts';
import { companionKindBytes, type Space, spaceOfBlocks, spaceOfCompanions, spaceOfMarks } from '../journal.ts';

/** The bytes of a key, or of a part of one, as the index keeps them: one character a byte. */
export function nameOf(bytes: Buffer): string {
  return bytes.toString('latin1');
}

/** An unsigned 32-bit hash. */
export function keyHash(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The part of a key that decides its slot: the inside of the first `{…}` if there is any, else all of it. */
function hashedPart(key: string): string {
  const open = key.indexOf('{');
  if (open < 0) return key;
  const close = key.indexOf('}', open + 1);
  return close > open + 1 ? key.slice(open + 1, close) : key;
}

/** The slot of a key, as topology/slot.ts gives it for the key's bytes; a mark is named by its slot. */
export function slotOfName(space: Space, key: string): number {
  if (space === spaceOfMarks) return key.charCodeAt(0) * 256 + key.charCodeAt(1);
  return crc16(Buffer.from(hashedPart(namedPart(space, key)), 'latin1')) % slotCount;
}

function namedPart(space: Space, key: string): string {
  if (space === spaceOfBlocks) return key.slice(0, blockDigestBytes);
  return space === spaceOfCompanions ? key.slice(companionKindBytes) : key;
}

/** The only slot where keys with this prefix can be, if the prefix holds a whole hash tag. */
export function slotOfPrefix(prefix: string): number | undefined {
  const part = hashedPart(prefix);
  return part.length < prefix.length ? crc16(Buffer.from(part, 'latin1')) % slotCount : undefined;
}
