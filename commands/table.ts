/**
 * The command table: for every command its arguments, which of them are keys, whether it writes, and how the replies
 * of several shards become one. Routers split by it, shards check by it, doors and docs read it.
 *
 * Grammar (arguments are binary; numbers are decimal ASCII; times are absolute Unix milliseconds unless named so):
 *   Commands that Redis has too are as Redis 7's, options and errors included. Beside them, and where we differ:
 *   COPY source destination [DB 0] [REPLACE]       there is one database
 *   MSET key value [key value]…                    → OK; atomic on each shard, all-or-nothing per shard only
 *   TEXT.MGET key…                                 → as MGET, with WRONGTYPE in the place of what is no text
 *   MSETEX ms key value [key value]…               → OK; the same with one absolute expiry (0: none)
 *   FLUSHALL, FLUSHDB [ASYNC | SYNC]               → OK when all plain keys are gone, with ASYNC too; blocks stay
 *   KEYS pattern                                   bounded: above `keysReplyBytesMax` an error says to use SCAN
 *   COUNTKEYSINSLOT slot, GETKEYSINSLOT slot count what CLUSTER's subcommands of these names answer
 *   PREFIXSCAN cursor prefix count KEYS|VALUES|ALL → [cursor, [key…]] or [cursor, [key, value, key, value…]]
 *       cursor is opaque bytes, empty to begin and when done; VALUES leaves collections out. With ALL the
 *       value of what is no text is nil: of collections, lists, maps and Null
 *   BLOCK.PUT blockKey meta body                   → OK. blockKey: layout in commands/block-key.ts;
 *       meta: a serialized kvstore.PromptChunk without its buffer; body: the buffer
 *   BLOCK.GET blockKey                             → [meta, body] | nil
 *   BLOCK.VERSIONS digest index [digest index]…    → array; an item is bytes: 16 bytes (hash, parent) a version, newest
 *       first, big-endian, or nil where there is none. index: the block's place in its chain, kept for eviction
 *   KEY.INFO key, BLOCK.INFO blockKey              → bytes: JSON of what is known of the value without reading it | nil
 *   VALUE.GET key                                  → [type, body] | nil; type: commands/stored-type.ts, body: typed-value.ts
 *   VALUE.MGET key…                                → array of the same
 *   VALUE.SET key type body ms [NX]                → 1 | 0 (there is a value already); ms: 0 for no expiry
 *   VALUE.MSET ms key type body [key type body]…   → OK; atomic on each shard
 *   VALUE.CAS key type body type body ms           → 1 | 0 (the value is not the first one); the second takes its place
 *   VALUE.INCR key delta                           → integer; saturating; a key that is not there becomes an Int
 *   LOCK key owner ms, EXTEND key owner ms         → 1 | 0; ms from now
 *   UNLOCK key owner                               → 1 | 0 (nobody holds it)
 *   VERSION.PUT key value ms clock                 → [OK | CONFLICT, clock]; clock: commands/vector-clock.ts, what the
 *       writer has seen, or nothing for one who does not say; CONFLICT: there was more, and both are kept
 *   VERSION.GET key                                → [[clock, value | nil if deleted]…], newest first, or nil
 *   VERSION.DEL key clock                          → clock | nil (absent)
 *   FLUSH disk|blob                                → OK after everything written so far is that safe
 *   SHARDINFO                                      → bytes: JSON of the shard's state (shards of a router: array)
 *   SETTINGS.GET                                   → bytes: nested JSON of the shard's settings, secrets masked
 *   SETTINGS.SET json [CHECK | AT ms]              → OK; changes those settings that may change while the shard runs;
 *       CHECK only tells whether it would; AT: a change of all shards, of which the latest counts
 */
import { collectionSpecs } from './collection-table.ts';
import { OK, type Reply } from './reply.ts';

/**
 * How RESP3 shows a reply that RESP2 shows flat. Doors apply it; handlers answer the same to everybody.
 *   map      a flat array of names and values (a ReplyMap needs none of this)
 *   set      an array is a set
 *   double   bytes are a double, also as items of an array; integers stay
 *   scores   with WITHSCORES among the arguments: members and scores in turn are pairs, and scores doubles
 *   values   with WITHVALUES among the arguments: fields and values in turn are pairs
 *   popped   of ZPOPMIN and ZPOPMAX: one member and its score, or with a count pairs of them
 */
export type Resp3Shape = 'map' | 'set' | 'double' | 'scores' | 'values' | 'popped';

