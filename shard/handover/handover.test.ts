import { afterEach, describe, expect, test } from 'vitest';
import { blockKeyBytes } from '../../commands/block-key.ts';
import { ReplyError } from '../../commands/reply.ts';
import { decodeClock, encodeClock } from '../../commands/vector-clock.ts';
import { HandoverCluster } from './testing/cluster.ts';

let cluster: HandoverCluster;
afterEach(async () => cluster.stop());

const keys = Array.from({ length: 300 }, (_, number) => `key-${number}`);
const valueOf = (key: string): string => `value of ${key}`;

async function load(): Promise<void> {
  for (const key of keys) expect(await cluster.do('SET', key, valueOf(key))).toBe('OK');
}

async function get(key: string): Promise<string> {
  const reply = await cluster.do('GET', key);
  if (reply instanceof ReplyError) return `${reply.code} ${reply.message}`;
  return Buffer.isBuffer(reply) ? reply.toString() : JSON.stringify(reply);
}

async function expectAll(where: string): Promise<void> {
  for (const key of keys) expect([where, key, await get(key)]).toEqual([where, key, valueOf(key)]);
}

async function scannedKeys(): Promise<string[]> {
  const found: string[] = [];
  let cursor = Buffer.alloc(0) as Buffer;
  do {
    const page = await cluster.do('PREFIXSCAN', cursor, 'key-', '50', 'KEYS');
    const [next, names] = page as [Buffer, Buffer[]];
    found.push(...names.map(String));
    cursor = next;
  } while (cursor.byteLength > 0);
  return found.sort();
}

