/**
 * The command table: for every command its arguments, which of them are keys, whether it writes, and how the replies
 * of several shards become one. Routers split by it, shards check by it, doors and docs read it.
 *
 * Grammar (arguments are binary; numbers are decimal ASCII; times are absolute Unix milliseconds unless named so):
 *   GET key                                        → bytes | nil
 *   SET key value [PXAT ms | PX ms | EX s | EXAT s | KEEPTTL] [NX | XX]   → OK | nil (condition not met)
 *   DEL key…, EXISTS key…                          → integer (how many)
 *   MGET key…                                      → array of bytes | nil
 *   MSET key value [key value]…                    → OK; atomic on each shard, all-or-nothing per shard only
 *   MSETEX ms key value [key value]…               → OK; the same with one absolute expiry (0: none)
 *   PEXPIREAT key ms, PEXPIRE key ms, EXPIRE key s, EXPIREAT key s, PERSIST key → 1 | 0
 *   PTTL key, TTL key, PEXPIRETIME key             → integer (-1 no expiry, -2 absent)
 *   STRLEN key                                     → integer
 *   DBSIZE                                         → integer
 *   PREFIXSCAN cursor prefix count KEYS|VALUES     → [cursor, [key…]] or [cursor, [key, value, key, value…]]
 *       cursor is opaque bytes, empty to begin and when done
 *   BLOCK.PUT blockKey meta body                   → OK. blockKey: layout in commands/block-key.ts;
 *       meta: a serialized kvstore.PromptChunk without its buffer; body: the buffer
 *   BLOCK.GET blockKey                             → [meta, body] | nil
 *   BLOCK.VERSIONS digest index [digest index]…    → array; an item is bytes: 16 bytes (hash, parent) a version, newest
 *       first, big-endian, or nil where there is none. index: the block's place in its chain, kept for eviction
 *   FLUSH disk|blob                                → OK after everything written so far is that safe
 *   SHARDINFO                                      → bytes: JSON of the shard's state (shards of a router: array)
 *   SETTINGS.GET                                   → bytes: nested JSON of the shard's settings, secrets masked
 *   SETTINGS.SET json [CHECK]                      → OK; changes those settings that may change while the shard runs;
 *       CHECK only tells whether it would
 */

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

/** How a router makes one reply of several shards' replies. `single`: the command has one owner. */
export type Merge = 'single' | 'sum' | 'by-key' | 'all-ok' | 'scan' | 'collect';

/** Keys are the arguments first, first + step, … up to the end (`many`) or just the first (`one`). */
export interface KeySpec {
  readonly first: number;
  readonly step: number;
  readonly many: boolean;
}

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
  readonly resp3?: Resp3Shape;
  /** Ours, of no meaning to Redis' clients: the RESP door does not know it. */
  readonly isOwn?: true;
}

const one: KeySpec = { first: 0, step: 1, many: false };
const many: KeySpec = { first: 0, step: 1, many: true };
const pairs: KeySpec = { first: 0, step: 2, many: true };

function spec(
  name: string,
  min: number,
  max: number,
  keys: KeySpec | undefined,
  writes: boolean,
  merge: Merge,
  summary: string,
  space: 'keys' | 'blocks' = 'keys',
): CommandSpec {
  const scope = keys !== undefined || merge === 'scan' || merge === 'sum' ? 'keyspace' : 'process';
  return { name, arguments: { min, max }, keys, writes, merge, leading: keys?.first ?? 0, space, scope, summary };
}

/** For commands of ours. */
function own(command: CommandSpec): CommandSpec {
  return { ...command, isOwn: true };
}

/** For commands whose replies RESP3 shows otherwise: `shaped('set', spec('SMEMBERS', …))`. */
export function shaped(resp3: Resp3Shape, command: CommandSpec): CommandSpec {
  return { ...command, resp3 };
}

const specs: readonly CommandSpec[] = [
  spec('GET', 1, 1, one, false, 'single', 'The value of a key.'),
  spec('SET', 2, 6, one, true, 'single', 'Stores a value.'),
  spec('DEL', 1, Infinity, many, true, 'sum', 'Deletes keys.'),
  spec('EXISTS', 1, Infinity, many, false, 'sum', 'Counts the keys that exist.'),
  spec('MGET', 1, Infinity, many, false, 'by-key', 'The values of keys.'),
  spec('MSET', 2, Infinity, pairs, true, 'all-ok', 'Stores values.'),
  own(spec('MSETEX', 3, Infinity, { first: 1, step: 2, many: true }, true, 'all-ok', 'Stores values with one expiry.')),
  spec('PEXPIREAT', 2, 2, one, true, 'single', 'Sets the time of expiry.'),
  spec('PEXPIRE', 2, 2, one, true, 'single', 'Sets the time to live in milliseconds.'),
  spec('EXPIREAT', 2, 2, one, true, 'single', 'Sets the time of expiry in seconds.'),
  spec('EXPIRE', 2, 2, one, true, 'single', 'Sets the time to live in seconds.'),
  spec('PERSIST', 1, 1, one, true, 'single', 'Removes the expiry.'),
  spec('PTTL', 1, 1, one, false, 'single', 'The time to live in milliseconds.'),
  spec('TTL', 1, 1, one, false, 'single', 'The time to live in seconds.'),
  spec('PEXPIRETIME', 1, 1, one, false, 'single', 'The time of expiry in milliseconds.'),
  spec('STRLEN', 1, 1, one, false, 'single', 'The length of a value.'),
  spec('DBSIZE', 0, 0, undefined, false, 'sum', 'Counts the keys.'),
  own(spec('PREFIXSCAN', 4, 4, undefined, false, 'scan', 'Lists keys by prefix, page by page.')),
  own(spec('BLOCK.PUT', 3, 3, one, true, 'single', 'Stores a version of a prompt block.', 'blocks')),
  own(spec('BLOCK.GET', 1, 1, one, false, 'single', 'Reads a version of a prompt block.', 'blocks')),
  own(spec('BLOCK.VERSIONS', 2, Infinity, pairs, false, 'by-key', 'The versions of prompt blocks.', 'blocks')),
  own(spec('FLUSH', 1, 1, undefined, false, 'all-ok', 'Waits until all writes are on disk or in Blob.')),
  own(spec('SHARDINFO', 0, 0, undefined, false, 'collect', 'The state of every shard.')),
  own(spec('SETTINGS.GET', 0, 0, undefined, false, 'collect', 'The settings of every shard.')),
  own(spec('SETTINGS.SET', 1, 2, undefined, false, 'all-ok', 'Changes settings of every shard.')),
];

/** Every command by its upper-case name. */
export const commandTable: ReadonlyMap<string, CommandSpec> = new Map(specs.map((item) => [item.name, item]));

/** True if the reply is one over all shards, which only shards of one topology can give together. */
export function isOneOverAllShards(command: CommandSpec): boolean {
  return command.keys === undefined && command.merge !== 'collect';
}

/** What is wrong with the number of arguments, or undefined if nothing is. */
export function arityFault(command: CommandSpec, argumentCount: number): string | undefined {
  const { min, max } = command.arguments;
  const step = command.keys?.many ? command.keys.step : 1;
  const fits = argumentCount >= min && argumentCount <= max && (argumentCount - command.leading) % step === 0;
  return fits ? undefined : `wrong number of arguments for '${command.name.toLowerCase()}' command`;
}
