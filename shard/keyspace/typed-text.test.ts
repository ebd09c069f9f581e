/** Commands on strings, met with the typed values of the binary protocol. */
import { describe, expect, it } from 'vitest';
import { libraryContext } from '../../commands/command.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { type StoredType, storedTypes } from '../../commands/stored-type.ts';
import { TestShard } from '../../testing/engine-shard.ts';
import { keyChange } from './handler.ts';
import { liveOf } from './plain-key.ts';

const key = Buffer.from('key');
const text = (reply: Reply): Reply => (Buffer.isBuffer(reply) ? reply.toString('latin1') : reply);

function shardWith(type: StoredType, body: Buffer, expireAtMs = 0): TestShard {
  const shard = new TestShard();
  const change = { ...keyChange(key, 'key', expireAtMs, body), type };
  void shard.engine.keyspace.commit([change], libraryContext(1_000), 'OK');
  return shard;
}

function int(value: bigint): Buffer {
  const body = Buffer.alloc(8);
  body.writeBigInt64BE(value);
  return body;
}

function float(value: number): Buffer {
  const body = Buffer.alloc(8);
  body.writeDoubleBE(value);
  return body;
}

const typeNow = (shard: TestShard): StoredType => liveOf(shard.engine.keyspace, key)!.type;

describe('an Int', () => {
  it('stays one when it is counted, and keeps its expiry', async () => {
    const shard = shardWith(storedTypes.int, int(2n ** 62n), 1_800_000_000_000);
    expect(shard.run('INCR', 'key')).toBe(2n ** 62n + 1n);
    expect(shard.run('DECRBY', 'key', '4611686018427387900')).toBe(5);
    expect([typeNow(shard), text(shard.run('GET', 'key'))]).toEqual([storedTypes.int, '5']);
    expect(shard.run('PEXPIRETIME', 'key')).toBe(1_800_000_000_000);
    expect(shard.run('INCRBY', 'key', '9223372036854775807')).toEqual(
      new ReplyError('ERR', 'increment or decrement would overflow'),
    );
    shard.chill();
    expect(await shard.begin('INCR', 'key')).toBe(6);
    expect(typeNow(shard)).toBe(storedTypes.int);
  });

  it('is its decimal text to what reads and changes text, and text from then on', () => {
    const shard = shardWith(storedTypes.int, int(-12n));
    expect(shard.run('STRLEN', 'key')).toBe(3);
    expect(text(shard.run('GETRANGE', 'key', 1, -1))).toBe('12');
    expect(shard.run('TYPE', 'key')).toBe('string');
    expect(text(shard.run('OBJECT', 'ENCODING', 'key'))).toBe('int');
    expect(shard.run('APPEND', 'key', '5')).toBe(4);
    expect([typeNow(shard), text(shard.run('GET', 'key'))]).toEqual([storedTypes.bytes, '-125']);
  });

  it('stays one under another name, in a copy, and with another expiry', () => {
    const shard = shardWith(storedTypes.int, int(7n));
    shard.run('EXPIRE', 'key', 100);
    shard.run('COPY', 'key', 'copy');
    shard.run('RENAME', 'copy', 'key');
    expect([typeNow(shard), shard.run('TTL', 'key')]).toEqual([storedTypes.int, 100]);
    expect(shard.run('INCR', 'key')).toBe(8);
  });
});

it('a text of digits is counted and stays text', () => {
  const shard = shardWith(storedTypes.text, Buffer.from('41'));
  expect(shard.run('INCR', 'key')).toBe(42);
  expect(typeNow(shard)).toBe(storedTypes.text);
});

it.each([
  ['Float', storedTypes.float, float(1.5)],
  ['Bool', storedTypes.bool, Buffer.from([1])],
  ['Null', storedTypes.null, Buffer.alloc(0)],
  ['Decimal', storedTypes.decimal, Buffer.from('5')],
])('a %s is no counter', (_, type, body) => {
  const shard = shardWith(type, body);
  expect(shard.run('INCR', 'key')).toMatchObject({ code: 'WRONGTYPE' });
  expect(typeNow(shard)).toBe(type);
});

it('a Float and a Decimal are numbers to INCRBYFLOAT, and text afterwards', () => {
  const shard = shardWith(storedTypes.float, float(1.5));
  expect(text(shard.run('INCRBYFLOAT', 'key', '0.25'))).toBe('1.75');
  expect(typeNow(shard)).toBe(storedTypes.bytes);
  expect(text(shardWith(storedTypes.decimal, Buffer.from('0.1')).run('INCRBYFLOAT', 'key', '0.2'))).toBe('0.3');
});

it('a collection is refused by what works on text, replaced by SET, and nothing to MGET', () => {
  const shard = new TestShard();
  const wrongType = { code: 'WRONGTYPE', message: 'Operation against a key holding the wrong kind of value' };
  shard.run('HSET', 'key', 'field', 'value');
  for (const [name, ...args] of [
    ['GET'],
    ['APPEND', 'x'],
    ['GETDEL'],
    ['GETEX'],
    ['GETRANGE', '0', '1'],
    ['SETRANGE', '0', ''],
    ['STRLEN'],
    ['INCR'],
    ['INCRBYFLOAT', 'x'],
    ['GETSET', 'x'],
    ['SET', 'x', 'NX', 'GET'],
  ] as const) {
    expect([name, shard.run(name, 'key', ...args)]).toEqual([name, wrongType]);
  }
  expect(shard.run('MGET', 'key')).toEqual([null]);
  expect(shard.run('SET', 'key', 'x')).toBe('OK');
  expect(text(shard.run('GET', 'key'))).toBe('x');
});
