/** The command table's rows of hashes, lists, sets and sorted sets. Grammar, replies and errors are Redis 7's. */
import { OK, type Reply } from './reply.ts';
import type { Absent, CommandSpec, KeySpec, Resp3Shape } from './table.ts';

const one: KeySpec = { first: 0, step: 1, count: 1 };

interface Row {
  readonly keys?: KeySpec;
  readonly absent?: Absent;
  readonly dropped?: Reply;
  readonly resp3?: Resp3Shape;
  readonly merge?: CommandSpec['merge'];
}

function row(name: string, min: number, max: number, writes: boolean, summary: string, more: Row): CommandSpec {
  const keys = more.keys ?? one;
  const place = { keys, leading: keys.first, space: 'keys', scope: 'keyspace' } as const;
  return { name, arguments: { min, max }, writes, merge: 'single', summary, ...more, ...place };
}

function reads(name: string, min: number, max: number, summary: string, more: Row = {}): CommandSpec {
  return row(name, min, max, false, summary, more);
}

function writes(name: string, min: number, max: number, summary: string, more: Row = {}): CommandSpec {
  return row(name, min, max, true, summary, more);
}

const nothing: Row = { absent: [] };
const none: Row = { absent: 0 };
/** As many as fields or members are asked for. */
const nilEach: Row = { absent: ([, ...asked]) => asked.map(() => null) };
const zeroEach: Row = { absent: ([, ...asked]) => asked.map(() => 0) };
/** One, or with a count an array. */
const nilOrNothing: Row = { absent: (args) => (args.length > 1 ? [] : null) };
/** The place of one element, or with COUNT an array of places. */
const nilOrNoPlaces: Row = {
  absent: (args) => (args.slice(2).some((word) => word.toString('latin1').toUpperCase() === 'COUNT') ? [] : null),
};
const noPage: Row = { absent: [Buffer.from('0'), []] };

const hashSpecs: readonly CommandSpec[] = [
  writes('HSET', 3, Infinity, 'Sets fields of a hash.'),
  writes('HMSET', 3, Infinity, 'Sets fields of a hash: the old form of HSET.', { dropped: OK }),
  writes('HSETNX', 3, 3, 'Sets a field of a hash if it is not there.'),
  reads('HGET', 2, 2, 'The value of a field.'),
  reads('HMGET', 2, Infinity, 'The values of fields.', nilEach),
  reads('HGETALL', 1, 1, 'All fields of a hash with their values.', { ...nothing, resp3: 'map' }),
  reads('HKEYS', 1, 1, 'The fields of a hash.', nothing),
  reads('HVALS', 1, 1, 'The values of a hash.', nothing),
  reads('HLEN', 1, 1, 'Counts the fields of a hash.', none),
  reads('HSTRLEN', 2, 2, 'The length of the value of a field.', none),
  reads('HEXISTS', 2, 2, 'Whether a field is there.', none),
  writes('HDEL', 2, Infinity, 'Deletes fields of a hash.'),
  writes('HINCRBY', 3, 3, 'Adds to an integer in a field.'),
  writes('HINCRBYFLOAT', 3, 3, 'Adds to a number in a field.'),
  reads('HRANDFIELD', 1, Infinity, 'Fields at random.', { ...nilOrNothing, resp3: 'values' }),
  reads('HSCAN', 2, Infinity, 'Lists fields and values page by page.', noPage),
];

const many: KeySpec = { first: 0, step: 1, count: 'rest' };
const two: KeySpec = { first: 0, step: 1, count: 2 };
const counted: KeySpec = { first: 1, step: 1, count: 'counted' };
/** With LEFT, RIGHT, MIN or MAX behind the keys. */
const countedBeforeOne: KeySpec = { ...counted, behind: 1 };

const setSpecs: readonly CommandSpec[] = [
  writes('SADD', 2, Infinity, 'Adds members to a set.'),
  writes('SREM', 2, Infinity, 'Removes members from a set.'),
  reads('SISMEMBER', 2, 2, 'Whether a member is there.', none),
  reads('SMISMEMBER', 2, Infinity, 'Which members are there.', zeroEach),
  reads('SMEMBERS', 1, 1, 'The members of a set.', { ...nothing, resp3: 'set' }),
  reads('SCARD', 1, 1, 'Counts the members of a set.', none),
  writes('SPOP', 1, Infinity, 'Takes members out at random.', { resp3: 'set' }),
  reads('SRANDMEMBER', 1, Infinity, 'Members at random.', nilOrNothing),
  reads('SSCAN', 2, Infinity, 'Lists members page by page.', noPage),
  writes('SMOVE', 3, 3, 'Moves a member from one set to another.', { keys: two }),
  reads('SINTER', 1, Infinity, 'The members that all sets have.', {
    ...nothing,
    keys: many,
    resp3: 'set',
    merge: 'members',
  }),
  reads('SUNION', 1, Infinity, 'The members that any set has.', {
    ...nothing,
    keys: many,
    resp3: 'set',
    merge: 'members',
  }),
  reads('SDIFF', 1, Infinity, 'The members that only the first set has.', {
    ...nothing,
    keys: many,
    resp3: 'set',
    merge: 'members',
  }),
  reads('SINTERCARD', 2, Infinity, 'Counts the members that all sets have.', {
    ...none,
    keys: counted,
    merge: 'members',
  }),
];

