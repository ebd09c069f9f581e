import { afterEach, describe, expect, test } from 'vitest';
import type { Reply } from '../../../commands/reply.ts';
import { libraryContext } from '../../../commands/command.ts';
import type { StoredType } from '../../../commands/stored-type.ts';
import { jsonOf } from '../../../commands/typed-text.ts';
import { typedFault } from '../../../commands/typed-value.ts';
import { collectionStepElements } from '../../../limits.ts';
import { plainReply } from '../../../testing/engine-model.ts';
import { TestShard } from '../../../testing/engine-shard.ts';
import { MemoryAccount, MemoryTier } from '../../../testing/memory-tier.ts';
import { roomyStorage, temporaryFolder } from '../../../testing/store.ts';
import { systemClock } from '../../clock.ts';
import { type Entry, spaceOfKeys } from '../../journal.ts';
import { HotTier } from '../../hot/hot-tier.ts';
import { openStorage, type Storage } from '../../storage/storage.ts';
import { Engine } from '../engine.ts';
import { KeyIndex } from '../key-index.ts';

const MiB = 1024 * 1024;

describe('a change of a collection', () => {
  test('is a small delta where the collection is large, and the whole of it where it is small', () => {
    const shard = new TestShard();
    shard.run('HSET', 'small', 'field', 'value');
    shard.run('HSET', 'small', 'field', 'other');
    const fields = Array.from({ length: 1_000 }, (_, number) => [`field-${number}`, 'v'.repeat(50)]).flat();
    shard.run('HSET', 'large', ...fields);
    shard.run('HSET', 'large', 'field-7', 'changed');
    const [, ofSmall, , ofLarge] = shard.journal.groups.map(([write]) => write!);
    expect(ofSmall!.deltaOf).toBeUndefined();
    expect(ofLarge!.deltaOf).toBeDefined();
    expect(ofLarge!.body!.byteLength).toBeLessThan(32);
    shard.engine.close();
  });

  test('makes a new base when deltas are many or as large as their base, however it is written', async () => {
    const shard = new TestShard();
    for (let number = 0; number < 3_000; number++) shard.run('HSET', 'hash', `field-${number}`, number);
    const bytes = shard.journal.groups.flat().reduce((sum, write) => sum + write.body!.byteLength, 0);
    const whole = shard.journal.groups.flat().filter(({ deltaOf }) => deltaOf === undefined).length;
    expect(whole).toBeLessThan(3_000 / 20);
    // A field takes about sixteen bytes: all writes together a few times of what there is.
    expect(bytes).toBeLessThan(40 * 3_000 * 16);
    shard.chill();
    expect(await shard.begin('HLEN', 'hash')).toBe(3_000);
    expect(plainReply(await shard.begin('HGET', 'hash', 'field-2999'))).toBe('2999');
    shard.engine.close();
  });

  test('of one too large is refused by name, and nothing is changed', () => {
    const shard = new TestShard();
    shard.run('HSET', 'hash', 'field', 'x'.repeat(10 * MiB));
    expect(plainReply(shard.run('HSET', 'hash', 'other', 'x'.repeat(10 * MiB)))).toEqual({ error: 'TOOLARGE' });
    expect(shard.run('HLEN', 'hash')).toBe(1);
    expect(shard.run('HSET', 'hash', 'field', 'x'.repeat(15 * MiB))).toBe(0);
    shard.engine.close();
  });

  test('that the log does not take leaves the object as it was', async () => {
    const shard = new TestShard();
    shard.run('SADD', 'set', 'a');
    shard.journal.isFull = true;
    const adding = shard.begin('SADD', 'set', 'b');
    expect(plainReply(shard.run('SMEMBERS', 'set'))).toEqual(['a']);
    await new Promise((resolve) => setImmediate(resolve));
    shard.journal.isFull = false;
    shard.journal.makeRoom();
    expect(await adding).toBe(1);
    expect(plainReply(shard.run('SMEMBERS', 'set'))).toEqual(['a', 'b']);
    shard.engine.close();
  });

  test('waits for the value from below, and later ones for it, in their order', async () => {
    const shard = new TestShard();
    shard.run('SADD', 'set', 'a');
    shard.chill();
    shard.journal.holdsReads = true;
    const replies = [shard.begin('SADD', 'set', 'b'), shard.begin('SREM', 'set', 'a'), shard.begin('DEL', 'set')];
    await new Promise((resolve) => setImmediate(resolve));
    shard.journal.answerReads();
    expect(await Promise.all(replies)).toEqual([1, 1, 1]);
    expect(shard.run('EXISTS', 'set')).toBe(0);
    shard.engine.close();
  });
});

