import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { type CommandContext, libraryContext } from '../commands/command.ts';
import { type Reply, ReplyError } from '../commands/reply.ts';
import { algebraBytesMax } from '../limits.ts';
import { topology } from '../topology/place.ts';
import { slotOf } from '../topology/slot.ts';
import { Cluster, type ClusterOptions } from './testing/cluster.ts';
import type { TestExecutor } from './testing/test-executor.ts';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

async function start(count: number, options: ClusterOptions = {}, members = count): Promise<Cluster> {
  cluster = await Cluster.start(count, options, members);
  return cluster;
}

async function run(name: string, ...args: (string | Buffer)[]): Promise<Reply> {
  return runWith(libraryContext(10_000), name, ...args);
}

async function runWith(context: CommandContext, name: string, ...args: (string | Buffer)[]): Promise<Reply> {
  return cluster!.router.execute({ name, args: args.map((argument) => Buffer.from(argument)) }, context);
}

const keys = Array.from({ length: 300 }, (_, number) => `key-${number}`);

/** A key that this shard owns. */
function keyOf(shard: string): string {
  return keys.find((key) => cluster!.topology.slots.ownerOf(slotOf(Buffer.from(key))) === shard)!;
}

describe('commands', () => {
  test('with one key go to its owner, with everything that belongs to them', async () => {
    await start(3);
    const context = libraryContext(10_000, 'memory');
    expect(await runWith(context, 'SET', keyOf('shard-1'), 'value')).toBe('OK');
    expect(await run('GET', keyOf('shard-1'))).toEqual(Buffer.from('value'));
    const [first, second, third] = cluster!.executors;
    expect([first!.seen, second!.seen, third!.seen]).toEqual([[], ['SET', 'GET'], []]);
    await runWith(context, 'SET', keyOf('shard-1'), 'other');
    expect(second!.lastContext).toMatchObject({ acknowledgement: 'memory', epoch: 1, session: { door: 'link' } });
    expect(Math.abs(second!.lastContext!.deadlineMs - context.deadlineMs)).toBeLessThan(1_000);
  });

  test('with many keys are split and their replies put back in the order of the keys', async () => {
    await start(3);
    expect(await run('MSET', ...keys.flatMap((key) => [key, `value of ${key}`]))).toBe('OK');
    expect(cluster!.executors.every((executor) => executor.size > 50)).toBe(true);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...keys, 'absent-1', 'absent-2'), { minLength: 1 }), async (some) => {
        const values = some.map((key) => (key.startsWith('absent') ? null : Buffer.from(`value of ${key}`)));
        expect(await run('MGET', ...some)).toEqual(values);
        expect(await run('EXISTS', ...some)).toBe(values.filter((value) => value !== null).length);
      }),
      { numRuns: 30 },
    );
    expect(await run('DBSIZE')).toBe(300);
    expect(await run('DEL', ...keys, 'absent')).toBe(300);
    expect(await run('DBSIZE')).toBe(0);
  });

  test('without keys go to every shard', async () => {
    await start(3);
    expect(await run('FLUSH', 'disk')).toBe('OK');
    const shards = (await run('SHARDINFO')) as Buffer[];
    const names = shards.map((text) => JSON.parse(text.toString()).name as string);
    expect(new Set(names)).toEqual(new Set(['shard-0', 'shard-1', 'shard-2']));
  });

  test('that do not exist or have the wrong number of arguments are refused here', async () => {
    await start(1);
    expect(await run('EVAL', 'x')).toEqual(new ReplyError('ERR', "unknown command 'EVAL'"));
    expect(await run('GET')).toEqual(new ReplyError('ERR', "wrong number of arguments for 'get' command"));
    expect(await run('MSET', 'a', 'b', 'c')).toMatchObject({ code: 'ERR' });
    expect(cluster!.executors[0]!.seen).toEqual([]);
  });

  test('that a shard answers with an error say so as they came', async () => {
    await start(2);
    cluster!.executors[1]!.intercept = () => new ReplyError('DISKFULL', 'the disk is full');
    expect(await run('SET', keyOf('shard-1'), 'x')).toEqual(new ReplyError('DISKFULL', 'the disk is full'));
    expect(await run('MSET', ...keys.flatMap((key) => [key, 'x']))).toEqual(
      new ReplyError('DISKFULL', 'MSET failed on shard-1, done on shard-0: the disk is full'),
    );
    expect(await run('MGET', ...keys)).toEqual(new ReplyError('DISKFULL', 'MGET failed on shard-1: the disk is full'));
    cluster!.executors[0]!.intercept = cluster!.executors[1]!.intercept;
    expect(await run('MGET', ...keys)).toEqual(new ReplyError('DISKFULL', 'the disk is full'));
  });
});