/**
 * How a router makes one reply of several shards' replies.
 *   single   the command is one shard's; with several keys these must be in one slot
 *   sum      integers are added
 *   by-key   an item for every key, in the order of the keys
 *   all-ok   OK if all say so
 *   scan     pages in the order of slots, under one cursor
 *   walk     every page of a scan, as one reply
 *   any      one of those that are not nil
 *   concat   arrays one after the other
 *   collect  the replies as they are, faults too
 *   members  the sets of the keys are fetched from where they are, and combined at the router
 */
export type Merge = 'single' | 'sum' | 'by-key' | 'all-ok' | 'scan' | 'walk' | 'any' | 'concat' | 'collect' | 'members';

/**
 * Keys are the arguments first, first + step, … : so many, all up to the end (`rest`), or as many as the argument
 * before the first one says (`counted`).
 */
export interface KeySpec {
  readonly first: number;
  readonly step: number;
  readonly count: number | 'rest' | 'counted';
  /** How many arguments must follow the keys, where these are counted: without them what stands there is no key. */
  readonly behind?: number;
}

/** What a command answers of an absent key, where need be by its arguments. */
export type Absent = Reply | ((args: readonly Buffer[]) => Reply);

export interface CommandSpec {
  readonly name: string;
  /** Number of arguments without the name; `max` Infinity where a list may follow. */
  readonly arguments: { readonly min: number; readonly max: number };
  readonly keys: KeySpec | undefined;
  readonly writes: boolean;
  readonly merge: Merge;
  /** Arguments before the first key that every shard's part repeats. */
  readonly leading: number;
  /** Block keys are digests: their slot is that of the digest alone (the first 20 bytes). */
  readonly space: 'keys' | 'blocks';
  /** Without keys: about all keys, or about the process. */
  readonly scope: 'keyspace' | 'process';
  readonly summary: string;
  /** What a read answers where its key is absent, hence also where its shard is away. Left out: nil. */
  readonly absent?: Absent;
  /**
   * What a write is answered that is dropped, by choice, because its shard is away. Left out: it fails even so, for its
   * answer would tell something about the value.
   */
  readonly dropped?: Reply;
  readonly resp3?: Resp3Shape;
  /** Ours, of no meaning to Redis' clients: the RESP door does not know it. */
  readonly isOwn?: true;
}

const one: KeySpec = { first: 0, step: 1, count: 1 };
const many: KeySpec = { first: 0, step: 1, count: 'rest' };
const second: KeySpec = { first: 1, step: 1, count: 1 };
const two: KeySpec = { first: 0, step: 1, count: 2 };
const pairs: KeySpec = { first: 0, step: 2, count: 'rest' };
const triplesBehindOne: KeySpec = { first: 1, step: 3, count: 'rest' };
const pairsBehindOne: KeySpec = { first: 1, step: 2, count: 'rest' };

function spec(
  name: string,
  min: number,
  max: number,
  keys: KeySpec | undefined,
  writes: boolean,
  merge: Merge,
  summary: string,
  more: Partial<Pick<CommandSpec, 'space' | 'scope' | 'absent' | 'dropped'>> = {},
): CommandSpec {
  const isAboutProcess = keys === undefined && (merge === 'all-ok' || merge === 'collect');
  const scope = isAboutProcess ? 'process' : 'keyspace';
  const leading = keys?.first ?? 0;
  return { name, arguments: { min, max }, keys, writes, merge, leading, space: 'keys', scope, summary, ...more };
}

const noBytes = Buffer.alloc(0);
const blocks = { space: 'blocks' } as const;
const ofKeyspace = { scope: 'keyspace' } as const;
const whenDropped = (dropped: Reply): { readonly dropped: Reply } => ({ dropped });

/** For commands of ours. */
function own(command: CommandSpec): CommandSpec {
  return { ...command, isOwn: true };
}

/** For commands whose replies RESP3 shows otherwise: `shaped('set', spec('SMEMBERS', …))`. */
export function shaped(resp3: Resp3Shape, command: CommandSpec): CommandSpec {
  return { ...command, resp3 };
}

/** Commands about one key, or about keys of one slot. */
function reads(name: string, min: number, max: number, keys: KeySpec, summary: string, absent?: Reply): CommandSpec {
  return spec(name, min, max, keys, false, 'single', summary, absent === undefined ? {} : { absent });
}

function writes(name: string, min: number, max: number, keys: KeySpec, summary: string, dropped?: Reply): CommandSpec {
  return spec(name, min, max, keys, true, 'single', summary, dropped === undefined ? {} : { dropped });
}