describe('in RAM', () => {
  test('a collection takes what it is accounted with, and goes as any copy does', async () => {
    const shard = new TestShard({ hotBytes: 4 * MiB });
    const before = shard.hot.bytes;
    shard.run('HSET', 'hash', 'field', 'x'.repeat(MiB));
    expect(shard.hot.bytes - before).toBeGreaterThan(MiB);
    for (let number = 0; number < 8; number++) {
      shard.run('SET', `other-${number}`, Buffer.alloc(900_000));
      // Else it would be what was used once alone, which goes before what was used again.
      shard.run('GET', `other-${number}`);
    }
    expect(shard.hot.bytes).toBeLessThan(4 * MiB);
    expect(await shard.begin('HSTRLEN', 'hash', 'field')).toBe(MiB);
    shard.run('DEL', 'hash', ...Array.from({ length: 8 }, (_, number) => `other-${number}`));
    expect(shard.hot.bytes).toBe(before);
    shard.engine.close();
  });

  test('under another key is the same object with the bytes that lie in the log, and a copy is not', async () => {
    const shard = new TestShard();
    const fields = Array.from({ length: 5_000 }, (_, number) => [`field-${number}`, 'v'.repeat(50)]).flat();
    shard.run('HSET', 'large', ...fields);
    shard.run('HSET', 'large', 'field-7', 'changed');
    shard.run('HSET', 'small', 'field', 'value');
    const before = shard.hot.bytes;
    expect(shard.run('RENAME', 'small', 'renamed')).toBe('OK');
    expect(await shard.begin('RENAME', 'large', 'moved')).toBe('OK');
    expect(shard.journal.reads).toBe(1);
    // At once: the objects are in RAM, and nowhere twice.
    expect([shard.run('HLEN', 'moved'), shard.run('HLEN', 'renamed'), shard.run('HLEN', 'large')]).toEqual([
      5_000, 1, 0,
    ]);
    expect(shard.hot.bytes).toBe(before);
    expect(await shard.begin('COPY', 'moved', 'copy')).toBe(1);
    expect(shard.run('HSET', 'moved', 'field-7', 'again')).toBe(0);
    expect(plainReply(await shard.begin('HGET', 'copy', 'field-7'))).toBe('changed');
    shard.chill();
    expect(plainReply(await shard.begin('HGET', 'moved', 'field-7'))).toBe('again');
    expect(plainReply(await shard.begin('HGET', 'moved', 'field-4999'))).toBe('v'.repeat(50));
    shard.engine.close();
  });

  test('without a journal the object alone is the value; what does not fit is refused, what is evicted is gone', () => {
    const shard = new TestShard({ withJournal: false, hotBytes: 4 * MiB });
    shard.run('HSET', 'hash', 'field', 'x'.repeat(MiB));
    expect(shard.run('COPY', 'hash', 'copy')).toBe(1);
    shard.run('HSET', 'hash', 'field', 'changed');
    expect(shard.run('HSTRLEN', 'copy', 'field')).toBe(MiB);
    expect(plainReply(shard.run('HSET', 'copy', 'too', 'x'.repeat(4 * MiB)))).toEqual({ error: 'TOOLARGE' });
    for (let number = 0; number < 16; number++) {
      shard.run('SET', `other-${number}`, Buffer.alloc(900_000));
      // Else it would be what was used once alone, which goes before what was used again.
      shard.run('GET', `other-${number}`);
    }
    expect(shard.run('EXISTS', 'hash', 'copy')).toBe(0);
    shard.engine.close();
  });
});

