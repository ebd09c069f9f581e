import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { Reply } from '../../commands/reply.ts';
import { ReplyError } from '../../commands/reply.ts';
import { flushEntriesPerTurn } from '../../limits.ts';
import { TestShard } from '../../testing/engine-shard.ts';
import { hasRedisServer, RedisServer } from '../../testing/redis-server.ts';
import { slotOf } from '../../topology/slot.ts';
import { compileGlob } from '../../commands/glob.ts';

const textOf = (reply: Reply): string => (reply as Buffer).toString('latin1');

async function scanAll(shard: TestShard, ...options: (string | number)[]): Promise<string[]> {
  const found: string[] = [];
  let cursor = '0';
  do {
    const [next, keys] = (await shard.begin('SCAN', cursor, ...options)) as [Buffer, Buffer[]];
    found.push(...keys.map(textOf));
    cursor = textOf(next);
  } while (cursor !== '0');
  return found.sort();
}

describe.each([false, true])('over all keys, journal: %s', (withJournal) => {
  const names = Array.from({ length: 500 }, (_, number) => `key:${number}`)
    .concat('', '{t}x', 'other')
    .sort();

  function filled(): TestShard {
    const shard = new TestShard({ withJournal });
    for (const name of names) shard.run('SET', name, 'v');
    return shard;
  }

  it('SCAN shows every key once, whatever COUNT and MATCH', async () => {
    const shard = filled();
    for (const count of [1, 10, 1_000]) expect(await scanAll(shard, 'COUNT', count)).toEqual(names);
    const matching = names.filter((name) => /^key:4.$/.test(name));
    expect(await scanAll(shard, 'match', 'key:4?', 'COUNT', 7)).toEqual(matching);
    expect(await scanAll(shard, 'TYPE', 'string', 'COUNT', 100)).toEqual(names);
    expect(await scanAll(shard, 'TYPE', 'STRING', 'COUNT', 100, 'MATCH', '{t}*')).toEqual(['{t}x']);
    expect(await scanAll(shard, 'TYPE', 'list', 'COUNT', 100)).toEqual([]);
  });

  it('KEYS lists what matches, at once where only one key can', async () => {
    const shard = filled();
    expect(((await shard.begin('KEYS', '*')) as Buffer[]).map(textOf).sort()).toEqual(names);
    expect(((await shard.begin('KEYS', '*[th]e[r]')) as Buffer[]).map(textOf)).toEqual(['other']);
    expect((shard.run('KEYS', 'key:7') as Buffer[]).map(textOf)).toEqual(['key:7']);
    expect((shard.run('KEYS', '') as Buffer[]).map(textOf)).toEqual(['']);
    expect(shard.run('KEYS', 'absent')).toEqual([]);
  });

  it('RANDOMKEY comes upon every key in time, and upon none that has expired', () => {
    const shard = new TestShard({ withJournal });
    expect(shard.run('RANDOMKEY')).toBeNull();
    const few = ['a', 'b', '{b}c', 'd'];
    for (const name of few) shard.run('SET', name, 'v');
    shard.run('SET', 'gone', 'v', 'PX', 10);
    shard.clock.set(shard.clock.now() + 20);
    const seen = new Set(Array.from({ length: 400 }, () => textOf(shard.run('RANDOMKEY'))));
    expect([...seen].sort()).toEqual([...few].sort());
  });

  it('tells of the keys of a slot', () => {
    const shard = filled();
    shard.run('MSET', '{s}1', 'v', '{s}2', 'v');
    const slot = slotOf(Buffer.from('s'));
    expect(shard.run('COUNTKEYSINSLOT', slot)).toBe(2);
    expect((shard.run('GETKEYSINSLOT', slot, 10) as Buffer[]).map(textOf).sort()).toEqual(['{s}1', '{s}2']);
    expect(shard.run('GETKEYSINSLOT', slot, 1)).toHaveLength(1);
    expect(shard.run('COUNTKEYSINSLOT', 16_384)).toEqual(new ReplyError('ERR', 'Invalid slot'));
    expect(shard.run('GETKEYSINSLOT', 1, -1)).toEqual(new ReplyError('ERR', 'Invalid slot or number of keys'));
  });

  it('FLUSHALL takes every key a batch at a time, and no block', async () => {
    const shard = filled();
    for (let number = 0; number < 2 * flushEntriesPerTurn; number++) shard.run('SET', `more:${number}`, 'v');
    shard.run('BLOCK.PUT', Buffer.alloc(36, 1), 'meta', 'body');
    const flushed = shard.begin('FLUSHALL', 'ASYNC');
    expect(shard.run('DBSIZE')).toBe(names.length + flushEntriesPerTurn);
    expect(await flushed).toBe('OK');
    expect(shard.run('DBSIZE')).toBe(0);
    expect(shard.index.blocks).toBe(1);
    if (withJournal) expect(shard.journal.live.size).toBe(1);
    expect(await shard.begin('FLUSHDB', 'sync')).toBe('OK');
    expect(await shard.begin('FLUSHALL', 'NOW')).toEqual(new ReplyError('ERR', 'syntax error'));
  });
});

