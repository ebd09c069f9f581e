/**
 * What a stored plain key is: the small integer that every record of the log carries, and its names.
 *
 *   0 bytes            what SET stores                            string
 *   1–4                hash, list, set, sorted set                collections: a base and deltas, see shard/keyspace/types
 *   8–15               the typed values of the binary protocol    body: that protocol's encoding without the tag
 *   16 versioned       siblings with vector clocks                body: siblings.ts; their newest value is the key's
 *   17 tombstone       siblings that are all deletions            the same; never a key's, but of what is kept beside it
 *
 * The numbers are on disk and in Blob: none is ever given another meaning. Zero is what a record without a type says.
 */

export const storedTypes = {
  bytes: 0,
  hash: 1,
  list: 2,
  set: 3,
  zset: 4,
  null: 8,
  int: 9,
  float: 10,
  decimal: 11,
  text: 12,
  array: 13,
  map: 14,
  bool: 15,
  versioned: 16,
  tombstone: 17,
} as const;
export type StoredType = (typeof storedTypes)[keyof typeof storedTypes];
export type CollectionType = (typeof storedTypes)['hash' | 'list' | 'set' | 'zset'];

/** The largest number in use: a larger one on disk is damage, or a later version's. */
export const storedTypeMax = storedTypes.tombstone;

/** True for the number of a type. */
export function isStoredType(value: unknown): value is StoredType {
  return ownNames.has(value as StoredType);
}

/** True for types whose value is a base and deltas, and an object of its own in RAM. */
export function isCollection(type: StoredType): type is CollectionType {
  return type >= storedTypes.hash && type <= storedTypes.zset;
}

const collectionNames: ReadonlyMap<StoredType, 'hash' | 'list' | 'set' | 'zset'> = new Map([
  [storedTypes.hash, 'hash'],
  [storedTypes.list, 'list'],
  [storedTypes.set, 'set'],
  [storedTypes.zset, 'zset'],
]);

/** What TYPE answers: everything that reads as text is a string to Redis' clients. */
export function redisTypeName(type: StoredType): 'string' | 'hash' | 'list' | 'set' | 'zset' {
  return collectionNames.get(type) ?? 'string';
}

const ownNames: ReadonlyMap<StoredType, string> = new Map(
  Object.entries(storedTypes).map(([name, type]) => [type, name] as const),
);

/** The type's own name, for tools and messages: `bytes`, `hash`, `int`, … */
export function storedTypeName(type: StoredType): string {
  return ownNames.get(type) ?? `type ${type}`;
}