describe('members', () => {
  test('at random are different ones, and those that SPOP gives are gone, also from below', async () => {
    const shard = new TestShard();
    const all = Array.from({ length: 100 }, (_, number) => `m${number}`);
    shard.run('SADD', 'set', ...all);
    const some = plainReply(shard.run('SRANDMEMBER', 'set', 60)) as string[];
    expect(new Set(some).size).toBe(60);
    expect(plainReply(shard.run('SRANDMEMBER', 'set', -300))).toHaveLength(300);
    const popped = plainReply(shard.run('SPOP', 'set', 40)) as string[];
    popped.push(plainReply(shard.run('SPOP', 'set')) as string);
    shard.chill();
    const left = plainReply(await shard.begin('SMEMBERS', 'set')) as string[];
    expect([...left, ...popped].sort()).toEqual(all.sort());
    shard.engine.close();
  });

  test('that stay during a scan are returned, whatever comes and goes', () => {
    const shard = new TestShard();
    for (let number = 0; number < 500; number++) shard.run('SADD', 'set', `stay-${number}`, `go-${number}`);
    const seen = new Set<string>();
    let cursor = '0';
    let round = 0;
    do {
      const [next, page] = plainReply(shard.run('SSCAN', 'set', cursor, 'COUNT', 7)) as [string, string[]];
      for (const member of page) seen.add(member);
      shard.run('SREM', 'set', `go-${round * 3}`, `go-${499 - round}`);
      shard.run('SADD', 'set', `new-${round}`);
      round += 1;
      cursor = next;
    } while (cursor !== '0');
    for (let number = 0; number < 500; number++) expect(seen.has(`stay-${number}`)).toBe(true);
    shard.engine.close();
  });
});

describe('over a real log', () => {
  const folders: ReturnType<typeof temporaryFolder>[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) folder.remove();
  });

  async function open(path: string, below?: MemoryTier): Promise<{ engine: Engine; storage: Storage }> {
    const hot = new HotTier({ limitBytes: 64 * MiB });
    const index = new KeyIndex(hot, systemClock);
    const storage = await openStorage({
      ...roomyStorage(path, index),
      segmentBytes: 8 * MiB,
      compaction: { liveRatio: 0.9, bytesPerSecond: 1024 * MiB, segmentBytes: 8 * MiB },
      fullWaitMs: 5_000,
      below,
    });
    const options = { acknowledgement: 'memory', minimumAcknowledgement: 'memory', diskThresholdBytes: MiB } as const;
    return { engine: new Engine({ clock: systemClock, index, hot, journal: storage, options }), storage };
  }

  const run = async (engine: Engine, name: string, ...args: (string | number)[]): Promise<Reply> =>
    engine.execute({ name, args: args.map((argument) => Buffer.from(String(argument))) }, libraryContext(60_000));

  test('every change survives a kill, compaction and a lost disk, and costs little of the log', async () => {
    const folder = temporaryFolder('collections');
    folders.push(folder);
    const account = new MemoryAccount();
    let { engine, storage } = await open(folder.path, new MemoryTier(account));
    const model = new Map<string, string>();
    for (let number = 0; number < 10_000; number += 100) {
      const pairs = Array.from({ length: 100 }, (_, at) => [`field-${number + at}`, 'v'.repeat(80)]);
      await run(engine, 'HSET', 'hash', ...pairs.flat());
      for (const [field, value] of pairs) model.set(field!, value!);
    }
    const before = storage.log.sequence;
    const bytesBefore = storage.log.localBytes();
    for (let number = 0; number < 50; number++) {
      await run(engine, 'HSET', 'hash', `field-${number}`, number);
      model.set(`field-${number}`, String(number));
    }
    expect(storage.log.sequence - before).toBeGreaterThanOrEqual(50);
    // One change more may have made a new base; fifty would be fifty megabytes.
    expect(storage.log.localBytes() - bytesBefore).toBeLessThan(3 * MiB);
    const check = async (): Promise<void> => {
      const flat = plainReply(await run(engine, 'HGETALL', 'hash')) as string[];
      const found = new Map<string, string>();
      for (let at = 0; at < flat.length; at += 2) found.set(flat[at]!, flat[at + 1]!);
      expect(found).toEqual(model);
    };
    const reopen = async (path: string): Promise<void> => {
      engine.close();
      storage.fence('killed');
      await storage.close({ flush: false });
      ({ engine, storage } = await open(path, new MemoryTier(account)));
      await check();
    };
    await storage.flush('disk');
    await reopen(folder.path);
    for (let number = 0; number < 300; number++) {
      await run(engine, 'HDEL', 'hash', `field-${number}`);
      model.delete(`field-${number}`);
    }
    await storage.maintain();
    await check();
    await storage.flush('blob');
    const other = temporaryFolder('collections');
    folders.push(other);
    await reopen(other.path);
    // Writes that only replace make the log's bytes more, until a base without the dead ones is made behind them.
    const entry = (): Entry => engine.keyspace.index.find(spaceOfKeys, 'hash')!;
    for (let number = 0; number < 400; number++) {
      await run(engine, 'HSET', 'hash', 'field-9000', 'w'.repeat(10_000));
    }
    model.set('field-9000', 'w'.repeat(10_000));
    await expect.poll(() => entry().bodyBytes).toBeLessThan(3 * MiB);
    await check();
    await run(engine, 'HSET', 'hash', 'last', 'one');
    model.set('last', 'one');
    await storage.flush('disk');
    await reopen(other.path);
    engine.close();
    await storage.close({ flush: false });
  });
});