const stringSpecs: readonly CommandSpec[] = [
  reads('GET', 1, 1, one, 'The value of a key.'),
  reads('STRLEN', 1, 1, one, 'The length of a value.', 0),
  reads('GETRANGE', 3, 3, one, 'A part of a value.', noBytes),
  reads('SUBSTR', 3, 3, one, 'A part of a value: the old name of GETRANGE.', noBytes),
  spec('MGET', 1, Infinity, many, false, 'by-key', 'The values of keys.'),
  own(spec('TEXT.MGET', 1, Infinity, many, false, 'by-key', 'The values of keys, or what keeps them from being text.')),
  writes('SET', 2, Infinity, one, 'Stores a value.', OK),
  writes('SETNX', 2, 2, one, 'Stores a value if there is none.'),
  writes('SETEX', 3, 3, one, 'Stores a value with a time to live in seconds.', OK),
  writes('PSETEX', 3, 3, one, 'Stores a value with a time to live in milliseconds.', OK),
  writes('GETSET', 2, 2, one, 'Stores a value and answers the old one.'),
  writes('GETDEL', 1, 1, one, 'Deletes a key and answers its value.'),
  writes('GETEX', 1, Infinity, one, 'The value of a key, whose expiry is changed.'),
  writes('APPEND', 2, 2, one, 'Adds to the end of a value.'),
  writes('SETRANGE', 3, 3, one, 'Overwrites a part of a value.'),
  writes('INCR', 1, 1, one, 'Adds one to an integer.'),
  writes('DECR', 1, 1, one, 'Takes one from an integer.'),
  writes('INCRBY', 2, 2, one, 'Adds to an integer.'),
  writes('DECRBY', 2, 2, one, 'Takes from an integer.'),
  writes('INCRBYFLOAT', 2, 2, one, 'Adds to a number.'),
  spec('MSET', 2, Infinity, pairs, true, 'all-ok', 'Stores values.', whenDropped(OK)),
  writes('MSETNX', 2, Infinity, pairs, 'Stores values if none of the keys is there.'),
  own(spec('MSETEX', 3, Infinity, pairsBehindOne, true, 'all-ok', 'Stores values with one expiry.', whenDropped(OK))),
];

const keySpecs: readonly CommandSpec[] = [
  spec('DEL', 1, Infinity, many, true, 'sum', 'Deletes keys.', whenDropped(0)),
  spec('UNLINK', 1, Infinity, many, true, 'sum', 'Deletes keys.', whenDropped(0)),
  spec('EXISTS', 1, Infinity, many, false, 'sum', 'Counts the keys that exist.'),
  spec('TOUCH', 1, Infinity, many, false, 'sum', 'Counts the keys that exist, as ones that are used.'),
  reads('TYPE', 1, 1, one, 'The type of a value.', 'none'),
  writes('RENAME', 2, 2, two, 'Gives a value another key, in place of what is there.'),
  writes('RENAMENX', 2, 2, two, 'Gives a value another key, if that is free.'),
  writes('COPY', 2, Infinity, two, 'Copies a value to another key.'),
  writes('EXPIRE', 2, Infinity, one, 'Sets the time to live in seconds.', 0),
  writes('PEXPIRE', 2, Infinity, one, 'Sets the time to live in milliseconds.', 0),
  writes('EXPIREAT', 2, Infinity, one, 'Sets the time of expiry in seconds.', 0),
  writes('PEXPIREAT', 2, Infinity, one, 'Sets the time of expiry.', 0),
  writes('PERSIST', 1, 1, one, 'Removes the expiry.', 0),
  reads('TTL', 1, 1, one, 'The time to live in seconds.', -2),
  reads('PTTL', 1, 1, one, 'The time to live in milliseconds.', -2),
  reads('EXPIRETIME', 1, 1, one, 'The time of expiry in seconds.', -2),
  reads('PEXPIRETIME', 1, 1, one, 'The time of expiry in milliseconds.', -2),
  reads('OBJECT', 1, Infinity, second, 'How a value is kept: ENCODING, FREQ, IDLETIME, REFCOUNT.'),
  reads('MEMORY', 1, Infinity, second, 'USAGE: the memory that a key takes.'),
  spec('DBSIZE', 0, 0, undefined, false, 'sum', 'Counts the keys.'),
  spec('SCAN', 1, Infinity, undefined, false, 'scan', 'Lists keys, page by page.'),
  spec('KEYS', 1, 1, undefined, false, 'walk', 'Lists all keys that match a pattern.'),
  spec('RANDOMKEY', 0, 0, undefined, false, 'any', 'A key.'),
  spec('FLUSHALL', 0, Infinity, undefined, true, 'all-ok', 'Deletes all keys; prompt blocks stay.', ofKeyspace),
  spec('FLUSHDB', 0, Infinity, undefined, true, 'all-ok', 'Deletes all keys; prompt blocks stay.', ofKeyspace),
  own(spec('COUNTKEYSINSLOT', 1, 1, undefined, false, 'sum', 'Counts the keys of a slot.')),
  own(spec('GETKEYSINSLOT', 2, 2, undefined, false, 'concat', 'Lists keys of a slot.')),
  own(reads('KEY.INFO', 1, 1, one, 'What is known of a value without reading it.')),
  own(spec('PREFIXSCAN', 4, 4, undefined, false, 'scan', 'Lists keys by prefix, page by page.')),
];