describe('hand-over', () => {
  test('from 3 to 5 to 2 to 5 shards shows every key once before, during and after each move', async () => {
    cluster = await HandoverCluster.start(5, 3);
    await load();
    for (const count of [5, 2, 5]) {
      await cluster.scale(count, async () => {
        expect(await cluster.do('DBSIZE')).toBe(keys.length);
        expect(await scannedKeys()).toEqual([...keys].sort());
        await expectAll(`on the way to ${count}`);
      });
      await expectAll(`with ${count}`);
      const infos = await Promise.all(cluster.members.keys().map((number) => cluster.info(number)));
      expect(infos.map(({ slots }) => slots > 0)).toEqual(cluster.members.map((_, number) => number < count));
      expect(infos.reduce((sum, info) => sum + info.keys, 0)).toBe(keys.length);
      expect(infos.every(({ handover }) => handover.keysLeft === 0 && handover.slotsDeparting === 0)).toBe(true);
    }
  });

  test('what is overwritten and deleted while it moves stays so, also when its new shard starts again', async () => {
    cluster = await HandoverCluster.start(2, 1, { 'handover-bandwidth': '1MiB' });
    await load();
    const steps: number[] = [];
    await cluster.scale(2, async (epoch) => {
      steps.push(epoch);
      if (steps.length > 1) return;
      for (const key of keys.slice(0, 100)) expect(await cluster.do('SET', key, 'new')).toBe('OK');
      for (const key of keys.slice(100, 200)) expect(await cluster.do('DEL', key)).toBe(1);
      await cluster.stopShard(1);
      await cluster.startShard(1);
      await cluster.linked();
    });
    for (let round = 0; round < 2; round++) {
      for (const key of keys.slice(0, 100)) expect([key, await get(key)]).toEqual([key, 'new']);
      for (const key of keys.slice(100, 200)) expect([key, await get(key)]).toEqual([key, 'null']);
      for (const key of keys.slice(200)) expect([key, await get(key)]).toEqual([key, valueOf(key)]);
      await cluster.stopShard(1);
      await cluster.startShard(1);
      await cluster.linked();
    }
  });

  test('expiry, conditions and read-modify-write see a value that has not come yet', async () => {
    cluster = await HandoverCluster.start(2, 1, { 'handover-bandwidth': '8MiB' });
    await load();
    await cluster.do('SET', 'mortal', 'x', 'PX', '3600000');
    const large = Buffer.alloc(3 * 1024 * 1024, 7);
    for (let number = 0; number < 8; number++) await cluster.do('SET', `large-${number}`, large);
    let first = true;
    await cluster.scale(2, async () => {
      if (!first) return;
      first = false;
      for (const key of keys) {
        expect(await cluster.do('SET', key, 'other', 'NX')).toBe(null);
        expect(await cluster.do('STRLEN', key)).toBe(valueOf(key).length);
        expect(await cluster.do('PEXPIRE', key, '1000000')).toBe(1);
        expect(await get(key)).toBe(valueOf(key));
      }
      expect(await cluster.do('PTTL', 'mortal')).toBeGreaterThan(3_000_000);
      for (let number = 0; number < 8; number++) {
        const value = (await cluster.do('GET', `large-${number}`)) as Buffer;
        expect(value.equals(large)).toBe(true);
      }
    });
    for (const key of keys) expect(await cluster.do('PTTL', key)).toBeGreaterThan(500_000);
  });

  test('collections move with their changes, and are read and changed on the way', async () => {
    cluster = await HandoverCluster.start(2, 1, { 'handover-bandwidth': '1MiB' });
    const names = Array.from({ length: 40 }, (_, number) => `${number}`);
    const fields = Array.from({ length: 200 }, (_, number) => [`field-${number}`, 'x'.repeat(100)]).flat();
    for (const name of names) {
      await cluster.do('HSET', `hash-${name}`, ...fields);
      await cluster.do('HSET', `hash-${name}`, 'field-1', name);
      await cluster.do('RPUSH', `list-${name}`, 'a', 'b', name);
      await cluster.do('ZADD', `zset-${name}`, '1', 'one', '2', name);
    }
    let first = true;
    await cluster.scale(2, async () => {
      if (!first) return;
      first = false;
      for (const name of names) {
        expect(await cluster.do('TYPE', `hash-${name}`)).toBe('hash');
        expect(await cluster.do('GET', `list-${name}`)).toMatchObject({ code: 'WRONGTYPE' });
        expect(await cluster.do('HGET', `hash-${name}`, 'field-1')).toEqual(Buffer.from(name));
        expect(await cluster.do('HSET', `hash-${name}`, 'field-2', 'moving', 'new', 'moving')).toBe(1);
        expect(await cluster.do('LPOP', `list-${name}`)).toEqual(Buffer.from('a'));
      }
    });
    const infos = await Promise.all([cluster.info(0), cluster.info(1)]);
    expect(infos.every(({ slots }) => slots > 0)).toBe(true);
    for (const name of names) {
      expect(await cluster.do('HLEN', `hash-${name}`)).toBe(201);
      expect(await cluster.do('HMGET', `hash-${name}`, 'field-1', 'field-2', 'field-3')).toEqual([
        Buffer.from(name),
        Buffer.from('moving'),
        Buffer.from('x'.repeat(100)),
      ]);
      expect(await cluster.do('LRANGE', `list-${name}`, '0', '-1')).toEqual([Buffer.from('b'), Buffer.from(name)]);
      expect(await cluster.do('ZSCORE', `zset-${name}`, name)).toEqual(Buffer.from('2'));
    }
  });

  test('blocks move with what they keep beside their bytes, and a version that is written again counts once', async () => {
    cluster = await HandoverCluster.start(2, 1, { 'handover-bandwidth': '1MiB' });
    const blocks = Array.from({ length: 60 }, (_, number) => {
      const key = Buffer.alloc(blockKeyBytes, number);
      return { key, meta: Buffer.from(`meta-${number}`), body: Buffer.alloc(50_000, number) };
    });
    for (const { key, meta, body } of blocks) expect(await cluster.do('BLOCK.PUT', key, meta, body)).toBe('OK');
    let first = true;
    await cluster.scale(2, async () => {
      if (!first) return;
      first = false;
      for (const { key, meta, body } of blocks.slice(0, 30)) {
        expect(await cluster.do('BLOCK.PUT', key, meta, body)).toBe('OK');
      }
    });
    const infos = await Promise.all([cluster.info(0), cluster.info(1)]);
    expect(infos.every(({ slots }) => slots > 0)).toBe(true);
    for (const { key, meta, body } of blocks) {
      const [storedMeta, storedBody] = (await cluster.do('BLOCK.GET', key)) as Buffer[];
      expect(storedMeta).toEqual(meta);
      expect(storedBody!.equals(body)).toBe(true);
    }
  });

  test('versions of a key and the clock of its deletion go with its slot, and stay over a restart', async () => {
    cluster = await HandoverCluster.start(2, 1);
    const put = async (key: string, seen: Record<string, number> | undefined): Promise<string> => {
      const counters = Object.entries(seen ?? {}).map(([node, count]) => [node, BigInt(count)] as const);
      const clock = seen === undefined ? Buffer.alloc(0) : encodeClock(new Map(counters));
      const [outcome, version] = (await cluster.do('VERSION.PUT', key, 'v', '0', clock)) as [string, Buffer];
      return `${outcome} ${[...decodeClock(version).clock].map(([node, count]) => `${node}:${count}`).join()}`;
    };
    for (const key of keys) expect(await put(key, undefined)).toBe('OK shard-0:1');
    for (const key of keys.slice(100)) expect(Buffer.isBuffer(await cluster.do('VERSION.DEL', key, ''))).toBe(true);
    expect(await cluster.do('DBSIZE')).toBe(100);
    await cluster.scale(2);
    await cluster.stopShard(1);
    await cluster.startShard(1);
    await cluster.linked();
    expect(await cluster.do('DBSIZE')).toBe(100);
    const outcomes = { kept: new Set<string>(), deleted: new Set<string>() };
    for (const [place, key] of keys.entries()) {
      const outcome = await put(key, { 'shard-0': 1 });
      outcomes[place < 100 ? 'kept' : 'deleted'].add(outcome);
    }
    expect([...outcomes.kept].sort()).toEqual(['OK shard-0:1,shard-1:1', 'OK shard-0:2']);
    expect([...outcomes.deleted].sort()).toEqual(['CONFLICT shard-0:1,shard-1:1', 'CONFLICT shard-0:3']);
  });

  test('while the shard that has the values is away they are unavailable, not gone, and come when it is back', async () => {
    cluster = await HandoverCluster.start(2, 1, { 'handover-bandwidth': '1MiB' });
    const value = Buffer.alloc(400_000, 1);
    for (let number = 0; number < 20; number++) await cluster.do('SET', `far-${number}`, value);
    let first = true;
    const seen = new Set<string>();
    await cluster.scale(2, async () => {
      if (!first) return;
      first = false;
      expect(await cluster.do('DBSIZE')).toBe(20);
      await cluster.stopShard(0);
      for (let number = 0; number < 20; number++) {
        const reply = await cluster.do('GET', `far-${number}`);
        seen.add(reply instanceof ReplyError ? reply.code : reply === null ? 'miss' : 'value');
      }
      await cluster.startShard(0);
    });
    expect(seen).not.toContain('miss');
    expect(seen).toContain('UNAVAILABLE');
    for (let number = 0; number < 20; number++) {
      expect(((await cluster.do('GET', `far-${number}`)) as Buffer).equals(value)).toBe(true);
    }
  });

  test('with a hand-over finished, a process that slept through it is brought up to date by its links', async () => {
    cluster = await HandoverCluster.start(2, 2);
    await load();
    await cluster.stopShard(1);
    const old = cluster.topology.slots.topology;
    cluster.topology.offer({ ...old, epoch: old.epoch + 5 });
    await cluster.startShard(1, old);
    await expect.poll(async () => (await cluster.info(1)).epoch, { timeout: 10_000 }).toBe(old.epoch + 5);
    await expectAll('after');
  });
});