describe("Redis' commands over several shards", () => {
  const wanted = [...keys].sort();
  const texts = (reply: Reply): string[] => (reply as Buffer[]).map((item) => item.toString()).sort();

  async function startFilled(): Promise<void> {
    await start(3);
    await run('MSET', ...keys.flatMap((key) => [key, 'x']));
  }

  test('SCAN lists every key once, with a number as its cursor', async () => {
    await startFilled();
    await run('SET', 'other', 'x');
    for (const count of ['1', '10', '1000']) {
      const found: string[] = [];
      let cursor = '0';
      do {
        const reply = await run('SCAN', cursor, 'COUNT', '5', 'MATCH', 'key-*', 'COUNT', count);
        const [next, page] = reply as [Buffer, Buffer[]];
        expect(page.length).toBeLessThanOrEqual(Number(count));
        found.push(...texts(page));
        cursor = next.toString();
      } while (cursor !== '0');
      expect(found.sort()).toEqual(wanted);
    }
    expect(await run('SCAN', 'x')).toEqual(new ReplyError('ERR', 'invalid cursor'));
    expect(await run('SCAN', '0', 'COUNT', '0')).toEqual(new ReplyError('ERR', 'syntax error'));
  });

  test('KEYS, RANDOMKEY and the keys of a slot come from all shards', async () => {
    await startFilled();
    expect(texts(await run('KEYS', '*'))).toEqual(wanted);
    expect(texts(await run('KEYS', 'key-1?'))).toEqual(wanted.filter((key) => /^key-1.$/.test(key)));
    const owners = new Set<string>();
    while (owners.size < 3) {
      owners.add(cluster!.topology.slots.ownerOf(slotOf((await run('RANDOMKEY')) as Buffer)));
    }
    const slot = String(slotOf(Buffer.from(keys[0]!)));
    expect(await run('COUNTKEYSINSLOT', slot)).toBe(1);
    expect(texts(await run('GETKEYSINSLOT', slot, '10'))).toEqual([keys[0]]);
  });

  test('counts are added, and FLUSHALL reaches all', async () => {
    await startFilled();
    expect(await run('TOUCH', ...keys, 'absent')).toBe(300);
    expect(await run('UNLINK', ...keys.slice(0, 100), 'absent')).toBe(100);
    expect(await run('EXISTS', ...keys)).toBe(200);
    expect(await run('FLUSHALL', 'ASYNC')).toBe('OK');
    expect([await run('DBSIZE'), await run('KEYS', '*'), await run('RANDOMKEY')]).toEqual([0, [], null]);
  });

  test('what one shard must do as a whole takes keys of one slot', async () => {
    await start(3);
    await run('MSET', '{t}a', 'x', 'b', 'x');
    const crossSlot = new ReplyError('CROSSSLOT', "Keys in request don't hash to the same slot");
    expect(await run('RENAME', '{t}a', 'b')).toEqual(crossSlot);
    expect(await run('MSETNX', 'c', 'x', 'd', 'x')).toEqual(crossSlot);
    expect(await run('RENAME', '{t}a', '{t}b')).toBe('OK');
    expect(await run('COPY', '{t}b', '{t}c')).toBe(1);
    expect(await run('MSETNX', '{t}d', 'x', '{t}e', 'x')).toBe(1);
    expect(await run('OBJECT', 'REFCOUNT', '{t}e')).toBe(1);
    expect(await run('OBJECT', 'HELP')).toEqual(expect.arrayContaining([expect.stringContaining('OBJECT')]));
  });
});

