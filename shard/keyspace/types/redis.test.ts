/** Hashes, lists, sets and sorted sets beside a real redis-server: generated sequences of commands, every reply compared. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type Call, type Comparison, compareWithRedis } from '../../../testing/redis-compare.ts';
import { hasRedisServer, RedisServer } from '../../../testing/redis-server.ts';

let redis: RedisServer;

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
];

function sequences(commands: readonly fc.Arbitrary<Call>[]): fc.Arbitrary<Call[]> {
  const step = fc.oneof(
    { weight: 14, arbitrary: fc.oneof(...commands) },
    { weight: 2, arbitrary: fc.oneof(...common) },
    { weight: 1, arbitrary: fc.oneof(...foreign) },
  );
  return fc.array(step, { minLength: 5, maxLength: 80, size: 'max' });
}

async function holds(commands: readonly fc.Arbitrary<Call>[], orderOf: Comparison['orderOf']): Promise<void> {
  await fc.assert(
    fc.asyncProperty(sequences(commands), fc.boolean(), (calls, withJournal) =>
      compareWithRedis(redis, calls, { withJournal, ...(orderOf && { orderOf }) }),
    ),
    { numRuns: 150 * Number(process.env['KVCACHE_HISTORIES'] ?? 1) },
  );
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

describe.skipIf(!hasRedisServer())('beside a real redis-server', () => {
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.stop());

  test(
    'hashes answer the same',
    () =>
      holds(hash, ([name]) => {
        if (name === 'HGETALL') return 'pairs';
        if (name === 'HKEYS' || name === 'HVALS') return 'any';
        return name === 'HRANDFIELD' || name === 'HSCAN' ? 'length' : 'exact';
      }),
    120_000,
  );

  test('lists answer the same', () => holds(list, undefined), 120_000);

  test(
    'sets answer the same',
    () =>
      holds(set, ([name]) => {
        if (name === 'SRANDMEMBER' || name === 'SSCAN') return 'length';
        return name === 'SMISMEMBER' ? 'exact' : 'any';
      }),
    120_000,
  );
});