const listSpecs: readonly CommandSpec[] = [
  writes('LPUSH', 2, Infinity, 'Puts elements before a list.'),
  writes('RPUSH', 2, Infinity, 'Puts elements behind a list.'),
  writes('LPUSHX', 2, Infinity, 'Puts elements before a list that is there.'),
  writes('RPUSHX', 2, Infinity, 'Puts elements behind a list that is there.'),
  writes('LPOP', 1, Infinity, 'Takes elements from the beginning of a list.'),
  writes('RPOP', 1, Infinity, 'Takes elements from the end of a list.'),
  reads('LLEN', 1, 1, 'Counts the elements of a list.', none),
  reads('LRANGE', 3, 3, 'A part of a list.', nothing),
  reads('LINDEX', 2, 2, 'The element at a place.'),
  writes('LSET', 3, 3, 'Replaces the element at a place.'),
  writes('LINSERT', 4, 4, 'Puts an element before or behind another one.'),
  writes('LREM', 3, 3, 'Removes elements of a value.'),
  writes('LTRIM', 3, 3, 'Removes all but a part of a list.', { dropped: OK }),
  reads('LPOS', 2, Infinity, 'The places of an element.', nilOrNoPlaces),
  writes('LMOVE', 4, 4, 'Moves an element from one list to another.', { keys: two }),
  writes('RPOPLPUSH', 2, 2, 'Moves the last element of a list before another list.', { keys: two }),
  writes('LMPOP', 3, Infinity, 'Takes elements from the first list that has any.', { keys: countedBeforeOne }),
];

const scores = { ...nothing, resp3: 'scores' } as const;
const scoreAlgebra = { ...nothing, keys: counted, resp3: 'scores', merge: 'members' } as const;

const sortedSetSpecs: readonly CommandSpec[] = [
  writes('ZADD', 3, Infinity, 'Sets scores of members.', { resp3: 'double' }),
  writes('ZINCRBY', 3, 3, 'Adds to the score of a member.', { resp3: 'double' }),
  writes('ZREM', 2, Infinity, 'Removes members from a sorted set.'),
  reads('ZSCORE', 2, 2, 'The score of a member.', { resp3: 'double' }),
  reads('ZMSCORE', 2, Infinity, 'The scores of members.', { ...nilEach, resp3: 'double' }),
  reads('ZCARD', 1, 1, 'Counts the members of a sorted set.', none),
  reads('ZCOUNT', 3, 3, 'Counts the members with scores in a range.', none),
  reads('ZLEXCOUNT', 3, 3, 'Counts the members in a range of bytes.', none),
  reads('ZRANGE', 3, Infinity, 'Members by rank, score or bytes.', scores),
  reads('ZREVRANGE', 3, Infinity, 'Members by rank from the top.', scores),
  reads('ZRANGEBYSCORE', 3, Infinity, 'Members by score.', scores),
  reads('ZREVRANGEBYSCORE', 3, Infinity, 'Members by score from the top.', scores),
  reads('ZRANGEBYLEX', 3, Infinity, 'Members by their bytes.', nothing),
  reads('ZREVRANGEBYLEX', 3, Infinity, 'Members by their bytes from the top.', nothing),
  reads('ZRANK', 2, 3, 'The rank of a member.', { resp3: 'double' }),
  reads('ZREVRANK', 2, 3, 'The rank of a member from the top.', { resp3: 'double' }),
  writes('ZPOPMIN', 1, Infinity, 'Takes the members with the lowest scores.', { resp3: 'popped' }),
  writes('ZPOPMAX', 1, Infinity, 'Takes the members with the highest scores.', { resp3: 'popped' }),
  writes('ZMPOP', 3, Infinity, 'Takes members from the first sorted set that has any.', { keys: countedBeforeOne }),
  reads('ZRANDMEMBER', 1, Infinity, 'Members of a sorted set at random.', { ...nilOrNothing, resp3: 'scores' }),
  reads('ZSCAN', 2, Infinity, 'Lists members and scores page by page.', noPage),
  writes('ZREMRANGEBYRANK', 3, 3, 'Removes members by rank.'),
  writes('ZREMRANGEBYSCORE', 3, 3, 'Removes members by score.'),
  writes('ZREMRANGEBYLEX', 3, 3, 'Removes members by their bytes.'),
  reads('ZINTER', 2, Infinity, 'The members that all sorted sets have.', scoreAlgebra),
  reads('ZUNION', 2, Infinity, 'The members that any sorted set has.', scoreAlgebra),
  reads('ZDIFF', 2, Infinity, 'The members that only the first sorted set has.', scoreAlgebra),
  reads('ZINTERCARD', 2, Infinity, 'Counts the members that all sorted sets have.', {
    ...none,
    keys: counted,
    merge: 'members',
  }),
];

export const collectionSpecs: readonly CommandSpec[] = [...sortedSetSpecs, ...hashSpecs, ...setSpecs, ...listSpecs];