describe('set algebra', () => {
  const setKeys = ['key-0', 'key-1', 'key-2', 'key-3', 'key-4', 'key-5', '{key-0}x'];
  const some = fc.array(fc.constantFrom(...setKeys), { minLength: 1, maxLength: 4 });
  const member = fc.constantFrom('a', 'b', 'c', 'd', '', '\u00ff');
  const score = fc.constantFrom('1', '-2', '0.1', '1e300', 'inf', '-inf', '3.0000000000000004');
  const pairs = fc.array(fc.tuple(score, member), { minLength: 1, maxLength: 6 });
  const fill = fc.oneof(
    fc.tuple(fc.constant('SADD'), fc.constantFrom(...setKeys), fc.array(member, { minLength: 1, maxLength: 6 })),
    fc.tuple(
      fc.constant('ZADD'),
      fc.constantFrom(...setKeys),
      pairs.map((list) => list.flat()),
    ),
  );
  const counted = (keysOfCommand: string[], rest: string[]): string[] =>
    [String(keysOfCommand.length)].concat(keysOfCommand, rest);
  const limit = fc.nat(3).map((count) => ['LIMIT', String(count)]);
  const withScores = fc.constantFrom<string[]>([], ['WITHSCORES'], ['WITHSCORES', 'AGGREGATE', 'MAX'], ['NONSENSE']);
  const call = fc.oneof(
    fc.tuple(fc.constantFrom('SINTER', 'SUNION', 'SDIFF'), some),
    fc.tuple(
      fc.constantFrom('SINTERCARD', 'ZINTERCARD'),
      fc.tuple(some, limit).map(([list, rest]) => counted(list, rest)),
    ),
    fc.tuple(
      fc.constantFrom('ZINTER', 'ZUNION', 'ZDIFF'),
      fc.tuple(some, withScores).map(([list, rest]) => counted(list, rest)),
    ),
    fc.tuple(
      fc.constantFrom('ZINTER', 'ZUNION'),
      fc
        .tuple(some, fc.array(score, { minLength: 4, maxLength: 4 }))
        .map(([list, weights]) => counted(list, ['WEIGHTS', ...weights.slice(0, list.length), 'WITHSCORES'])),
    ),
  );

  test('over several shards gives what one shard alone would', async () => {
    await start(3);
    const alone = await Cluster.start(1, {}, 1);
    const both = async (name: string, ...args: readonly string[]): Promise<void> => {
      const command = { name, args: args.map((argument) => Buffer.from(argument, 'latin1')) };
      const [split, whole] = await Promise.all(
        [cluster!, alone].map(async ({ router }) => router.execute(command, libraryContext(10_000))),
      );
      // Sets have no order; sorted sets do.
      const plain = (reply: Reply): unknown => {
        if (!Array.isArray(reply)) return reply;
        const texts = reply.map((item) => (item as Buffer).toString('latin1'));
        return name.startsWith('Z') ? texts : texts.sort();
      };
      expect(plain(split!), `${name} ${args.join(' ')}`).toEqual(plain(whole!));
    };
    const filled = fc.array(fill, { minLength: 3, maxLength: 8 });
    const property = fc.asyncProperty(filled, fc.array(call, { minLength: 1, maxLength: 10 }), async (sets, calls) => {
      await both('DEL', ...setKeys);
      for (const [name, key, args] of sets) await both(name, key, ...args);
      for (const [name, args] of calls) await both(name, ...args);
    });
    await fc.assert(property, { numRuns: 40 });
    await both('SET', 'key-1', 'text');
    await both('SINTER', 'key-0', 'key-1', 'key-2');
    await both('ZUNION', '3', 'key-0', 'key-1', 'key-2');
    for (const name of ['SINTERCARD', 'ZINTERCARD', 'ZINTER']) {
      for (const count of ['0', 'x', '-1', '9']) await both(name, count, 'key-0', 'key-2');
      await both(name, '2', 'key-0', 'key-2', 'LIMIT', '-1');
      await both(name, '2', 'key-0', 'key-2', 'LIMIT');
    }
    await alone.stop();
  });

  test('of members that are too many for a router is refused, and says what would help', async () => {
    await start(2);
    const large = Buffer.alloc(algebraBytesMax / 2 + 1);
    cluster!.executors.forEach((executor) => {
      executor.intercept = ({ name }) => (name === 'SMEMBERS' ? [large] : undefined);
    });
    expect(await run('SUNION', keyOf('shard-0'), keyOf('shard-1'))).toMatchObject({ code: 'TOOLARGE' });
  });
});