const valueSpecs: readonly CommandSpec[] = [
  reads('VALUE.GET', 1, 1, one, 'A value with its type.'),
  spec('VALUE.MGET', 1, Infinity, many, false, 'by-key', 'Values with their types.'),
  // Its answer tells whether there was a value, so that it is never dropped; who speaks this protocol reads errors.
  writes('VALUE.SET', 4, 5, one, 'Stores a value of a type.'),
  spec('VALUE.MSET', 4, Infinity, triplesBehindOne, true, 'all-ok', 'Stores values of types.'),
  writes('VALUE.CAS', 6, 6, one, 'Stores a value in the place of another.'),
  writes('VALUE.INCR', 2, 2, one, 'Adds to an integer, within 64 bits.'),
  writes('LOCK', 3, 3, one, 'Takes a lock for an owner and a time.'),
  writes('EXTEND', 3, 3, one, 'Holds a lock for another time.'),
  writes('UNLOCK', 2, 2, one, 'Gives a lock back.'),
];

const versionSpecs: readonly CommandSpec[] = [
  writes('VERSION.PUT', 4, 4, one, 'Stores a value with a vector clock.'),
  reads('VERSION.GET', 1, 1, one, 'The versions of a key.'),
  writes('VERSION.DEL', 2, 2, one, 'Deletes a key with a vector clock.'),
];

const blockSpecs: readonly CommandSpec[] = [
  spec('BLOCK.PUT', 3, 3, one, true, 'single', 'Stores a version of a prompt block.', { ...blocks, dropped: OK }),
  spec('BLOCK.GET', 1, 1, one, false, 'single', 'Reads a version of a prompt block.', blocks),
  spec('BLOCK.INFO', 1, 1, one, false, 'single', 'What is known of a block without reading it.', blocks),
  spec('BLOCK.VERSIONS', 2, Infinity, pairs, false, 'by-key', 'The versions of prompt blocks.', blocks),
];

const processSpecs: readonly CommandSpec[] = [
  spec('FLUSH', 1, 1, undefined, false, 'all-ok', 'Waits until all writes are on disk or in Blob.'),
  spec('SHARDINFO', 0, 0, undefined, false, 'collect', 'The state of every shard.'),
  spec('SETTINGS.GET', 0, 0, undefined, false, 'collect', 'The settings of every shard.'),
  spec('SETTINGS.SET', 1, 3, undefined, false, 'all-ok', 'Changes settings of every shard.'),
];

const specs: readonly CommandSpec[] = [
  ...stringSpecs,
  ...keySpecs,
  ...collectionSpecs,
  ...[...valueSpecs, ...versionSpecs, ...blockSpecs, ...processSpecs].map(own),
];

/** Every command by its upper-case name. */
export const commandTable: ReadonlyMap<string, CommandSpec> = new Map(specs.map((item) => [item.name, item]));

/** True if the reply is one over all shards, which only shards of one topology can give together. */
export function isOneOverAllShards(command: CommandSpec): boolean {
  // A walk is many commands over all shards, each of which is one.
  return command.keys === undefined && command.merge !== 'collect' && command.merge !== 'walk';
}

/** What is wrong with the number of arguments, or undefined if nothing is. */
export function arityFault(command: CommandSpec, argumentCount: number): string | undefined {
  const { min, max } = command.arguments;
  const step = command.keys?.count === 'rest' ? command.keys.step : 1;
  const fits = argumentCount >= min && argumentCount <= max && (argumentCount - command.leading) % step === 0;
  return fits ? undefined : `wrong number of arguments for '${command.name.toLowerCase()}' command`;
}
