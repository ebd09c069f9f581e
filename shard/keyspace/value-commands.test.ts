import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { storedTypes } from '../../commands/stored-type.ts';
import { isSameValue } from '../../commands/typed-equality.ts';
import { readTyped } from '../../commands/typed-value.ts';
import { TestShard } from '../../testing/engine-shard.ts';

const shards: TestShard[] = [];
afterEach(() => {
  for (const shard of shards.splice(0)) shard.engine.close();
});

function open(options: ConstructorParameters<typeof TestShard>[0] = {}): TestShard {
  const shard = new TestShard(options);
  shards.push(shard);
  return shard;
}

const { int, text, bytes, map, array, null: nothing } = storedTypes;
const int64 = (value: bigint): Buffer => {
  const body = Buffer.alloc(8);
  body.writeBigInt64BE(value);
  return body;
};
/** Body of a map of Ints. */
const mapOf = (...members: [string, bigint][]): Buffer => {
  const parts = members.map(([key, value]) =>
    Buffer.concat([Buffer.from([0, key.length]), Buffer.from(key), Buffer.from([1]), int64(value)]),
  );
  return Buffer.concat([Buffer.from([0, 0, 0, members.length]), ...parts]);
};
const set = (shard: TestShard, key: string, type: number, body: Buffer | string): Reply =>
  shard.run('VALUE.SET', key, type, body, 0);

describe.each([
  ['with a journal', true],
  ['in RAM alone', false],
])('typed values, %s', (_, withJournal) => {
  it('come back as they were stored, and other commands read their text', () => {
    const shard = open({ withJournal });
    expect(shard.run('VALUE.GET', 'k')).toBeNull();
    expect(set(shard, 'k', int, int64(-7n))).toBe(1);
    expect(shard.run('VALUE.GET', 'k')).toEqual([int, int64(-7n)]);
    expect(shard.run('GET', 'k')).toEqual(Buffer.from('-7'));
    set(shard, 'm', map, mapOf(['a', 1n]));
    expect(shard.run('GET', 'm')).toEqual(Buffer.from('{"a":1}'));
    shard.run('SET', 'k', 'plain');
    expect(shard.run('VALUE.GET', 'k')).toEqual([bytes, Buffer.from('plain')]);
    expect(shard.run('VALUE.MGET', 'm', 'none', 'k')).toEqual([
      [map, mapOf(['a', 1n])],
      null,
      [bytes, Buffer.from('plain')],
    ]);
  });

  it('are refused where the body is none of the type', () => {
    const shard = open({ withJournal });
    expect(set(shard, 'k', int, 'short')).toBeInstanceOf(ReplyError);
    expect(set(shard, 'k', storedTypes.hash, '')).toBeInstanceOf(ReplyError);
    expect(set(shard, 'k', 99, '')).toBeInstanceOf(ReplyError);
    expect(shard.run('EXISTS', 'k')).toBe(0);
  });

  it('are stored where there is none, with a time of expiry, and many at once', () => {
    const shard = open({ withJournal });
    const soon = shard.clock.now() + 1_000;
    expect(shard.run('VALUE.SET', 'k', text, 'a', soon, 'NX')).toBe(1);
    expect(shard.run('VALUE.SET', 'k', text, 'b', 0, 'NX')).toBe(0);
    expect(shard.run('PTTL', 'k')).toBe(1_000);
    expect(shard.run('VALUE.SET', 'k', text, 'b', 0, 'XX')).toBeInstanceOf(ReplyError);
    expect(shard.run('VALUE.MSET', soon, 'k', text, 'c', 'l', int, int64(1n), 'k', text, 'd')).toBe('OK');
    expect(shard.run('VALUE.MGET', 'k', 'l')).toEqual([
      [text, Buffer.from('d')],
      [int, int64(1n)],
    ]);
    shard.clock.advance(1_000);
    expect(shard.run('VALUE.GET', 'k')).toBeNull();
    set(shard, 'k', text, 'e');
    expect(shard.run('VALUE.MSET', soon, 'k', text, 'f')).toBe('OK');
    expect(shard.run('VALUE.GET', 'k')).toBeNull();
  });

  it('are counted within 64 bits in the kind that was found', () => {
    const shard = open({ withJournal });
    expect(shard.run('VALUE.INCR', 'k', 5)).toBe(5);
    expect(shard.run('VALUE.GET', 'k')).toEqual([int, int64(5n)]);
    expect(shard.run('VALUE.INCR', 'k', '9223372036854775807')).toBe(2n ** 63n - 1n);
    set(shard, 'k', int, int64(-5n));
    expect(shard.run('VALUE.INCR', 'k', '-9223372036854775808')).toBe(-(2n ** 63n));
    shard.run('SET', 't', '41', 'PX', 500);
    expect(shard.run('VALUE.INCR', 't', 1)).toBe(42);
    expect(shard.run('VALUE.GET', 't')).toEqual([bytes, Buffer.from('42')]);
    expect(shard.run('PTTL', 't')).toBe(500);
    for (const [type, body] of [
      [text, 'word'],
      [nothing, ''],
      [storedTypes.float, int64(0n)],
    ] as const) {
      set(shard, 'other', type, body);
      expect(shard.run('VALUE.INCR', 'other', 1)).toMatchObject({ code: 'WRONGTYPE' });
    }
  });

  it('take the place of an equal value only', () => {
    const shard = open({ withJournal });
    const swap = (type: number, body: Buffer | string, next: string): Reply =>
      shard.run('VALUE.CAS', 'k', type, body, text, next, 0);
    expect(swap(nothing, '', 'first')).toBe(0);
    set(shard, 'k', map, mapOf(['a', 1n], ['b', 2n]));
    expect(swap(map, mapOf(['a', 1n]), 'x')).toBe(0);
    expect(swap(map, mapOf(['b', 2n], ['a', 1n]), 'x')).toBe(1);
    expect(swap(bytes, 'x', 'y')).toBe(0);
    expect(swap(text, 'x', 'y')).toBe(1);
    expect(shard.run('VALUE.GET', 'k')).toEqual([text, Buffer.from('y')]);
  });

  it('show hashes as maps and sets as lists', async () => {
    const shard = open({ withJournal });
    shard.run('HSET', 'h', 'field', 'value');
    shard.run('SADD', 's', 'member');
    const asBytes = (value: string): Buffer =>
      Buffer.concat([Buffer.from([5, 0, 0, 0, value.length]), Buffer.from(value)]);
    expect(await shard.begin('VALUE.GET', 'h')).toEqual([
      map,
      Buffer.concat([Buffer.from([0, 0, 0, 1, 0, 5]), Buffer.from('field'), asBytes('value')]),
    ]);
    expect(await shard.begin('VALUE.GET', 's')).toEqual([
      array,
      Buffer.concat([Buffer.from([0, 0, 0, 1]), asBytes('member')]),
    ]);
    expect(shard.run('VALUE.INCR', 'h', 1)).toMatchObject({ code: 'WRONGTYPE' });
    shard.run('HSET', 'h', Buffer.from([0xff]), 'value');
    expect(await shard.begin('VALUE.GET', 'h')).toMatchObject({ code: 'WRONGTYPE' });
  });
});

