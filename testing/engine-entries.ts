/** Entries as an engine without a journal makes them, for tests of index, wheel and hot tier alone. */
import { type StoredType, storedTypes } from '../commands/stored-type.ts';
import { Entry, type Space, spaceOfKeys } from '../shard/journal.ts';
import { slotOfName } from '../shard/keyspace/key-hash.ts';

let sequence = 0;

export function entryOf(
  key: string,
  fields: { space?: Space; type?: StoredType; slot?: number; expireAtMs?: number; bodyBytes?: number } = {},
): Entry {
  const { space = spaceOfKeys, expireAtMs = 0, bodyBytes = 0 } = fields;
  sequence += 1;
  return new Entry(
    space,
    fields.type ?? storedTypes.bytes,
    key,
    fields.slot ?? slotOfName(space, key),
    sequence,
    expireAtMs,
    bodyBytes,
    0,
    0,
    0,
  );
}