describe('to doors of typed values', () => {
  test('a list is a List of its elements, a sorted set a List of members with their scores', async () => {
    const shard = new TestShard();
    shard.run('RPUSH', 'list', 'b', 'a', 'b');
    shard.run('ZADD', 'sorted', '1.5', 'm', '-1', 'n');
    for (const [key, json] of [
      ['list', '["b","a","b"]'],
      ['sorted', '[["n",-1],["m",1.5]]'],
    ] as const) {
      const [type, body] = (await shard.begin('VALUE.GET', key)) as [number, Buffer];
      expect(jsonOf(type as StoredType, body)).toBe(json);
    }
    shard.engine.close();
  });

  test('a collection that is made into a value in several steps is whole', async () => {
    const shard = new TestShard();
    const count = 3 * collectionStepElements + 1;
    const names = Array.from({ length: count }, (_, number) => `é-${number}`);
    shard.run('HSET', 'hash', ...names.flatMap((name, number) => [name, number]));
    shard.run('RPUSH', 'list', ...names);
    shard.run('SADD', 'set', ...names);
    shard.run('ZADD', 'sorted', ...names.flatMap((name, number) => [1 - number / 2, name]));
    const shown = async (key: string): Promise<unknown> => {
      const [type, body] = (await shard.begin('VALUE.GET', key)) as [StoredType, Buffer];
      expect(typedFault(type, body)).toBeUndefined();
      return JSON.parse(jsonOf(type, body));
    };
    expect(await shown('hash')).toEqual(Object.fromEntries(names.map((name, number) => [name, String(number)])));
    expect(await shown('list')).toEqual(names);
    expect(await shown('set')).toEqual(names);
    expect(await shown('sorted')).toEqual(names.map((name, number) => [name, 1 - number / 2]).toReversed());
    shard.engine.close();
  });
});

describe('a change of expiry', () => {
  test('of a large value or collection writes and reads none of it, however often it comes', async () => {
    const shard = new TestShard();
    shard.run('SET', 'text', 'x'.repeat(100_000));
    shard.run('HSET', 'hash', 'field', 'x'.repeat(100_000));
    shard.chill();
    for (let round = 0; round < 100; round++) {
      for (const key of ['text', 'hash']) {
        expect(shard.run('PEXPIRE', key, 1_000 + round)).toBe(1);
        expect(shard.journal.groups.at(-1)![0]!.body!.byteLength).toBe(0);
      }
    }
    expect(shard.run('PERSIST', 'text')).toBe(1);
    expect(shard.journal.reads).toBe(0);
    expect(shard.journal.folds).toBeGreaterThan(0);
    shard.chill();
    expect(await shard.begin('STRLEN', 'text')).toBe(100_000);
    expect(await shard.begin('HSTRLEN', 'hash', 'field')).toBe(100_000);
    expect([shard.run('PTTL', 'text'), shard.run('PTTL', 'hash')]).toEqual([-1, 1_099]);
    shard.engine.close();
  });
});