describe('values that are compared', () => {
  it('are the same whatever the order of a map', () => {
    const members = fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.bigInt({ min: 0n, max: 3n })), {
      selector: ([key]) => key,
    });
    fc.assert(
      fc.property(members, members, (left, right) => {
        const value = (all: [string, bigint][]) => ({ type: map, body: mapOf(...all) });
        const isSame =
          left.length === right.length && left.every(([key, n]) => right.some(([k, m]) => k === key && m === n));
        expect(isSameValue(value(left), value(right))).toBe(isSame);
        expect(isSameValue(value(left), value(left.toReversed()))).toBe(true);
      }),
    );
  });

  it('are the same also in lists', () => {
    const listOf = (...maps: Buffer[]) => {
      const tagged = Buffer.concat([
        Buffer.from([6, 0, 0, 0, maps.length]),
        ...maps.map((body) => Buffer.concat([Buffer.from([7]), body])),
      ]);
      return readTyped(tagged, 0).value;
    };
    const [ab, ba] = [mapOf(['a', 1n], ['b', 2n]), mapOf(['b', 2n], ['a', 1n])];
    expect(isSameValue(listOf(ab, ba), listOf(ba, ab))).toBe(true);
    expect(isSameValue(listOf(ab), listOf(ab, ab))).toBe(false);
    expect(isSameValue(listOf(), listOf(ab))).toBe(false);
  });
});

describe('locks', () => {
  it('are held by one owner for a time, and have nothing to do with a value of their name', () => {
    const shard = open();
    shard.run('SET', 'k', 'v');
    expect(shard.run('UNLOCK', 'k', 'me')).toBe(0);
    expect(shard.run('EXTEND', 'k', 'me', 100)).toBe(0);
    expect(shard.run('LOCK', 'k', 'me', 1_000)).toBe(1);
    expect(shard.run('LOCK', 'k', 'you', 1_000)).toBe(0);
    expect(shard.run('LOCK', 'k', 'me', 1_000)).toBe(0);
    expect(shard.run('UNLOCK', 'k', 'you')).toMatchObject({ message: 'Lock held by different owner' });
    expect(shard.run('EXTEND', 'k', 'you', 5_000)).toBe(0);
    shard.clock.advance(900);
    expect(shard.run('EXTEND', 'k', 'me', 1_000)).toBe(1);
    shard.clock.advance(900);
    expect(shard.run('LOCK', 'k', 'you', 1_000)).toBe(0);
    shard.clock.advance(100);
    expect(shard.run('LOCK', 'k', 'you', 1_000)).toBe(1);
    expect(shard.run('UNLOCK', 'k', 'you')).toBe(1);
    expect([shard.run('DBSIZE'), shard.run('DEL', 'k'), shard.run('LOCK', 'k', 'me', 1)]).toEqual([1, 1, 1]);
    expect(shard.run('EXISTS', 'k')).toBe(0);
  });

  it('are found where they are not in RAM', async () => {
    const shard = open();
    shard.run('LOCK', 'k', 'me', 60_000);
    shard.chill();
    expect(await shard.begin('LOCK', 'k', 'you', 60_000)).toBe(0);
    expect(await shard.begin('EXTEND', 'k', 'me', 60_000)).toBe(1);
    shard.chill();
    expect(await shard.begin('UNLOCK', 'k', 'you')).toBeInstanceOf(ReplyError);
    expect(await shard.begin('UNLOCK', 'k', 'me')).toBe(1);
  });

  it.each(['0', '-1', 'x', ''])('are not taken for %j ms', (ttl) => {
    const shard = open();
    expect(shard.run('LOCK', 'k', 'me', ttl)).toBeInstanceOf(ReplyError);
    expect(shard.run('UNLOCK', 'k', 'me')).toBe(0);
  });
});