it('FLUSHALL is answered when its deletions are as safe as asked, and waits for room in the log', async () => {
  const shard = new TestShard();
  for (let number = 0; number < flushEntriesPerTurn + 1; number++) shard.run('SET', number, 'v');
  shard.journal.isFull = true;
  const flushed = shard.beginIn({ acknowledgement: 'disk' }, 'FLUSHALL');
  expect(shard.run('DBSIZE')).toBe(flushEntriesPerTurn + 1);
  shard.journal.isFull = false;
  shard.journal.makeRoom();
  await expect.poll(() => shard.run('DBSIZE')).toBe(0);
  expect(await Promise.race([flushed, Promise.resolve('waiting')])).toBe('waiting');
  shard.journal.makeSafe();
  expect(await flushed).toBe('OK');
});

describe.skipIf(!hasRedisServer())('beside a real redis-server', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.stop());

  const character = fc.constantFrom('a', 'b', 'c', '-', '*', '?', '[', ']', '^', '\\', '\u0080', '\u00ff', '!');
  const pattern = fc.array(character, { maxLength: 8 }).map((list) => list.join(''));
  const name = fc.array(fc.constantFrom('a', 'b', 'c', '-', ']', '\\', '\u0080', '\u00ff', '^'), { maxLength: 4 });

  test('patterns match the same keys', async () => {
    const names = fc.uniqueArray(
      name.map((list) => list.join('')),
      { minLength: 10, maxLength: 20 },
    );
    const property = fc.asyncProperty(names, fc.array(pattern, { maxLength: 40 }), async (keys, patterns) => {
      void redis.run('FLUSHALL');
      for (const key of keys) void redis.run('SET', Buffer.from(key, 'latin1'), 'v');
      for (const written of patterns) {
        const theirs = (await redis.run('KEYS', Buffer.from(written, 'latin1'))) as Buffer[];
        const glob = compileGlob(written);
        const ours = keys.filter((key) => glob.matches(key));
        expect(ours.sort(), JSON.stringify(written)).toEqual(theirs.map(textOf).sort());
      }
    });
    await fc.assert(property, { numRuns: 60 });
  });

  test.each([
    ['SCAN', 'x'],
    ['SCAN', '-1x'],
    ['SCAN', '0', 'COUNT'],
    ['SCAN', '0', 'COUNT', '0'],
    ['SCAN', '0', 'COUNT', 'x'],
    ['SCAN', '0', 'LIMIT', '1'],
    ['SCAN'],
    ['KEYS'],
    ['RANDOMKEY', 'x'],
    ['OBJECT'],
    ['OBJECT', 'ENCODING'],
    ['OBJECT', 'ENCODING', 'absent'],
    ['OBJECT', 'IDLETIME', 'absent'],
    ['OBJECT', 'IDLETIME', 'key'],
    ['OBJECT', 'IDLETIME'],
    ['OBJECT', 'FREQ', 'key', 'key'],
    ['OBJECT', 'FREQ', 'key'],
    ['OBJECT', 'FREQ', 'absent'],
    ['OBJECT', 'REFCOUNT', 'key'],
    ['OBJECT', 'REFCOUNT', 'key', 'key'],
    ['OBJECT', 'nonsense', 'key'],
    ['OBJECT', 'HELP', 'key'],
    ['MEMORY', 'USAGE', 'absent'],
    ['MEMORY', 'USAGE', 'key', 'SAMPLES'],
    ['MEMORY', 'USAGE', 'key', 'SAMPLES', 'x'],
    ['MEMORY', 'USAGE', 'key', 'SAMPLES', '-1'],
    ['MEMORY', 'USAGE', 'key', 'MORE', '1'],
    ['MEMORY', 'nonsense'],
    ['FLUSHALL', 'x'],
    ['FLUSHALL', 'SYNC', 'ASYNC'],
    ['DBSIZE', 'x'],
  ])('%s %s %s %s is answered the same', async (command, ...args) => {
    const shard = new TestShard();
    shard.run('SET', 'key', 'value');
    await redis.run('FLUSHALL');
    await redis.run('SET', 'key', 'value');
    const given = args.filter((argument) => argument !== undefined);
    expect(await shard.begin(command, ...given)).toEqual(await redis.run(command, ...given));
  });

  test('texts have the encodings that Redis gives them', async () => {
    const shard = new TestShard();
    const texts = [
      '',
      '0',
      '-1',
      '007',
      '1.5',
      '9223372036854775807',
      '9223372036854775808',
      ' 1',
      '-0',
      'x'.repeat(44),
    ];
    for (const text of [...texts, 'x'.repeat(45), '1'.repeat(19), '1'.repeat(20), '1'.repeat(45)]) {
      for (const chills of [false, true]) {
        shard.run('SET', 'key', text);
        if (chills) shard.chill();
        await redis.run('SET', 'key', text);
        expect(await shard.begin('OBJECT', 'ENCODING', 'key'), text).toEqual(
          await redis.run('OBJECT', 'ENCODING', 'key'),
        );
      }
    }
  });
});