describe('a prefix scan', () => {
  async function scanAll(
    prefix: string,
    count: number,
    what = 'KEYS',
    between?: () => Promise<void>,
  ): Promise<string[]> {
    const found: string[] = [];
    let cursor: Buffer = Buffer.alloc(0);
    do {
      const [next, items] = (await run('PREFIXSCAN', cursor, prefix, String(count), what)) as [Buffer, Buffer[]];
      expect(items.length).toBeLessThanOrEqual(count * (what === 'KEYS' ? 1 : 2));
      found.push(...items.map((item) => item.toString()));
      cursor = next;
      await between?.();
    } while (cursor.byteLength > 0);
    return found;
  }

  /** As a hand-over does: every key to the shard that owns it now. */
  async function moveKeys(executors: readonly TestExecutor[]): Promise<void> {
    const context = libraryContext(10_000);
    const all = ['', 'key-', '1000', 'VALUES'].map((argument) => Buffer.from(argument));
    for (const from of executors) {
      const [, items] = (await from.execute({ name: 'PREFIXSCAN', args: all }, context)) as [Buffer, Buffer[]];
      for (let index = 0; index < items.length; index += 2) {
        const [key, value] = [items[index]!, items[index + 1]!];
        const owner = cluster!.topology.slots.ownerOf(slotOf(key));
        if (owner === from.name) continue;
        await from.execute({ name: 'DEL', args: [key] }, context);
        await executors.find(({ name }) => name === owner)!.execute({ name: 'SET', args: [key, value] }, context);
      }
    }
  }

  test('lists every key exactly once, whatever the size of a page', async () => {
    await start(3);
    await run('MSET', ...keys.flatMap((key) => [key, `value of ${key}`]), 'other', 'x');
    for (const count of [1, 7, 100, 10_000]) expect((await scanAll('key-', count)).sort()).toEqual([...keys].sort());
    for (const what of ['VALUES', 'ALL']) {
      expect(await scanAll('key-299', 5, what)).toEqual(['key-299', 'value of key-299']);
    }
    expect(await scanAll('nothing', 5)).toEqual([]);
  });

  test('asks only the owner when the prefix names its slot', async () => {
    await start(3);
    await run('MSET', '{tag}1', 'a', '{tag}2', 'b', '{tag', 'c');
    expect((await scanAll('{tag}', 1)).sort()).toEqual(['{tag}1', '{tag}2']);
    expect(cluster!.executors.filter((executor) => executor.seen.includes('PREFIXSCAN')).length).toBe(1);
  });

  test('stays complete when slots move between its pages', async () => {
    const { executors, shards, shardTopologies } = await start(5, {}, 3);
    await run('MSET', ...keys.flatMap((key) => [key, 'x']));
    let members = 3;
    const found = await scanAll('key-', 20, 'KEYS', async () => {
      if (members === 5) return;
      members += 1;
      const next = topology(
        cluster!.topology.slots.topology,
        shards.slice(0, members).map((shard) => shard.member),
      );
      for (const holder of [...shardTopologies, cluster!.topology]) holder.offer(next);
      await moveKeys(executors);
    });
    expect(members).toBe(5);
    expect([...new Set(found)].sort()).toEqual([...keys].sort());
  });

  test('with wrong arguments is refused', async () => {
    await start(2);
    expect(await run('PREFIXSCAN', 'abc', '', '10', 'KEYS')).toMatchObject({ message: 'invalid cursor' });
    expect(await run('PREFIXSCAN', Buffer.alloc(6, 255), '', '10', 'KEYS')).toMatchObject({
      message: 'invalid cursor',
    });
    expect(await run('PREFIXSCAN', '', '', '0', 'KEYS')).toMatchObject({ code: 'ERR' });
    expect(await run('PREFIXSCAN', '', '', '10', 'BOTH')).toMatchObject({ code: 'ERR' });
  });
});

