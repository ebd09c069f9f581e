import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ReplyError } from '../commands/reply.ts';
import { KvcacheError } from '../errors.ts';
import { MemoryCache } from '../testing/memory-cache.ts';
import { KvcacheClient } from './key-client.ts';

let cache: MemoryCache;
let client: KvcacheClient;

beforeEach(async () => {
  cache = new MemoryCache();
  await cache.start();
  client = new KvcacheClient({ server: cache.server });
});
afterEach(async () => {
  client.close();
  await cache.close();
});

function text(value: Buffer | null): string | null {
  return value && value.toString();
}

describe('keys and values', () => {
  test('are stored, read, counted and deleted', async () => {
    expect(await client.get('a')).toBeNull();
    expect(await client.set('a', 'one')).toBe(true);
    expect(text(await client.get('a'))).toBe('one');
    expect(await client.exists('a')).toBe(true);
    expect(await client.size()).toBe(1);
    expect(await client.delete('a')).toBe(true);
    expect(await client.delete('a')).toBe(false);
    expect(await client.exists('a')).toBe(false);
  });

  test('are binary', async () => {
    const key = Buffer.from([0, 255, 13, 10]);
    const value = Buffer.from([255, 0, 128]);
    await client.set(key, value);
    expect(await client.get(key)).toEqual(value);
  });

  test('are stored only under the condition that was asked for', async () => {
    expect(await client.set('a', '1', { onlyIf: 'present' })).toBe(false);
    expect(await client.set('a', '1', { onlyIf: 'absent' })).toBe(true);
    expect(await client.set('a', '2', { onlyIf: 'absent' })).toBe(false);
    expect(text(await client.get('a'))).toBe('1');
  });

  test('live as long as they were told to', async () => {
    await client.set('a', '1', { ttlMs: 50_000 });
    expect(await client.ttl('a')).toBeGreaterThan(40_000);
    await client.set('a', '2', { keepTtl: true });
    expect(await client.ttl('a')).toBeGreaterThan(40_000);
    expect(await client.persist('a')).toBe(true);
    expect(await client.ttl('a')).toBe(Infinity);
    expect(await client.expire('a', 60_000)).toBe(true);
    expect(await client.ttl('a')).toBeLessThanOrEqual(60_000);
    expect(await client.ttl('absent')).toBeNull();
    expect(await client.expire('absent', 1)).toBe(false);
    await expect(client.expire('a', 0.5)).rejects.toThrow('ttlMs is 0.5');
  });

  test('come many at a time, in the order of their keys', async () => {
    await client.mset({ a: '1', b: '2' });
    await client.mset([['c', Buffer.from('3')]], { ttlMs: 60_000 });
    await client.mset([]);
    expect((await client.mget(['c', 'absent', 'a', 'a'])).map(text)).toEqual(['3', null, '1', '1']);
    expect(await client.ttl('c')).toBeLessThanOrEqual(60_000);
    expect(await client.mget([])).toEqual([]);
    expect(await client.mdelete(['a', 'b', 'absent'])).toBe(2);
  });

  test('come by prefix, page by page, up to a limit', async () => {
    const pairs = Array.from({ length: 250 }, (_, index) => [`k:${index}`, `${index}`] as const);
    await client.mset([...pairs, ['other', 'x']]);
    const keys = await Array.fromAsync(client.scan({ prefix: 'k:', pageKeys: 10 }), String);
    expect(keys.sort()).toEqual(pairs.map(([key]) => key).sort());
    expect(await Array.fromAsync(client.scan({ prefix: 'k:', limit: 7, pageKeys: 5 }))).toHaveLength(7);
    const found = await Array.fromAsync(client.scanPairs({ prefix: 'k:', limit: 3 }));
    for (const [key, value] of found) expect(`k:${value.toString()}`).toBe(key.toString());
    expect(found).toHaveLength(3);
  });

  test('of many megabytes arrive whole beside small ones', async () => {
    const large = Buffer.alloc(20_000_000, 'large');
    await Promise.all([client.set('large', large), client.set('small', 's')]);
    const [first, second] = await Promise.all([client.get('large'), client.get('small')]);
    expect(first!.equals(large)).toBe(true);
    expect(text(second)).toBe('s');
  });
});

describe('calls of one turn of the event loop', () => {
  test('travel as one call', async () => {
    const peers = new Set<AbortSignal | undefined>();
    await Promise.all(Array.from({ length: 100 }, (_, index) => client.set(`k${index}`, `${index}`)));
    for (const { context } of cache.seen) peers.add(context.signal);
    expect(cache.seen).toHaveLength(100);
    expect(peers.size).toBe(1);
  });

  test('each choose their acknowledgement', async () => {
    cache.intercept = () => 'OK';
    await Promise.all([
      client.set('a', '1', { acknowledgement: 'disk' }),
      client.set('b', '2'),
      client.set('c', '3', { acknowledgement: 'blob' }),
    ]);
    expect(cache.seen.map(({ context }) => context.acknowledgement)).toEqual(['disk', undefined, 'blob']);
  });

  test('do not wait for a slow one among them', async () => {
    const slow = Promise.withResolvers<Buffer>();
    cache.intercept = ({ args }) => (args[0]!.toString() === 'slow' ? slow.promise : undefined);
    const late = client.get('slow');
    await client.set('fast', '1');
    expect(await Promise.all([client.get('fast'), client.get('absent')])).toEqual([Buffer.from('1'), null]);
    slow.resolve(Buffer.from('late'));
    expect(text(await late)).toBe('late');
  });

  test('fail one by one', async () => {
    const [bad, good] = await Promise.allSettled([client.command('NOSUCH', []), client.set('a', '1')]);
    expect(good.status).toBe('fulfilled');
    expect(bad).toMatchObject({ reason: { code: 'ERR', message: "unknown command 'NOSUCH'" } });
  });
});

