import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Reply, ReplyError } from '../commands/reply.ts';
import { MemoryCache } from '../testing/memory-cache.ts';
import { chainedHashes, unchainedHashes } from './hash.ts';
import { KvStoreClient } from './prompt-client.ts';

let cache: MemoryCache;
let client: KvStoreClient;

beforeEach(async () => {
  cache = new MemoryCache();
  await cache.start();
  client = clientOf(cache);
});
afterEach(async () => {
  client.close();
  await cache.close();
});

function clientOf(cache: MemoryCache, attemptsMax = 6): KvStoreClient {
  const client = new KvStoreClient({ server: cache.server, retry: { attemptsMax, delayMaxMs: 40 } });
  client.initialize('https://account.example', 'container', 'LibCurl');
  return client;
}

const tokens = Array.from({ length: 5 * 128 + 60 }, (_, index) => index);

/** Writes the blocks of `tokens`; each buffer is 10,000 times its block's number. */
async function write(hashes: readonly bigint[], partitionKey = 'p'): Promise<void> {
  await Promise.all(
    hashes.map((hash, block) =>
      client.writeAsync({
        hash,
        parentHash: hashes[block - 1],
        partitionKey,
        tokens: tokens.slice(block * 128, (block + 1) * 128),
        buffer: Buffer.alloc(10_000, block),
        completionId: 'c',
      }),
    ),
  );
}

function seen(name: string): number {
  return cache.seen.filter((command) => command.name === name).length;
}

describe.each([
  ['chained', chainedHashes(tokens)],
  ['unchained', unchainedHashes(tokens)],
])('blocks with %s hashes', (_, hashes) => {
  test('are found, read and told apart', async () => {
    expect(await client.lookup('p', 'c', tokens, hashes)).toMatchObject({
      cachedBlocks: 0,
      lastHash: 0n,
      locations: [],
    });
    await write(hashes);
    const found = await client.lookup('p', 'c', BigInt64Array.from(tokens.map(BigInt)), hashes);
    expect(found).toMatchObject({ cachedBlocks: 5, lastHash: hashes[4] });
    expect(found.locations.map((location) => location.hash)).toEqual(hashes);
    expect(found.serverMetrics!.totalLatencyUs).toBeGreaterThanOrEqual(0n);
    const read = await client.readAsync(found.locations[3]!.location, 'c');
    expect(read).toMatchObject({ found: true, chunk: { hash: hashes[3], parentHash: hashes[2], partitionKey: 'p' } });
    expect(read.chunk!.tokens).toEqual(BigInt64Array.from(tokens.slice(384, 512).map(BigInt)));
    expect(read.chunk!.buffer.equals(Buffer.alloc(10_000, 3))).toBe(true);
  });

  test('are found without hashes too', async () => {
    await write(hashes);
    expect(await client.lookup('p', 'c', tokens)).toMatchObject({ cachedBlocks: 5, lastHash: hashes[4] });
  });

  test('of another partition are not found', async () => {
    await write(hashes, 'other');
    expect(await client.lookup('p', 'c', tokens, hashes)).toMatchObject({ cachedBlocks: 0 });
  });
});

