/**
 * One suite for the engine, for ioredis with a shard, and for ioredis with a real redis-server: what a program sees of
 * them is the same.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, expectTypeOf, test } from 'vitest';
import { ShardProcess } from '../acceptance/shard-process.ts';
import { commandTable } from '../commands/table.ts';
import { hasRedisServer, RedisServer } from '../testing/redis-server.ts';
import { MemoryEngine } from './memory-engine.ts';
import { type BufferMethod, type EngineMethod, engineMethods, processMethods } from './methods.ts';

/** What each is to a program. */
type Client = Pick<Redis, EngineMethod | BufferMethod>;

interface Target {
  readonly name: string;
  readonly isHere: boolean;
  start(): Promise<{ client: Client; stop: () => Promise<unknown> }>;
}

const targets: readonly Target[] = [
  {
    name: 'the engine',
    isHere: true,
    start: async () => {
      const engine = new MemoryEngine({ maxMemory: '64MiB' });
      return { client: engine, stop: () => engine.quit() };
    },
  },
  {
    name: 'ioredis with a shard',
    isHere: true,
    start: async () => {
      const dataPath = mkdtempSync(join(tmpdir(), 'kvcache-engine-'));
      const shard = await ShardProcess.start({ dataPath });
      const client = new Redis(shard.portOf('resp'), '127.0.0.1');
      const stop = async (): Promise<void> => {
        client.disconnect();
        await shard.dispose();
      };
      return { client, stop };
    },
  },
  {
    name: 'ioredis with redis-server',
    isHere: hasRedisServer(),
    start: async () => {
      const server = await RedisServer.start();
      const client = new Redis(server.port, '127.0.0.1');
      const stop = async (): Promise<void> => {
        client.disconnect();
        await server.stop();
      };
      return { client, stop };
    },
  },
];

