import { describe, expect, it } from 'vitest';
import { TestShard } from '../../testing/engine-shard.ts';

function pass(shard: TestShard, seconds: number): void {
  shard.clock.advance(seconds * 1_000);
}

describe.each([false, true])('OBJECT IDLETIME, journal: %s', (withJournal) => {
  function filled(): TestShard {
    const shard = new TestShard({ withJournal });
    pass(shard, 100);
    shard.run('SET', 'text', 'value');
    shard.run('HSET', 'hash', 'field', 'value');
    return shard;
  }

  it('counts the seconds since a key was written', () => {
    const shard = filled();
    expect(shard.run('OBJECT', 'IDLETIME', 'text')).toBe(0);
    pass(shard, 7);
    expect(shard.run('OBJECT', 'IDLETIME', 'text')).toBe(7);
    shard.run('APPEND', 'text', '.');
    expect(shard.run('OBJECT', 'IDLETIME', 'text')).toBe(0);
    expect(shard.run('OBJECT', 'IDLETIME', 'hash')).toBe(7);
    shard.run('HSET', 'hash', 'field', 'other');
    expect(shard.run('OBJECT', 'IDLETIME', 'hash')).toBe(0);
  });

  it.each([
    ['text', ['GET', 'text']],
    ['text', ['STRLEN', 'text']],
    ['text', ['MGET', 'absent', 'text']],
    ['text', ['TOUCH', 'text']],
    ['text', ['GETEX', 'text']],
    ['text', ['EXPIRE', 'text', '1000']],
    ['text', ['COPY', 'text', 'other']],
    ['hash', ['HGET', 'hash', 'field']],
    ['hash', ['HDEL', 'hash', 'absent']],
    ['hash', ['TOUCH', 'hash']],
  ])('begins anew for %s with %s', (key, [command, ...args]) => {
    const shard = filled();
    pass(shard, 50);
    shard.run(command!, ...args);
    pass(shard, 3);
    expect(shard.run('OBJECT', 'IDLETIME', key)).toBe(3);
  });

  it('goes on while a key is only looked at', async () => {
    const shard = filled();
    pass(shard, 50);
    for (const key of ['text', 'hash']) {
      for (const look of ['EXISTS', 'TTL', 'TYPE', 'PTTL', 'EXPIRETIME']) shard.run(look, key);
      await shard.begin('OBJECT', 'ENCODING', key);
      shard.run('MEMORY', 'USAGE', key);
    }
    await shard.begin('SCAN', '0');
    await shard.begin('PREFIXSCAN', '', '', '10', 'VALUES');
    expect(shard.run('OBJECT', 'IDLETIME', 'text')).toBe(50);
    expect(shard.run('OBJECT', 'IDLETIME', 'hash')).toBe(50);
  });

  it('is never less than nothing when the clock is set back', () => {
    const shard = filled();
    shard.clock.set(shard.clock.now() - 3_600_000);
    pass(shard, 1);
    expect(shard.run('OBJECT', 'IDLETIME', 'text')).toBe(0);
  });
});

it('a read from below RAM is a use', async () => {
  const shard = new TestShard();
  shard.run('SET', 'text', 'value');
  shard.run('HSET', 'hash', 'field', 'value');
  shard.chill();
  pass(shard, 50);
  await Promise.all([shard.begin('GET', 'text'), shard.begin('HGET', 'hash', 'field')]);
  pass(shard, 4);
  expect([shard.run('OBJECT', 'IDLETIME', 'text'), shard.run('OBJECT', 'IDLETIME', 'hash')]).toEqual([4, 4]);
});
