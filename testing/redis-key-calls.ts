/** Commands on strings, numbers, keys and expiry, right and wrong, of which tests compare the replies with Redis'. */
import fc from 'fast-check';
import type { Call, Comparison } from './redis-compare.ts';

const keyNames = ['a', 'b', '{t}c', ''];

/** In the unit of each reply. */
export const timeTolerances: NonNullable<Comparison['tolerances']> = new Map([
  ['TTL', 10],
  ['EXPIRETIME', 10],
  ['PTTL', 10_000],
  ['PEXPIRETIME', 10_000],
]);

const key = fc.constantFrom(...keyNames);
const integer = fc.oneof(
  fc.constantFrom('0', '1', '-1', '5', '9223372036854775807', '-9223372036854775808', '9223372036854775808', '10'),
  fc.constantFrom('-0', '+1', '007', ' 1', '1 ', '', 'x', '1.0', '9007199254740993', '-9007199254740993'),
  fc.integer({ min: -20, max: 20 }).map(String),
);
const float = fc.oneof(
  fc.constantFrom(
    '0.1',
    '3',
    '-1.5',
    '1e3',
    '.5',
    '5.',
    '0x1p3',
    '0x.8',
    'inf',
    '-Infinity',
    'nan',
    '',
    'abc',
    '1e400',
  ),
  fc.constantFrom(
    '1e4900',
    '-1e4900',
    '1e5000',
    '1e-4900',
    '1e-5000',
    '1.7976931348623157e308',
    ' 1',
    '1 ',
    '1e',
    '--1',
  ),
  fc.constantFrom('0.00000000000000001', '123456789012345678901234567890', '3.0e-20', '-0', '0e99999999', '17.17'),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer({ min: -1_000_000, max: 1_000_000 }).map((value) => String(value / 1_000)),
);
const value = fc.oneof(
  fc.constantFrom('', 'hello', 'hello world', '\u0000\u00ff', 'x'.repeat(100), '10.5'),
  integer,
  float,
);
const offset = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: -15, max: 15 }).map(String) },
  { weight: 1, arbitrary: integer },
);
/** Far enough that nothing expires while the test runs. */
const life = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1_000, max: 100_000 }).map((seconds) => String(seconds * 1_000)) },
  { weight: 1, arbitrary: fc.constantFrom('0', '-1', '-9223372036854775808', '9223372036854775807', 'x', '1.5') },
);
/** Absolute times, in seconds or milliseconds, of the past or a long future. */
const moment = fc.constantFrom('1', '0', '-5', '4102444800', '4102444800000', 'soon');
const option = fc.oneof(
  fc.constantFrom<string[]>(['NX'], ['XX'], ['GET'], ['KEEPTTL'], ['PERSIST'], ['nx'], ['get'], ['KEEPTTLS'], ['EX']),
  fc.tuple(fc.constantFrom('EX', 'PX', 'ex'), life).map(([word, time]) => [word, time]),
  fc.tuple(fc.constantFrom('EXAT', 'PXAT'), moment).map(([word, time]) => [word, time]),
);
const options = fc.array(option, { maxLength: 2 }).map((list) => list.flat());
const condition = fc.array(fc.constantFrom('NX', 'XX', 'GT', 'LT', 'gt', 'ZZ'), { maxLength: 2 });

const call = (name: string, ...parts: readonly fc.Arbitrary<string>[]): fc.Arbitrary<Call> =>
  fc.tuple(...parts).map((args) => [name].concat(args) as unknown as Call);
const callWith = (name: string, list: fc.Arbitrary<string[]>, ...parts: fc.Arbitrary<string>[]): fc.Arbitrary<Call> =>
  fc.tuple(fc.tuple(...parts), list).map(([args, more]) => [name].concat(args, more) as unknown as Call);