describe.skipIf(!hasRedisServer())('collections beside a real redis-server', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.stop());

  const many = (count: number, item: (number: number) => string[]): string[] =>
    Array.from({ length: count }, (_, number) => item(number)).flat();

  test.each([
    ['HSET', ['f', 'v']],
    ['HSET', many(512, (number) => [`f${number}`, 'v'])],
    ['HSET', many(513, (number) => [`f${number}`, 'v'])],
    ['HSET', ['f', 'v'.repeat(64)]],
    ['HSET', ['f', 'v'.repeat(65)]],
    ['HSET', ['f'.repeat(65), 'v']],
    ['SADD', ['1', '-5', '9223372036854775807']],
    ['SADD', ['1', 'a']],
    ['SADD', many(512, (number) => [String(number)])],
    ['SADD', many(513, (number) => [String(number)])],
    ['ZADD', ['1', 'a']],
    ['ZADD', many(128, (number) => [String(number), `m${number}`])],
    ['ZADD', many(129, (number) => [String(number), `m${number}`])],
    ['ZADD', ['1', 'm'.repeat(65)]],
    ['RPUSH', ['a']],
    ['RPUSH', many(1_000, (number) => [String(number)])],
  ])('%s of some size has the same encoding', async (command, args) => {
    const shard = new TestShard();
    await redis.run('DEL', 'key');
    await redis.run(command, 'key', ...args);
    shard.run(command, 'key', ...args);
    const theirs = await redis.run('OBJECT', 'ENCODING', 'key');
    expect(textOf(await shard.begin('OBJECT', 'ENCODING', 'key'))).toBe(textOf(theirs));
    shard.chill();
    expect(textOf(await shard.begin('OBJECT', 'ENCODING', 'key'))).toBe(textOf(theirs));
  });
});

test('MEMORY USAGE grows with key and value', () => {
  const shard = new TestShard();
  shard.run('MSET', 'a', 'v', 'b', 'v'.repeat(1_001));
  expect((shard.run('MEMORY', 'USAGE', 'b') as number) - (shard.run('MEMORY', 'USAGE', 'a') as number)).toBe(1_000);
});