describe('while a shard is away', () => {
  async function startWithoutSecond(options: ClusterOptions = {}): Promise<void> {
    const { router, shards } = await start(3, options);
    await run('MSET', ...keys.flatMap((key) => [key, 'x']));
    await shards[1]!.crash();
    await expect.poll(() => router.stats().links[1]!.state).toBe('away');
  }

  test('reads of it miss, writes fail at once by its name, and all others go on', async () => {
    await startWithoutSecond();
    expect(await run('GET', keyOf('shard-1'))).toBeNull();
    expect(await run('TTL', keyOf('shard-1'))).toBe(-2);
    expect(await run('TYPE', keyOf('shard-1'))).toBe('none');
    expect(await run('HMGET', keyOf('shard-1'), 'f', 'g')).toEqual([null, null]);
    expect(await run('GETRANGE', keyOf('shard-1'), '0', '-1')).toEqual(Buffer.alloc(0));
    expect(await run('GET', keyOf('shard-0'))).toEqual(Buffer.from('x'));
    expect(await run('SET', keyOf('shard-1'), 'y')).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('shard shard-1 at 127.0.0.1:'),
    });
    const some = [keyOf('shard-0'), keyOf('shard-1'), keyOf('shard-2')];
    expect(await run('MGET', ...some)).toEqual([Buffer.from('x'), null, Buffer.from('x')]);
    expect(await run('EXISTS', ...some)).toBe(2);
    expect(await run('MSET', ...some.flatMap((key) => [key, 'z']))).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('MSET failed on shard-1, done on shard-0, shard-2'),
    });
    expect(await run('GET', keyOf('shard-2'))).toEqual(Buffer.from('z'));
    const [, listed] = (await run('PREFIXSCAN', '', 'key-', '1000', 'KEYS')) as [Buffer, Buffer[]];
    expect(listed.length).toBe(300 - cluster!.executors[1]!.size);
    expect(await run('FLUSH', 'disk')).toMatchObject({ code: 'UNAVAILABLE' });
    expect(await run('SHARDINFO')).toEqual(expect.arrayContaining([expect.any(ReplyError), expect.any(Buffer)]));
    expect(cluster!.router.stats()).toMatchObject({ writesDropped: 0, readsMissedAway: 8 });
  });

  test('reads fail and writes are dropped where that was chosen', async () => {
    await startWithoutSecond({ unavailableReads: 'error', unavailableWrites: 'drop' });
    expect(await run('GET', keyOf('shard-1'))).toMatchObject({ code: 'UNAVAILABLE' });
    expect(await run('PREFIXSCAN', '', '', '10', 'KEYS')).toMatchObject({ code: 'UNAVAILABLE' });
    expect(await run('SET', keyOf('shard-1'), 'y')).toBe('OK');
    expect(await run('DEL', keyOf('shard-0'), keyOf('shard-1'))).toBe(1);
    expect(cluster!.router.stats()).toMatchObject({ writesDropped: 2, readsMissedAway: 0 });
    // Whose answers tell something of the value, and who promise something of every shard, are not dropped.
    const telling = [
      ['INCR', keyOf('shard-1')],
      ['GETDEL', keyOf('shard-1')],
      ['SET', keyOf('shard-1'), 'y', 'GET'],
      ['SET', keyOf('shard-1'), 'y', 'PX', '1000', 'NX'],
      ['FLUSHALL'],
    ] as const;
    for (const [name, ...args] of telling) expect(await run(name, ...args)).toMatchObject({ code: 'UNAVAILABLE' });
    expect(cluster!.router.stats()).toMatchObject({ writesDropped: 2, readsMissedAway: 0 });
  });

  test('the load on all others goes on, through its crash and its return', async () => {
    const { executors, links, shards } = await start(3);
    const stop = new AbortController();
    const done = [0, 0, 0];
    const faults: unknown[] = [];
    const load = [0, 1, 2].map(async (number) => {
      const key = keyOf(`shard-${number}`);
      while (!stop.signal.aborted) {
        const reply = await run('SET', key, Buffer.alloc(100));
        if (reply === 'OK') done[number]! += 1;
        else if (number !== 1) faults.push(reply);
        await new Promise(setImmediate);
      }
    });
    const moreDone = async (numbers: number[]): Promise<void> => {
      const before = [...done];
      await expect.poll(() => numbers.every((number) => done[number]! > before[number]! + 50)).toBe(true);
    };
    await moreDone([0, 1, 2]);
    await shards[1]!.crash();
    await moreDone([0, 2]);
    shards[1] = await shards[1]!.restart(executors[1]!);
    expect(await links.ready(10_000)).toBe(true);
    await moreDone([0, 1, 2]);
    stop.abort();
    await Promise.all(load);
    expect(faults).toEqual([]);
  });

  test('its return is noticed by itself', async () => {
    await startWithoutSecond();
    const { executors, links, shards, shardTopologies } = cluster!;
    expect(shardTopologies[1]!.slots.epoch).toBe(1);
    shards[1] = await shards[1]!.restart(executors[1]!);
    expect(await links.ready(10_000)).toBe(true);
    expect(await run('GET', keyOf('shard-1'))).toEqual(Buffer.from('x'));
  });
});

describe('when the router and a shard see different topologies', () => {
  test('a command waits for the newer one and is routed by it', async () => {
    const { shards, shardTopologies, topology: own, router } = await start(2, {}, 1);
    const next = topology(
      own.slots.topology,
      shards.map((shard) => shard.member),
    );
    for (const holder of shardTopologies) holder.offer(next);
    const moved = keys.filter((key) => shardTopologies[0]!.slots.ownerOf(slotOf(Buffer.from(key))) === 'shard-1');
    const written = run('MSET', ...keys.flatMap((key) => [key, 'x']));
    const single = run('SET', moved[0]!, 'y');
    await expect.poll(() => router.stats().rerouted).toBe(2);
    own.offer(next);
    expect([await written, await single]).toEqual(['OK', 'OK']);
    expect(cluster!.executors.map((executor) => executor.size)).toEqual([300 - moved.length, moved.length]);
  });

  test('a command that still finds no owner is to be tried again', async () => {
    const { shards, shardTopologies, topology: own } = await start(2, {}, 1);
    const next = topology(
      own.slots.topology,
      shards.map((shard) => shard.member),
    );
    for (const holder of shardTopologies) holder.offer(next);
    expect(await run('MGET', ...keys)).toMatchObject({ code: 'TRYAGAIN' });
  });
});
