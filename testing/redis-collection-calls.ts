/** Commands on hashes, lists, sets and sorted sets, right and wrong, of which tests compare the replies with Redis'. */
import fc from 'fast-check';
import type { Call, Comparison } from './redis-compare.ts';

const key = fc.constantFrom('a', 'b', '{t}c');
const member = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('f', 'g', 'h', '', '10', '-3', '1.5') },
  { weight: 1, arbitrary: fc.constantFrom('9223372036854775807', '3.0e3', 'inf', 'x'.repeat(700), '\u0080\u00ff\r\n') },
);
const integer = fc.constantFrom('0', '1', '-1', '2', '5', '-2', '100', '-100', '9223372036854775807', 'x', '1.0', '');
const count = fc.constantFrom('0', '1', '2', '3', '10', '-1', '-3', 'x', '');
const word = (...words: string[]): fc.Arbitrary<string> => fc.constantFrom(...words);

type Argument = fc.Arbitrary<string> | fc.Arbitrary<string[]>;

const callOf = (name: string, args: readonly string[]): Call => [name, ...args];

/** A command with each argument drawn. */
function plain(name: string, ...args: Argument[]): fc.Arbitrary<Call> {
  return fc.tuple(...args).map((values) => callOf(name, values.flat()));
}

/** A command with each argument drawn, and now and then one too few, one too many or one of another kind. */
function call(name: string, ...args: Argument[]): fc.Arbitrary<Call> {
  const right = fc.tuple(...args).map((values) => values.flat());
  const odd = fc.tuple(right, fc.constantFrom('cut', 'more'), member).map(([values, kind, extra]) => {
    return kind === 'cut' ? values.slice(0, -1) : values.concat(extra);
  });
  return fc
    .oneof({ weight: 12, arbitrary: right }, { weight: 1, arbitrary: odd })
    .map((values) => callOf(name, values));
}

const many = (item: fc.Arbitrary<string>, maxLength = 4): fc.Arbitrary<string[]> =>
  fc.array(item, { minLength: 1, maxLength });
const pairs = (first: fc.Arbitrary<string>, second: fc.Arbitrary<string>): fc.Arbitrary<string[]> =>
  fc.array(fc.tuple(first, second), { minLength: 1, maxLength: 4 }).map((list) => list.flat());
const some = (...options: fc.Arbitrary<string[]>[]): fc.Arbitrary<string[]> =>
  fc.oneof(fc.constant<string[]>([]), ...options);

/** What other types, deletion and expiry do to a key. */
const common: readonly fc.Arbitrary<Call>[] = [
  plain('SET', key, member),
  plain('GET', key),
  plain('DEL', many(key)),
  plain('TYPE', key),
  plain('EXISTS', key),
  plain('PERSIST', key),
  plain('PEXPIRE', key, fc.constantFrom('100000', '-1')),
  plain('RENAME', key, key),
  plain('COPY', key, key),
  plain('STRLEN', key),
  plain('INCR', key),
  plain('MGET', many(key)),
];

/** Now and then a command of another type, which mostly fails. */
const foreign: readonly fc.Arbitrary<Call>[] = [
  call('HSET', key, member, member),
  call('SADD', key, member),
  call('RPUSH', key, member),
  call('ZADD', key, word('1'), member),
];

export function sequences(commands: readonly fc.Arbitrary<Call>[]): fc.Arbitrary<Call[]> {
  const step = fc.oneof(
    { weight: 14, arbitrary: fc.oneof(...commands) },
    { weight: 2, arbitrary: fc.oneof(...common) },
    { weight: 1, arbitrary: fc.oneof(...foreign) },
  );
  return fc.array(step, { minLength: 5, maxLength: 80, size: 'max' });
}