describe.each(targets)('$name', ({ isHere, start }) => {
  let client: Client;
  let stop: () => Promise<unknown> = async () => undefined;

  beforeAll(async () => {
    if (isHere) ({ client, stop } = await start());
  });
  afterEach(async () => {
    if (isHere) await client.flushall();
  });
  afterAll(() => stop());

  test.runIf(isHere)('takes and gives strings, numbers and Buffers', async () => {
    expect(await client.set('text', 'grüße')).toBe('OK');
    expect(await client.get('text')).toBe('grüße');
    expect(await client.getBuffer('text')).toEqual(Buffer.from('grüße'));
    expect(await client.set('number', 12.5)).toBe('OK');
    expect(await client.get('number')).toBe('12.5');
    const bytes = Buffer.from([0, 255, 13, 10]);
    expect(await client.set(Buffer.from([200, 0]), bytes)).toBe('OK');
    expect(await client.getBuffer(Buffer.from([200, 0]))).toEqual(bytes);
    expect(await client.get('nothing')).toBeNull();
    expect(await client.strlen('text')).toBe(7);
  });

  test.runIf(isHere)('takes the options of SET as ioredis writes them', async () => {
    expect(await client.set('key', 'a', 'EX', 100, 'NX')).toBe('OK');
    expect(await client.set('key', 'b', 'NX')).toBeNull();
    expect(await client.set('key', 'b', 'XX', 'GET')).toBe('a');
    expect(await client.ttl('key')).toBe(-1);
    expect(await client.expire('key', 100, 'NX')).toBe(1);
    expect(await client.pttl('key')).toBeGreaterThan(99_000);
    expect(await client.persist('key')).toBe(1);
    expect(await client.getdel('key')).toBe('b');
    expect(await client.exists('key')).toBe(0);
  });

  test.runIf(isHere)('takes many keys as a list, an array, an object or a Map', async () => {
    // In one slot, as a shard wants them.
    const [a, b, c, d, e, x] = ['{k}a', '{k}b', '{k}c', '{k}d', '{k}e', '{k}x'] as const;
    expect(await client.mset(a, 1, b, 2)).toBe('OK');
    expect(await client.mset({ [c]: '3' })).toBe('OK');
    expect(await client.mset(new Map([[d, '4']]))).toBe('OK');
    expect(await client.mget(a, b, x)).toEqual(['1', '2', null]);
    expect(await client.mget([c, d])).toEqual(['3', '4']);
    expect(await client.mgetBuffer(a)).toEqual([Buffer.from('1')]);
    expect(await client.msetnx({ [a]: '9', [e]: '5' })).toBe(0);
    expect((await client.keys('*')).sort()).toEqual([a, b, c, d]);
    expect(await client.del(a, b, x)).toBe(2);
    expect(await client.del([c, d])).toBe(2);
    expect(await client.dbsize()).toBe(0);
  });

  test.runIf(isHere)('counts exactly, and as text where numbers are not whole', async () => {
    expect(await client.incr('count')).toBe(1);
    expect(await client.incrby('count', 41)).toBe(42);
    expect(await client.decrby('count', 50)).toBe(-8);
    expect(await client.incrbyfloat('count', 0.5)).toBe('-7.5');
    expect(await client.append('count', '0')).toBe(5);
    await expect(client.incr('count')).rejects.toThrow('ERR value is not an integer or out of range');
  });

  test.runIf(isHere)('gives hashes as objects', async () => {
    expect(await client.hset('hash', 'name', 'Ada', 'born', 1815)).toBe(2);
    expect(await client.hset('hash', { field: 'mathematics' })).toBe(1);
    expect(await client.hset('hash', new Map([['name', 'Ada Lovelace']]))).toBe(0);
    expect(await client.hgetall('hash')).toEqual({ name: 'Ada Lovelace', born: '1815', field: 'mathematics' });
    expect(await client.hgetallBuffer('hash')).toMatchObject({ born: Buffer.from('1815') });
    expect(await client.hgetall('nothing')).toEqual({});
    expect(await client.hmget('hash', 'born', 'died')).toEqual(['1815', null]);
    expect(await client.hincrby('hash', 'born', 1)).toBe(1816);
    expect((await client.hkeys('hash')).sort()).toEqual(['born', 'field', 'name']);
    expect(await client.hset('odd', '__proto__', 'safe')).toBe(1);
    expect(Object.entries(await client.hgetall('odd'))).toEqual([['__proto__', 'safe']]);
    expect(await client.type('hash')).toBe('hash');
    await expect(client.get('hash')).rejects.toThrow(
      'WRONGTYPE Operation against a key holding the wrong kind of value',
    );
  });

  test.runIf(isHere)('gives lists and sets as arrays, and takes what it pops', async () => {
    expect(await client.rpush('list', 'a', 'b', 'c')).toBe(3);
    expect(await client.lpush('list', 'z')).toBe(4);
    expect(await client.lrange('list', 0, -1)).toEqual(['z', 'a', 'b', 'c']);
    expect(await client.lrangeBuffer('list', 0, 0)).toEqual([Buffer.from('z')]);
    expect(await client.lpop('list', 2)).toEqual(['z', 'a']);
    expect(await client.linsert('list', 'BEFORE', 'c', 'x')).toBe(3);
    expect(await client.lmove('list', 'list', 'RIGHT', 'LEFT')).toBe('c');
    expect(await client.lpos('list', 'x')).toBe(2);
    expect(await client.sadd('set', 'a', 'b')).toBe(2);
    expect(await client.sismember('set', 'a')).toBe(1);
    expect(await client.smismember('set', 'a', 'x')).toEqual([1, 0]);
    expect((await client.smembers('set')).sort()).toEqual(['a', 'b']);
    expect(await client.sinter('set', '{set}of nothing')).toEqual([]);
    expect(await client.spop('nothing')).toBeNull();
    expect(await client.srem('set', 'a', 'b')).toBe(2);
    expect(await client.exists('set')).toBe(0);
  });

  test.runIf(isHere)('gives scores as text, members and scores in turn', async () => {
    expect(await client.zadd('board', 1, 'a', '2.5', 'b', '+inf', 'c')).toBe(3);
    expect(await client.zscore('board', 'b')).toBe('2.5');
    expect(await client.zmscore('board', 'a', 'x')).toEqual(['1', null]);
    expect(await client.zrange('board', 0, '-1')).toEqual(['a', 'b', 'c']);
    expect(await client.zrange('board', 0, '-1', 'WITHSCORES')).toEqual(['a', '1', 'b', '2.5', 'c', 'inf']);
    expect(await client.zrange('board', '(1', '+inf', 'BYSCORE', 'LIMIT', 0, 1)).toEqual(['b']);
    expect(await client.zrevrank('board', 'a')).toBe(2);
    expect(await client.zincrby('board', 2, 'a')).toBe('3');
    expect(await client.zpopmin('board')).toEqual(['b', '2.5']);
    expect(await client.zcount('board', '-inf', 3)).toBe(1);
    expect(await client.zcard('board')).toBe(2);
  });

  test.runIf(isHere)('scans with a cursor that is text', async () => {
    await client.mset(Object.fromEntries(Array.from({ length: 50 }, (_, number) => [`{k}key-${number}`, 'value'])));
    const found = new Set<string>();
    let cursor = '0';
    do {
      const [next, keys] = await client.scan(cursor, 'MATCH', '*key-*', 'COUNT', 7);
      for (const key of keys) found.add(key);
      cursor = next;
    } while (cursor !== '0');
    expect(found.size).toBe(50);
  });

  test.runIf(isHere)('calls back where the last argument is a function', async () => {
    const told = await new Promise((resolve) => {
      void client.set('key', 'value', (error, result) => resolve([error, result]));
    });
    expect(told).toEqual([null, 'OK']);
    const failed = await new Promise((resolve) => {
      client.incr('key', (error) => resolve(error?.message)).catch(() => undefined);
    });
    expect(failed).toBe('ERR value is not an integer or out of range');
  });

  test.runIf(isHere)('answers who only asks whether it is there', async () => {
    expect(await client.ping()).toBe('PONG');
    expect(await client.ping('hello')).toBe('hello');
    expect(await client.pingBuffer('hello')).toEqual(Buffer.from('hello'));
    expect(await client.echo('grüße')).toBe('grüße');
    expect(await client.select(0)).toBe('OK');
    await expect(client.select(99)).rejects.toThrow('ERR');
    const [seconds, microseconds] = await client.time();
    expect(Math.abs(Number(seconds) - Date.now() / 1_000)).toBeLessThan(60);
    expect(Number(microseconds)).toBeLessThan(1_000_000);
    await expect((client as Redis).call('PING', 'a', 'b')).rejects.toThrow(
      "ERR wrong number of arguments for 'ping' command",
    );
  });

  test.runIf(isHere)('refuses a wrong number of arguments as Redis does', async () => {
    const call = client as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    await expect(call['get']!()).rejects.toThrow("ERR wrong number of arguments for 'get' command");
    await expect(call['set']!('key', 'value', 'XX', 'NX')).rejects.toThrow('ERR syntax error');
  });
});

