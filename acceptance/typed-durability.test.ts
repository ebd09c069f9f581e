/**
 * What the binary protocol and versioned clients keep, and collections with their changes, survive a shard that is
 * killed, like any write; and a disk that is lost where there is a Blob account.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { TypedClient } from '../client/typed-client.ts';
import { type Typed, TypedDecimal } from '../client/typed-value.ts';
import { callUnary } from '../doors/grpc/testing/call-unary.ts';
import { KVStoreClient } from '../protos/generated/versionedstore.ts';
import { startTestAzurite, type TestAzurite } from '../testing/azurite.ts';
import { ShardProcess } from './shard-process.ts';

let shard: ShardProcess;
afterEach(() => shard.dispose());

const put = { key: 'versioned', ttlMs: 0n, consistencyR: 1, consistencyW: 1, clientId: '', requestId: '' };

test('typed values, locks, versions and deletions are there after SIGKILL', async () => {
  const dataPath = mkdtempSync(join(tmpdir(), 'kvcache-typed-'));
  shard = await ShardProcess.start({ dataPath, settings: { 'log.fsync': 'always' } });
  const values: [string, Typed][] = [
    ['null', null],
    ['int', 2n ** 62n],
    ['decimal', new TypedDecimal('0.10')],
    ['list', [1n, 2.5, 'three', [false]]],
    ['map', new Map<string, Typed>([['nested', new Map([['deep', 1n]])]])],
  ];
  {
    using typed = new TypedClient(`127.0.0.1:${shard.portOf('tcp')}`);
    await typed.setMany(values);
    expect(await typed.lock('job', 'me', 600_000)).toBe(true);
    const versioned = new KVStoreClient(shard.server, credentials.createInsecure());
    for (const value of ['first', 'second']) {
      await callUnary(versioned, versioned.put, { ...put, value: Buffer.from(value), version: undefined });
    }
    await callUnary(versioned, versioned.put, { ...put, key: 'gone', value: Buffer.from('v'), version: undefined });
    await callUnary(versioned, versioned.delete, { ...put, key: 'gone', version: undefined });
    versioned.close();
  }

  await shard.end('SIGKILL');
  await shard.restart();

  using typed = new TypedClient(`127.0.0.1:${shard.portOf('tcp')}`);
  for (const [key, value] of values) expect([key, await typed.get(key)]).toEqual([key, value]);
  expect(await typed.lock('job', 'you', 600_000)).toBe(false);
  await expect(typed.unlock('job', 'you')).rejects.toThrow('Lock held by different owner');
  expect(await typed.unlock('job', 'me')).toBe(true);
  const versioned = new KVStoreClient(shard.server, credentials.createInsecure());
  const seen = { entries: [{ nodeId: 'shard-0', counter: 1n }] };
  const stale = await callUnary(versioned, versioned.put, { ...put, value: Buffer.from('stale'), version: seen });
  expect(stale).toMatchObject({ status: 2, version: { entries: [{ nodeId: 'shard-0', counter: 3n }] } });
  const again = await callUnary(versioned, versioned.put, {
    ...put,
    key: 'gone',
    value: Buffer.from('v'),
    version: seen,
  });
  expect(again).toMatchObject({ status: 2, version: { entries: [{ nodeId: 'shard-0', counter: 3n }] } });
  versioned.close();
});

/** As many changes as make new bases of some collections, and leave others a base and deltas. */
const changes = 100;
const collections = ['hash', 'list', 'set', 'zset'] as const;

/** The same changes to each; `round` goes on where another call has stopped. */
async function change(redis: Redis, from: number, to: number): Promise<void> {
  for (let round = from; round < to; round++) {
    await redis.hset('hash', `field-${round % 40}`, `value-${round}`);
    await redis.hincrby('hash', 'count', 1);
    await redis.rpush('list', `item-${round}`);
    if (round % 3 === 0) await redis.lpop('list');
    await redis.sadd('set', `member-${round}`);
    if (round % 4 === 0) await redis.srem('set', `member-${round / 2}`);
    await redis.zadd('zset', round % 17, `member-${round % 60}`);
    if (round % 5 === 0) await redis.zrem('zset', `member-${round % 30}`);
  }
}

/** What they hold, in an order of its own where there is none. */
async function contents(redis: Redis): Promise<unknown> {
  return {
    hash: await redis.hgetall('hash'),
    list: await redis.lrange('list', 0, -1),
    set: (await redis.smembers('set')).sort(),
    zset: await redis.zrange('zset', 0, '-1', 'WITHSCORES'),
    types: await Promise.all(collections.map((key) => redis.type(key))),
    lives: await Promise.all(collections.map((key) => redis.expiretime(key))),
    gone: await redis.exists('gone'),
    typed: await redis.get('decimal'),
  };
}

async function withRedis<Result>(use: (redis: Redis) => Promise<Result>): Promise<Result> {
  const redis = new Redis(shard.portOf('resp'), '127.0.0.1');
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

async function fill(): Promise<unknown> {
  using typed = new TypedClient(`127.0.0.1:${shard.portOf('tcp')}`);
  await typed.set('decimal', new TypedDecimal('0.10'));
  return withRedis(async (redis) => {
    await change(redis, 0, changes);
    await redis.expire('zset', 100_000);
    await redis.sadd('gone', 'member');
    await redis.srem('gone', 'member');
    return contents(redis);
  });
}

test('hashes, lists, sets and sorted sets are there after SIGKILL with every change, and take more', async () => {
  const dataPath = mkdtempSync(join(tmpdir(), 'kvcache-typed-'));
  shard = await ShardProcess.start({ dataPath, settings: { 'log.fsync': 'always' } });
  const before = await fill();
  await shard.end('SIGKILL');
  await shard.restart();
  expect(await withRedis(contents)).toEqual(before);

  const after = await withRedis(async (redis) => {
    await change(redis, changes, changes + 10);
    return contents(redis);
  });
  expect(after).not.toEqual(before);
  await shard.end('SIGKILL');
  await shard.restart();
  expect(await withRedis(contents)).toEqual(after);
});

describe('with a Blob account', () => {
  let azurite: TestAzurite;
  beforeAll(async () => {
    azurite = await startTestAzurite();
  });
  afterAll(() => azurite?.remove());

  test('each type is there after its disk is lost, and takes more', async () => {
    shard = await ShardProcess.start({
      dataPath: mkdtempSync(join(tmpdir(), 'kvcache-typed-')),
      settings: { 'blob.connection_string': azurite.azurite.connectionString, 'log.segment_size': '1MiB' },
    });
    const before = await fill();
    await shard.keyClient().flush('blob');
    await shard.end('SIGKILL');
    shard.loseDisk();
    await shard.restart();
    expect(await withRedis(contents)).toEqual(before);

    const [count, length] = await withRedis(async (redis) => {
      await change(redis, changes, changes + 10);
      return [await redis.hget('hash', 'count'), await redis.scard('set')];
    });
    expect(count).toBe(`${changes + 10}`);
    expect(length).toBeGreaterThan(0);
  });
});
