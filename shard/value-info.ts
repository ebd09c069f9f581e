/**
 * What a shard knows of a stored value without reading it: KEY.INFO and BLOCK.INFO, for people who look into a cache.
 *
 * `tier` is where a read would find the value now: in RAM, on this disk, in Blob alone, or, while its slot is on the
 * move, still at the shard that hands it over.
 */
import type { Reply } from '../commands/reply.ts';
import { storedTypeName } from '../commands/stored-type.ts';
import { slotOf, slotOfBlock } from '../topology/slot.ts';
import { type Entry, spaceOfBlocks, spaceOfKeys } from './journal.ts';
import { nameOf } from './keyspace/key-hash.ts';
import type { Keyspace } from './keyspace/keyspace.ts';
import type { Storage } from './storage/storage.ts';

export interface ValueInfo {
  /** commands/stored-type.ts; `block` for a prompt block. */
  readonly type: string;
  readonly bytes: number;
  /** Unix milliseconds; absent where it never expires. */
  readonly expireAtMs?: number;
  readonly tier: 'ram' | 'disk' | 'blob' | 'away';
}

/** Without storage everything is in RAM. */
export function keyInfo(keyspace: Keyspace, storage: Storage | undefined, key: Buffer): Reply {
  const entry = keyspace.live(spaceOfKeys, slotOf(key), nameOf(key));
  return entry === undefined ? null : told(entry, keyspace, storage, storedTypeName(entry.type));
}

export function blockInfo(keyspace: Keyspace, storage: Storage, key: Buffer): Reply {
  const entry = keyspace.live(spaceOfBlocks, slotOfBlock(key), nameOf(key));
  return entry === undefined ? null : told(entry, keyspace, storage, 'block');
}

function told(entry: Entry, { hot }: Keyspace, storage: Storage | undefined, type: string): Reply {
  const { bodyBytes: bytes, expireAtMs } = entry;
  const tier = hot.has(entry) ? 'ram' : tierBelow(entry, storage);
  const info: ValueInfo = { type, bytes, ...(expireAtMs !== 0 && { expireAtMs }), tier };
  return Buffer.from(JSON.stringify(info));
}

function tierBelow(entry: Entry, storage: Storage | undefined): ValueInfo['tier'] {
  if (storage === undefined) return 'ram';
  if (storage.isAway(entry)) return 'away';
  return storage.log.segments.get(entry.segment)?.file === undefined ? 'blob' : 'disk';
}