describe('the engine alone', () => {
  test('has a method for every command that it has in common with ioredis', () => {
    const client = new Redis({ lazyConnect: true });
    const common = [...commandTable.values()]
      .filter(({ isOwn }) => isOwn !== true)
      .map(({ name }) => name.toLowerCase())
      .filter((name) => typeof (client as unknown as Record<string, unknown>)[name] === 'function');
    client.disconnect();
    common.push(...processMethods);
    expect([...engineMethods].sort()).toEqual(common.sort());
    const methods = MemoryEngine.prototype as unknown as Record<string, unknown>;
    for (const name of common) expect([name, typeof methods[name]]).toEqual([name, 'function']);
  });

  test('is a Redis to whoever asks for these methods', () => {
    expectTypeOf<MemoryEngine>().toExtend<Client>();
    expectTypeOf<MemoryEngine['hgetall']>().toEqualTypeOf<Redis['hgetall']>();
  });

  test('keeps what it was given when the caller uses its buffer again', async () => {
    const engine = new MemoryEngine();
    for (const length of [10, 100_000]) {
      const value = Buffer.alloc(length, 'a');
      const done = engine.set('key', value);
      value.fill('b');
      await done;
      expect(await engine.getBuffer('key')).toEqual(Buffer.alloc(length, 'a'));
    }
    await engine.quit();
  });

  test('stays within its memory by forgetting what was used least lately', async () => {
    const engine = new MemoryEngine({ maxMemory: '1MiB' });
    await engine.set('used', 'often');
    for (let number = 0; number < 5_000; number++) {
      await engine.set(`key-${number}`, 'x'.repeat(1_000));
      await engine.get('used');
    }
    expect(engine.usedMemory).toBeLessThanOrEqual(1024 * 1024);
    expect(await engine.get('used')).toBe('often');
    expect(await engine.get('key-0')).toBeNull();
    expect(await engine.get('key-4999')).toBe('x'.repeat(1_000));
    await engine.quit();
  });

  test('does a pipeline in order, and a command that fails stops no other', async () => {
    const engine = new MemoryEngine();
    const results = await engine.pipeline().set('key', 'text').incr('key').getBuffer('key').exec();
    expect(results[0]).toEqual([null, 'OK']);
    expect(results[1]![0]?.message).toBe('ERR value is not an integer or out of range');
    expect(results[2]).toEqual([null, Buffer.from('text')]);
    await engine.quit();
  });

  test('says what is wrong with its options and arguments', async () => {
    expect(() => new MemoryEngine({ maxMemory: 'much' })).toThrow('maxMemory is much; it must be a size');
    expect(() => new MemoryEngine({ maxMemory: 10 })).toThrow('1048576 at least');
    const engine = new MemoryEngine();
    await expect(engine.call('GET', { key: 1 })).rejects.toThrow('get takes strings, numbers and Buffers, not Object');
    await expect(engine.call('nonsense')).rejects.toThrow("unknown command 'NONSENSE'");
    await engine.quit();
    await expect(engine.get('key')).rejects.toThrow('SHUTDOWN');
  });
});