describe('a prompt client', () => {
  const hashes = chainedHashes(tokens);

  test('asks for initialize first', async () => {
    using fresh = new KvStoreClient({ server: cache.server });
    await expect(fresh.lookup('p', 'c', tokens)).rejects.toThrow('initialize(accountUrl, container) comes before');
    expect(() => fresh.initialize('', 'container')).toThrow('account_url is required');
    expect(() => fresh.initialize('account', '')).toThrow('container_name is required');
  });

  test('refuses blocks that are not 128 tokens', async () => {
    const chunk = { hash: 1n, partitionKey: 'p', tokens: [1, 2], buffer: Buffer.alloc(1) };
    await expect(client.writeAsync(chunk)).rejects.toThrow('a block has 128 tokens, not 2');
  });

  test("tells the server's refusals in its words", async () => {
    await expect(client.lookup('p', 'c', [])).rejects.toMatchObject({
      code: 'ERR',
      message: 'tokens list cannot be empty',
    });
  });

  test('reads a block that is gone as not found', async () => {
    await write(hashes);
    const { locations } = await client.lookup('p', 'c', tokens, hashes);
    cache.intercept = ({ name }) => (name === 'BLOCK.GET' ? null : undefined);
    expect(await client.readAsync(locations[0]!.location)).toMatchObject({ found: false, chunk: undefined });
  });

  test('tries lookups, reads and writes again after faults that pass', async () => {
    await write(hashes);
    const refused = new Set<string>();
    cache.intercept = ({ name }): Reply | undefined => {
      if (refused.has(name)) return undefined;
      refused.add(name);
      return new ReplyError('UNAVAILABLE', 'away');
    };
    const { locations } = await client.lookup('p', 'c', tokens, hashes);
    expect(await client.readAsync(locations[0]!.location)).toMatchObject({ found: true });
    await write(hashes.slice(0, 1));
    expect(refused).toEqual(new Set(['BLOCK.VERSIONS', 'BLOCK.GET', 'BLOCK.PUT']));
  });

  test('goes on when the server comes back', async () => {
    await write(hashes);
    await cache.stop();
    using patient = clientOf(cache, 100);
    const found = patient.lookup('p', 'c', tokens, hashes);
    await cache.start();
    expect(await found).toMatchObject({ cachedBlocks: 5 });
  });

  test('cancels a call by its signal', async () => {
    const arrived = Promise.withResolvers<void>();
    cache.intercept = () => {
      arrived.resolve();
      return new Promise(() => undefined);
    };
    const caller = new AbortController();
    const found = client.lookup('p', 'c', tokens, hashes, { signal: caller.signal });
    await arrived.promise;
    caller.abort();
    await expect(found).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('ends a call at its timeout', async () => {
    cache.intercept = () => new Promise(() => undefined);
    await expect(client.lookup('p', 'c', tokens, hashes, { timeoutMs: 30 })).rejects.toMatchObject({ code: 'TIMEOUT' });
  });
});

describe('a stream of reads', () => {
  const hashes = chainedHashes(tokens);

  async function locations(times: number): Promise<string[]> {
    await write(hashes);
    const found = await client.lookup('p', 'c', tokens, hashes);
    return Array.from({ length: times }, () => found.locations.map((item) => item.location)).flat();
  }

  test('gives the blocks in order', async () => {
    const asked = await locations(20);
    const numbers: number[] = [];
    for await (const { location, chunk } of client.readStream(asked)) {
      expect(location).toBe(asked[numbers.length]);
      numbers.push(chunk!.buffer[0]!);
    }
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, index) => index % 5));
  });

  test('of nothing ends at once, and of one block after it', async () => {
    expect(await Array.fromAsync(client.readStream([]))).toEqual([]);
    expect(await client.streamingReadAsync((await locations(1)).slice(0, 1))).toHaveLength(1);
  });

  test('asks for no more than its window ahead of its reader', async () => {
    const reads = client.readStream(await locations(20), { windowBlocks: 4 });
    await reads.next();
    await reads.next();
    expect(seen('BLOCK.GET')).toBeLessThanOrEqual(6);
    await reads.return();
  });

  test('goes on where it broke when the server comes back', async () => {
    const asked = await locations(10);
    using patient = clientOf(cache, 100);
    const numbers: number[] = [];
    for await (const { chunk } of patient.readStream(asked, { windowBlocks: 3 })) {
      numbers.push(chunk!.buffer[0]!);
      if (numbers.length === 7) {
        await cache.stop();
        await cache.start();
      }
    }
    expect(numbers).toEqual(Array.from({ length: 50 }, (_, index) => index % 5));
  });

  test('gets over faults of single blocks that pass', async () => {
    const asked = await locations(4);
    let faults = 3;
    cache.intercept = ({ name }) =>
      name === 'BLOCK.GET' && faults-- > 0 ? new ReplyError('LOADING', 'starting') : undefined;
    expect(await client.streamingReadAsync(asked)).toHaveLength(20);
  });

  test('ends with the fault that stays', async () => {
    const asked = await locations(1);
    cache.intercept = () => new ReplyError('CORRUPT', 'damaged');
    await expect(client.streamingReadAsync(asked)).rejects.toThrow('damaged');
  });

  test('ends at its timeout when the next block does not come', async () => {
    const asked = await locations(1);
    cache.intercept = () => new Promise(() => undefined);
    await expect(client.streamingReadAsync(asked, { timeoutMs: 30 })).rejects.toMatchObject({ code: 'TIMEOUT' });
  });
});