describe('faults', () => {
  test('that say that nothing was done are tried again, writes too', async () => {
    let refusals = 3;
    cache.intercept = () => (refusals-- > 0 ? new ReplyError('TRYAGAIN', 'busy') : undefined);
    await client.set('a', '1');
    expect(cache.seen).toHaveLength(4);
  });

  test('after which a write may have been done are not tried again', async () => {
    cache.intercept = () => new ReplyError('UNAVAILABLE', 'away');
    await expect(client.set('a', '1')).rejects.toMatchObject({ code: 'UNAVAILABLE', nothingDone: false });
    expect(cache.seen).toHaveLength(1);
  });

  test('of a read are tried again a bounded number of times', async () => {
    using impatient = new KvcacheClient({ server: cache.server, retry: { attemptsMax: 3, delayMaxMs: 25 } });
    cache.intercept = () => new ReplyError('UNAVAILABLE', 'away');
    await expect(impatient.get('a')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(cache.seen).toHaveLength(3);
  });

  test('that will not pass are not tried again', async () => {
    cache.intercept = () => new ReplyError('WRONGTYPE', 'a list');
    await expect(client.get('a')).rejects.toMatchObject({ code: 'WRONGTYPE', message: 'a list' });
    expect(cache.seen).toHaveLength(1);
  });

  test('of a server that is away are named with its address, and nothing was done', async () => {
    await cache.stop();
    using impatient = new KvcacheClient({ server: cache.server, retry: { attemptsMax: 2 } });
    const fault: unknown = await impatient.set('a', '1').catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(KvcacheError);
    expect(fault).toMatchObject({ code: 'UNAVAILABLE', nothingDone: true });
    expect((fault as Error).message).toContain(cache.server);
  });

  test('of a server that comes back are forgotten', async () => {
    await client.set('a', '1');
    await cache.stop();
    using patient = new KvcacheClient({ server: cache.server, retry: { attemptsMax: 100 } });
    const value = patient.get('a');
    await cache.start();
    expect(text(await value)).toBe('1');
    expect(text(await client.get('a'))).toBe('1');
  });

  test('reach every caller when the connection breaks in the middle of a call', async () => {
    const arrived = Promise.withResolvers<void>();
    cache.intercept = () => {
      arrived.resolve();
      return new Promise(() => undefined);
    };
    const calls = Promise.allSettled([client.set('a', '1'), client.set('b', '2')]);
    await arrived.promise;
    await cache.stop();
    for (const outcome of await calls) expect(outcome).toMatchObject({ reason: { code: 'UNAVAILABLE' } });
  });
});

describe('a caller that gives up', () => {
  test('by its signal gets CANCELLED, and the server is told', async () => {
    const arrived = Promise.withResolvers<AbortSignal>();
    cache.intercept = (_, context) => {
      arrived.resolve(context.signal!);
      return new Promise(() => undefined);
    };
    const caller = new AbortController();
    const call = client.get('a', { signal: caller.signal });
    const signal = await arrived.promise;
    const told = new Promise((resolve) => signal.addEventListener('abort', resolve));
    caller.abort();
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' });
    await told;
  });

  test('before the call is sent sends nothing', async () => {
    await expect(client.get('a', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(cache.seen).toEqual([]);
  });

  test('by its timeout gets TIMEOUT', async () => {
    cache.intercept = () => new Promise(() => undefined);
    await expect(client.get('a', { timeoutMs: 30 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    await expect(client.get('a', { timeoutMs: 0 })).rejects.toThrow('timeoutMs is 0');
  });

  test('by closing the client gets CANCELLED', async () => {
    cache.intercept = () => new Promise(() => undefined);
    const call = client.get('a');
    client.close();
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED', message: 'the client is closed' });
    await expect(client.get('a')).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('bounds', () => {
  test('refuse a value that no message can carry', async () => {
    const value = Buffer.alloc(100_000_001);
    await expect(client.set('a', value)).rejects.toMatchObject({ code: 'TOOLARGE' });
    expect(cache.seen).toEqual([]);
  });

  test('split what is too large for one answer', async () => {
    const value = Buffer.alloc(30_000_000, 7);
    for (const key of ['a', 'b', 'c', 'd']) await client.set(key, value);
    const values = await client.mget(['a', 'b', 'c', 'd']);
    expect(values.map((value) => value?.byteLength)).toEqual([30_000_000, 30_000_000, 30_000_000, 30_000_000]);
  });
});
