import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Reply } from '../../commands/reply.ts';
import { KvStoreClient } from '../../client/prompt-client.ts';
import { type Interception, MemoryCache } from '../../testing/memory-cache.ts';
import { type PlaygroundRun, runPlayground } from './run.ts';
import { isClean } from './report.ts';

let cache: MemoryCache;
let client: KvStoreClient;

beforeEach(async () => {
  cache = new MemoryCache();
  await cache.start();
  client = new KvStoreClient({ server: cache.server });
  client.initialize('https://account.example', 'container');
});
afterEach(async () => {
  client.close();
  await cache.close();
});

/** Prompts by the letters of their blocks: equal letters are equal tokens. Each ends with a rest of 10 tokens. */
function promptsOf(...letters: string[]): PlaygroundRun['prompts'] {
  return letters.map((text) => {
    const blocks = text.split('').flatMap((letter) => Array.from({ length: 128 }, () => letter.charCodeAt(0)));
    return { text, tokens: BigInt64Array.from([...blocks, ...Array.from({ length: 10 }, () => 0)].map(BigInt)) };
  });
}

/** 20 blocks, 11 of them distinct. */
const prompts = promptsOf('ABCD', 'ABCE', 'ABX', '', 'XBC', 'ABCDFG');

function runOf(overrides: Partial<PlaygroundRun> = {}): PlaygroundRun {
  return {
    client,
    scope: { accountUrl: 'https://account.example', containerName: 'container', partitionKey: 'p' },
    prompts,
    iterations: 1,
    concurrency: 1,
    bufferBytes: 10_000,
    hashes: 'chained',
    streams: false,
    ...overrides,
  };
}

describe.each([
  ['one by one', false],
  ['by streams', true],
])('a playground that reads %s', (_, streams) => {
  test('writes what is missing, reads everything, and finds all of it the next time', async () => {
    const first = await runPlayground(runOf({ streams }));
    expect(first).toMatchObject({ prompts: 6, blocks: 20, distinct: 11, written: 11, cached: 9, read: 20 });
    expect(first).toMatchObject({ mismatched: 0, errors: 0, retried: 0, hitRate: 9 / 20 });
    expect(first.bytes).toEqual({ lookup: 0, read: 200_000, write: 110_000 });
    const second = await runPlayground(runOf({ streams }));
    expect(second).toMatchObject({ blocks: 20, cached: 20, written: 0, read: 20, mismatched: 0, hitRate: 1 });
  });

  test('notices a single wrong byte', async () => {
    await runPlayground(runOf({ streams }));
    const faults: string[] = [];
    cache.intercept = damagingFirstRead((body) => {
      body[9_999]! ^= 1;
    });
    const report = await runPlayground(runOf({ streams, onFault: (text) => faults.push(text) }));
    expect(report).toMatchObject({ read: 20, mismatched: 1, errors: 0 });
    expect(faults).toEqual(["prompt 0 block 0: 10000 bytes that are not this block's"]);
    expect(isClean(report)).toBe(false);
  });

  test('outlives a server that goes away in the middle', async () => {
    await runPlayground(runOf({ streams }));
    let reads = 0;
    let restarted: Promise<void> | undefined;
    cache.intercept = ({ name }) => {
      if (name === 'BLOCK.GET' && ++reads === 7) restarted = restart();
      return undefined;
    };
    const report = await runPlayground(runOf({ streams, concurrency: 3 }));
    expect(report).toMatchObject({ read: 20, mismatched: 0, errors: 0 });
    expect(restarted).toBeDefined();
    await restarted;
  });
});

async function restart(): Promise<void> {
  await cache.stop();
  await cache.start();
}

/** Changes the body of the first block that is read. */
function damagingFirstRead(damage: (body: Buffer) => void): Interception {
  let damaged = false;
  return (command, context) => {
    if (command.name !== 'BLOCK.GET' || damaged) return undefined;
    damaged = true;
    const [meta, body] = cache.engineReply(command, context) as [Buffer, Buffer];
    const copy = Buffer.from(body);
    damage(copy);
    return [meta, copy];
  };
}

describe('a playground', () => {
  test('runs the file again for each iteration', async () => {
    expect(await runPlayground(runOf({ iterations: 3 }))).toMatchObject({
      blocks: 60,
      written: 11,
      cached: 49,
      read: 60,
    });
  });

  test('writes a shared block once however many prompts run side by side', async () => {
    const report = await runPlayground(runOf({ concurrency: 6, iterations: 4 }));
    expect(report).toMatchObject({ blocks: 80, written: 11, read: 80, mismatched: 0, errors: 0 });
  });

  test('notices a block of another chain', async () => {
    await runPlayground(runOf());
    const bodies = new Map<string, Reply>();
    cache.intercept = (command, context) => {
      if (command.name !== 'BLOCK.GET') return undefined;
      const key = command.args[0]!.toString('hex');
      bodies.set(key, cache.engineReply(command, context) as Reply);
      const digest = key.slice(0, 40);
      const other = [...bodies].find(([name]) => name !== key && name.startsWith(digest));
      return other?.[1];
    };
    const { mismatched } = await runPlayground(runOf());
    expect(mismatched).toBeGreaterThan(0);
  });

  test('with unchained hashes shows what they cannot tell apart', async () => {
    const report = await runPlayground(runOf({ prompts: promptsOf('ABC', 'XBC'), hashes: 'unchained' }));
    // The last block of both has the same tokens, hash and parent, so that the first one's bytes are served to both.
    expect(report).toMatchObject({ blocks: 6, distinct: 6, mismatched: 1 });
  });

  test('writes a block again that was lost after it was written', async () => {
    let lost = false;
    cache.intercept = ({ name }) => {
      if (name !== 'BLOCK.PUT' || lost) return undefined;
      lost = true;
      return 'OK';
    };
    const report = await runPlayground(runOf());
    expect(report).toMatchObject({ read: 20, mismatched: 0, errors: 0 });
    expect(report.written).toBeGreaterThan(11);
    expect(report.retried).toBeGreaterThan(0);
  });

  test('counts blocks that stay away as errors', async () => {
    cache.intercept = ({ name }) => (name === 'BLOCK.GET' ? null : undefined);
    const faults: string[] = [];
    const report = await runPlayground(runOf({ prompts: promptsOf('AB'), onFault: (text) => faults.push(text) }));
    expect(report).toMatchObject({ blocks: 2, read: 0, errors: 2, mismatched: 0 });
    expect(faults).toEqual([
      'prompt 0 block 0: found by a lookup, and then not by a read',
      'prompt 0 block 1: found by a lookup, and then not by a read',
    ]);
  });

  test('gives up at once on a server that never answered', async () => {
    await cache.stop();
    await expect(runPlayground(runOf())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('tells its progress block by block', async () => {
    let progress = 0;
    await runPlayground(runOf({ onProgress: (blocks) => (progress += blocks) }));
    expect(progress).toBe(20);
  });
});