const keys = fc.array(key, { minLength: 1, maxLength: 4 });
const pairs = fc.array(fc.tuple(key, value), { minLength: 1, maxLength: 3 }).map((list) => list.flat());
const strings = fc.oneof(
  { weight: 6, arbitrary: callWith('SET', options, key, value) },
  { weight: 3, arbitrary: call('GET', key) },
  call('SETNX', key, value),
  call('SETEX', key, life, value),
  call('PSETEX', key, life, value),
  call('GETSET', key, value),
  call('GETDEL', key),
  { weight: 2, arbitrary: callWith('GETEX', options, key) },
  { weight: 2, arbitrary: call('GETRANGE', key, offset, offset) },
  call('SUBSTR', key, offset, offset),
  { weight: 2, arbitrary: call('SETRANGE', key, offset, value) },
  { weight: 2, arbitrary: call('APPEND', key, value) },
  call('STRLEN', key),
  callWith('MGET', keys),
  callWith('MSET', pairs),
  callWith('MSETNX', pairs),
);
export const numberCalls = fc.oneof(
  { weight: 3, arbitrary: call('SET', key, fc.oneof(integer, float)) },
  call('INCR', key),
  call('DECR', key),
  { weight: 2, arbitrary: call('INCRBY', key, integer) },
  { weight: 2, arbitrary: call('DECRBY', key, integer) },
  { weight: 4, arbitrary: call('INCRBYFLOAT', key, float) },
  call('GET', key),
);
const everyKey = fc.oneof(
  callWith('DEL', keys),
  callWith('UNLINK', keys),
  callWith('EXISTS', keys),
  callWith('TOUCH', keys),
  call('TYPE', key),
  { weight: 2, arbitrary: call('RENAME', key, key) },
  call('RENAMENX', key, key),
  {
    weight: 2,
    arbitrary: callWith(
      'COPY',
      fc.constantFrom<string[]>([], ['REPLACE'], ['DB', '0'], ['DB', 'x'], ['DB'], ['TO']),
      key,
      key,
    ),
  },
  call('DBSIZE'),
  call('RANDOMKEY'),
  call('KEYS', fc.constantFrom('*', '?', '[ab]', '{*', '', 'a', '[^b]*')),
);
/** Everything gone again: seldom, or there would be nothing to see. */
const flush = fc.oneof(call('FLUSHALL'), call('FLUSHDB'), call('FLUSHALL', fc.constantFrom('SYNC', 'async', 'x')));
const expiry = fc.oneof(
  { weight: 2, arbitrary: callWith('EXPIRE', condition, key, life) },
  { weight: 2, arbitrary: callWith('PEXPIRE', condition, key, life) },
  callWith('EXPIREAT', condition, key, fc.constantFrom('1', '-9', '0', '4102444800', '4202444800', 'x')),
  callWith('PEXPIREAT', condition, key, fc.constantFrom('1', '-9', '0', '4102444800000', '4202444800000', '')),
  call('PERSIST', key),
  call('TTL', key),
  call('PTTL', key),
  call('EXPIRETIME', key),
  call('PEXPIRETIME', key),
);
const short = fc.constantFrom('GET', 'SET', 'SETEX', 'MSET', 'MSETNX', 'INCR', 'GETEX', 'RENAME', 'COPY', 'TTL', 'DEL');
const badArity = callWith('EXPIRE', fc.constant([]), key);
const badArities = fc.oneof(
  badArity,
  short.map((name) => [name] as Call),
  fc.tuple(short, key).map(([name, argument]) => [name, argument] as Call),
);
/** Commands on strings must refuse these, and commands on keys take them as they are. */
const otherTypes = fc.oneof(
  call('HSET', key, value, value),
  call('SADD', key, value),
  call('HGETALL', key),
  call('SMEMBERS', key),
);
export const keyCalls = fc.oneof(
  { weight: 32, arbitrary: strings },
  { weight: 12, arbitrary: numberCalls },
  { weight: 16, arbitrary: everyKey },
  { weight: 16, arbitrary: expiry },
  { weight: 4, arbitrary: badArities },
  { weight: 4, arbitrary: otherTypes },
  { weight: 1, arbitrary: flush },
);

export const keyOrders: NonNullable<Comparison['orderOf']> = ([name]) => {
  if (name === 'HGETALL') return 'pairs';
  if (name === 'RANDOMKEY') return 'length';
  return name === 'SMEMBERS' || name === 'KEYS' ? 'any' : 'exact';
};