const hash = [
  call('HSET', key, pairs(member, member)),
  call('HSET', key, pairs(member, member)),
  call('HMSET', key, pairs(member, member)),
  call('HSETNX', key, member, member),
  call('HGET', key, member),
  call('HMGET', key, many(member)),
  call('HGETALL', key),
  call('HKEYS', key),
  call('HVALS', key),
  call('HLEN', key),
  call('HSTRLEN', key, member),
  call('HEXISTS', key, member),
  call('HDEL', key, many(member)),
  call('HINCRBY', key, member, integer),
  call('HINCRBYFLOAT', key, member, fc.oneof(integer, word('0.1', '1e400', 'nan', 'inf'))),
  call('HRANDFIELD', key),
  call('HRANDFIELD', key, count, some(many(word('WITHVALUES', 'withvalues', 'X'), 2))),
  call(
    'HSCAN',
    key,
    word('0', '0', 'x'),
    some(fc.constant(['COUNT', '1000', 'MATCH', '*']), fc.constant(['COUNT', '0'])),
  ),
];

const algebra = ['SINTER', 'SUNION', 'SDIFF'].map((name) => call(name, many(key)));
const set = [
  call('SADD', key, many(member)),
  call('SADD', key, many(member)),
  call('SREM', key, many(member)),
  call('SISMEMBER', key, member),
  call('SMISMEMBER', key, many(member)),
  call('SMEMBERS', key),
  call('SCARD', key),
  plain('SPOP', key, word('100', 'x', '-1')),
  call('SRANDMEMBER', key),
  call('SRANDMEMBER', key, count),
  call('SSCAN', key, word('0', '0', 'x'), some(fc.constant(['COUNT', '1000', 'MATCH', '*']), fc.constant(['MATCH']))),
  call('SMOVE', key, key, member),
  ...algebra,
  call('SINTERCARD', word('1', '2', '0', 'x', '9'), many(key, 3), some(fc.tuple(word('LIMIT'), count))),
];

const side = word('LEFT', 'RIGHT', 'left', 'UP');
const list = [
  call('LPUSH', key, many(member)),
  call('RPUSH', key, many(member)),
  call('RPUSH', key, many(member)),
  call('LPUSHX', key, many(member)),
  call('RPUSHX', key, many(member)),
  call('LPOP', key),
  call('RPOP', key, count),
  call('LPOP', key, count),
  call('LLEN', key),
  call('LRANGE', key, word('0', '1', '-2', '-100', 'x'), word('-1', '2', '100', '-3', 'x')),
  call('LINDEX', key, integer),
  call('LSET', key, integer, member),
  call('LINSERT', key, word('BEFORE', 'AFTER', 'after', 'X'), member, member),
  call('LREM', key, integer, member),
  call('LTRIM', key, word('0', '1', '-3', 'x'), word('-1', '-2', '2', '100')),
  call(
    'LPOS',
    key,
    member,
    some(
      fc.tuple(word('RANK'), integer),
      fc.tuple(word('COUNT', 'MAXLEN', 'X'), count),
      fc.tuple(word('RANK'), integer, word('COUNT'), count, word('MAXLEN'), count),
    ),
  ),
  call('LMOVE', key, key, side, side),
  call('RPOPLPUSH', key, key),
  call('LMPOP', word('1', '2', '0', 'x', '9'), many(key, 3), side, some(fc.tuple(word('COUNT', 'X'), count))),
];

const score = word(
  '0',
  '1',
  '-1',
  '1.5',
  '3',
  'inf',
  '-inf',
  '0.1',
  '1e20',
  '1e-7',
  '123456789.125',
  'x',
  'nan',
  '1e400',
  '',
);
const bound = word('0', '1', '(1', '-1', '(3', 'inf', '-inf', '+inf', '1.5', 'x', '');
const lex = word('-', '+', '[f', '(f', '[g', '(10', '[', 'f', '');
const place = word('0', '1', '-1', '-2', '2', '100', '-100', 'x');
const withScores = some(fc.constant(['WITHSCORES']), fc.constant(['X']));
const limit = fc.tuple(word('LIMIT'), count, count);
/** Where scores differ, ranges by bytes mean nothing. */
const lexKey = word('l');
const zset = [
  call('ZADD', key, pairs(score, member)),
  call('ZADD', key, pairs(word('1', '2', '3'), member)),
  call('ZADD', key, pairs(word('1', '1', '2'), member)),
  call('ZADD', key, many(word('NX', 'XX', 'GT', 'LT', 'CH', 'INCR', 'ch'), 3), pairs(score, member)),
  call('ZADD', key, word('NX', 'XX', 'GT', 'LT', 'CH', 'INCR'), score, member),
  call('ZINCRBY', key, score, member),
  call('ZREM', key, many(member)),
  call('ZSCORE', key, member),
  call('ZMSCORE', key, many(member)),
  call('ZCARD', key),
  call('ZCOUNT', key, bound, bound),
  call('ZLEXCOUNT', lexKey, lex, lex),
  call('ZRANGE', key, place, place, withScores),
  call('ZRANGE', key, place, place, some(many(word('REV', 'WITHSCORES', 'BYSCORE'), 3), limit)),
  call('ZRANGE', key, bound, bound, word('BYSCORE'), some(fc.constant(['REV']), limit, withScores)),
  call('ZRANGE', lexKey, lex, lex, word('BYLEX'), some(fc.constant(['REV']), limit, withScores)),
  call('ZREVRANGE', key, place, place, withScores),
  call('ZRANGEBYSCORE', key, bound, bound, withScores, some(limit)),
  call('ZREVRANGEBYSCORE', key, bound, bound, withScores, some(limit)),
  call('ZRANGEBYLEX', lexKey, lex, lex, some(limit)),
  call('ZREVRANGEBYLEX', lexKey, lex, lex, some(limit)),
  plain('ZRANK', key, member),
  plain('ZREVRANK', key, member),
  call('ZPOPMIN', key),
  call('ZPOPMAX', key, count),
  call(
    'ZMPOP',
    word('1', '2', '0', 'x', '9'),
    many(key, 3),
    word('MIN', 'MAX', 'X'),
    some(fc.tuple(word('COUNT'), count)),
  ),
  call('ZRANDMEMBER', key),
  call('ZRANDMEMBER', key, count, withScores),
  call('ZSCAN', key, word('0', '0', 'x'), some(fc.constant(['COUNT', '1000', 'MATCH', '*']))),
  call('ZREMRANGEBYRANK', key, place, place),
  call('ZREMRANGEBYSCORE', key, bound, bound),
  call('ZREMRANGEBYLEX', lexKey, lex, lex),
  ...['ZINTER', 'ZUNION', 'ZDIFF', 'ZINTERCARD'].map((name) =>
    call(
      name,
      word('1', '2', '2', '0', 'x', '9'),
      many(key, 3),
      some(
        fc.constant(['WITHSCORES']),
        fc.tuple(word('WEIGHTS'), score, score, word('AGGREGATE'), word('SUM', 'MIN', 'MAX', 'X'), word('WITHSCORES')),
        fc.tuple(word('LIMIT'), count),
      ),
    ),
  ),
  plain('ZADD', lexKey, pairs(word('0'), member)),
  plain('ZREM', lexKey, member),
];

export interface CollectionCalls {
  readonly type: string;
  readonly calls: readonly fc.Arbitrary<Call>[];
  readonly orderOf?: Comparison['orderOf'];
}

/** By type, with which of their replies Redis promises no order for. */
export const collectionCalls: readonly CollectionCalls[] = [
  {
    type: 'hashes',
    calls: hash,
    orderOf: ([name]) => {
      if (name === 'HGETALL') return 'pairs';
      if (name === 'HKEYS' || name === 'HVALS') return 'any';
      return name === 'HRANDFIELD' || name === 'HSCAN' ? 'length' : 'exact';
    },
  },
  { type: 'lists', calls: list },
  {
    type: 'sorted sets',
    calls: zset,
    orderOf: ([name]) => (name === 'ZRANDMEMBER' || name === 'ZSCAN' ? 'length' : 'exact'),
  },
  {
    type: 'sets',
    calls: set,
    orderOf: ([name]) => {
      if (name === 'SRANDMEMBER' || name === 'SSCAN') return 'length';
      return name === 'SMISMEMBER' ? 'exact' : 'any';
    },
  },
];
