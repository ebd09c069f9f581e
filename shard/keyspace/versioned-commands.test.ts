import { afterEach, describe, expect, it } from 'vitest';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { clockCounterMax, decodeClock, encodeClock } from '../../commands/vector-clock.ts';
import { siblingsMax, tombstoneLifeMs } from '../../limits.ts';
import { TestShard } from '../../testing/engine-shard.ts';

const shards: TestShard[] = [];
afterEach(() => {
  for (const shard of shards.splice(0)) shard.engine.close();
});

function open(options: ConstructorParameters<typeof TestShard>[0] = {}): TestShard {
  const shard = new TestShard(options);
  shards.push(shard);
  return shard;
}

const blind = Buffer.alloc(0);
const clock = (counters: Record<string, number | bigint>): Buffer =>
  encodeClock(new Map(Object.entries(counters).map(([node, counter]) => [node, BigInt(counter)])));
const counters = (bytes: Reply): Record<string, number> =>
  Object.fromEntries([...decodeClock(bytes as Buffer).clock].map(([node, counter]) => [node, Number(counter)]));

/** [value or null, clock] of each sibling, the newest first. */
function siblings(reply: Reply): [string | null, Record<string, number>][] | null {
  if (reply === null || reply instanceof ReplyError) return reply as null;
  return (reply as [Buffer, Buffer | null][]).map(([at, value]) => [
    value === null ? null : String(value),
    counters(at),
  ]);
}

function put(shard: TestShard, key: string, value: string, seen: Buffer = blind, expireAtMs = 0): [string, unknown] {
  const [outcome, at] = shard.run('VERSION.PUT', key, value, expireAtMs, seen) as [string, Buffer];
  return [outcome, counters(at)];
}

const stores = [
  ['with a journal', true],
  ['in RAM alone', false],
] as const;

describe.each(stores)('keys with versions, %s', (_, withJournal) => {
  it('count the writes of the node that takes them', () => {
    const shard = open({ withJournal });
    expect(put(shard, 'k', 'v1')).toEqual(['OK', { 'node-0': 1 }]);
    expect(siblings(shard.run('VERSION.GET', 'k'))).toEqual([['v1', { 'node-0': 1 }]]);
    expect(put(shard, 'k', 'v2', clock({ 'node-0': 1 }))).toEqual(['OK', { 'node-0': 2 }]);
    expect(put(shard, 'k', 'v3')).toEqual(['OK', { 'node-0': 3 }]);
    expect(siblings(shard.run('VERSION.GET', 'k'))).toEqual([['v3', { 'node-0': 3 }]]);
    expect(shard.run('VERSION.GET', 'other')).toBeNull();
  });

  it('keep siblings until somebody who has seen them writes', () => {
    const shard = open({ withJournal });
    put(shard, 'k', 'v1');
    put(shard, 'k', 'v2', clock({ 'node-0': 1 }));
    expect(put(shard, 'k', 'v3', clock({ 'node-0': 1 }))).toEqual(['CONFLICT', { 'node-0': 3 }]);
    expect(put(shard, 'k', 'v4', clock({ far: 1 }))).toEqual(['CONFLICT', { far: 1, 'node-0': 4 }]);
    expect(siblings(shard.run('VERSION.GET', 'k'))).toEqual([
      ['v4', { far: 1, 'node-0': 4 }],
      ['v3', { 'node-0': 3 }],
      ['v2', { 'node-0': 2 }],
    ]);
    expect(put(shard, 'k', 'v5', clock({ 'node-0': 3 }))).toEqual(['CONFLICT', { 'node-0': 5 }]);
    expect(put(shard, 'k', 'all', clock({ 'node-0': 5, far: 1 }))).toEqual(['OK', { 'node-0': 6, far: 1 }]);
    expect(siblings(shard.run('VERSION.GET', 'k'))).toEqual([['all', { 'node-0': 6, far: 1 }]]);
  });

  it('remember their deletion, so that whoever has not seen it is told', () => {
    const shard = open({ withJournal });
    put(shard, 'k', 'v1');
    expect(counters(shard.run('VERSION.DEL', 'k', clock({ 'node-0': 1 })))).toEqual({ 'node-0': 2 });
    expect(shard.run('VERSION.GET', 'k')).toBeNull();
    expect(shard.run('VERSION.DEL', 'k', blind)).toBeNull();
    expect([shard.run('EXISTS', 'k'), shard.run('DBSIZE'), shard.run('GET', 'k')]).toEqual([0, 0, null]);
    expect(put(shard, 'k', 'late', clock({ 'node-0': 1 }))).toEqual(['CONFLICT', { 'node-0': 3 }]);
    expect(siblings(shard.run('VERSION.GET', 'k'))).toEqual([
      ['late', { 'node-0': 3 }],
      [null, { 'node-0': 2 }],
    ]);
    expect(put(shard, 'k', 'new', clock({ 'node-0': 3 }))).toEqual(['OK', { 'node-0': 4 }]);
    expect(siblings(shard.run('VERSION.GET', 'k'))).toEqual([['new', { 'node-0': 4 }]]);
    expect(shard.index.size).toBe(1);
  });

  it('forget a deletion after a day', () => {
    const shard = open({ withJournal });
    put(shard, 'k', 'v');
    shard.run('VERSION.DEL', 'k', blind);
    shard.clock.advance(tombstoneLifeMs);
    expect(put(shard, 'k', 'v')).toEqual(['OK', { 'node-0': 1 }]);
  });

  it('keep a value beside a deletion that has not seen it', () => {
    const shard = open({ withJournal });
    put(shard, 'k', 'v1');
    put(shard, 'k', 'v2');
    shard.run('VERSION.DEL', 'k', clock({ 'node-0': 1 }));
    expect(siblings(shard.run('VERSION.GET', 'k'))).toEqual([
      [null, { 'node-0': 3 }],
      ['v2', { 'node-0': 2 }],
    ]);
    expect(shard.run('GET', 'k')).toEqual(Buffer.from('v2'));
  });

  it('live as long as the longest of the siblings', () => {
    const shard = open({ withJournal });
    const soon = shard.clock.now() + 1_000;
    put(shard, 'k', 'v1', blind, soon);
    expect(shard.run('PTTL', 'k')).toBe(1_000);
    put(shard, 'k', 'v2', clock({ far: 1 }), soon + 1_000);
    expect(shard.run('PTTL', 'k')).toBe(2_000);
    put(shard, 'k', 'v3', clock({ far: 2 }));
    expect(shard.run('PTTL', 'k')).toBe(-1);
    put(shard, 'k', 'v4', blind, soon);
    shard.clock.advance(1_000);
    expect(shard.run('VERSION.GET', 'k')).toBeNull();
  });

  it('are one value to commands that know no versions, and these are writes of this node', () => {
    const shard = open({ withJournal });
    put(shard, 'k', '1');
    put(shard, 'k', '7', clock({ far: 1 }));
    expect(shard.run('GET', 'k')).toEqual(Buffer.from('7'));
    expect([shard.run('STRLEN', 'k'), shard.run('TYPE', 'k')]).toEqual([1, 'string']);
    expect(shard.run('INCR', 'k')).toBe(8);
    expect(siblings(shard.run('VERSION.GET', 'k'))).toEqual([['8', { 'node-0': 3, far: 1 }]]);
    shard.run('SET', 'k', 'plain');
    expect(siblings(shard.run('VERSION.GET', 'k'))).toEqual([['plain', { 'node-0': 4, far: 1 }]]);
    shard.run('EXPIRE', 'k', 100);
    expect(siblings(shard.run('VERSION.GET', 'k'))).toEqual([['plain', { 'node-0': 4, far: 1 }]]);
    shard.run('MSET', 'other', 'x', 'k', 'many');
    expect(siblings(shard.run('VERSION.GET', 'k'))).toEqual([['many', { 'node-0': 5, far: 1 }]]);
    expect(shard.run('DEL', 'k')).toBe(1);
    expect(shard.run('VERSION.GET', 'k')).toBeNull();
    shard.run('SET', 'k', 'again');
    expect(siblings(shard.run('VERSION.GET', 'k'))).toEqual([['again', { 'node-0': 7, far: 1 }]]);
    expect(siblings(shard.run('VERSION.GET', 'other'))).toEqual([['x', {}]]);
    expect(put(shard, 'other', 'y', clock({}))).toEqual(['OK', { 'node-0': 1 }]);
  });

  it('are refused where their clocks and siblings are out of bounds', () => {
    const shard = open({ withJournal });
    const refused = (seen: Buffer): ReplyError => shard.run('VERSION.PUT', 'k', 'v', 0, seen) as ReplyError;
    expect(refused(Buffer.from([0])).message).toBe('malformed clock');
    expect(refused(Buffer.from([0, 0, 0])).message).toBe('malformed clock');
    expect(refused(clock({ 'node-0': clockCounterMax })).message).toContain('beyond 64 bits');
    const many = Object.fromEntries(Array.from({ length: 70 }, (_none, index) => [`n${index}`, 1]));
    expect(refused(clock(many)).code).toBe('TOOLARGE');
    for (let index = 0; index < siblingsMax; index++) put(shard, 'k', 'v', clock({}));
    expect(refused(clock({})).message).toContain(`${siblingsMax + 1} versions`);
    expect(siblings(shard.run('VERSION.GET', 'k'))).toHaveLength(siblingsMax);
  });
});

describe('clocks that are not in RAM', () => {
  it('are no hindrance to a flush, which keeps none', async () => {
    const shard = open();
    put(shard, 'k', 'v');
    shard.chill();
    expect(await shard.begin('FLUSHALL')).toBe('OK');
    expect(put(shard, 'k', 'v')).toEqual(['OK', { 'node-0': 1 }]);
  });

  it('are read before a key is written or deleted', async () => {
    const shard = open();
    put(shard, 'k', 'v');
    put(shard, 'k', 'w', clock({ far: 1 }));
    shard.chill();
    expect(await shard.begin('SET', 'k', 'x')).toBe('OK');
    expect(siblings(await shard.begin('VERSION.GET', 'k'))).toEqual([['x', { 'node-0': 3, far: 1 }]]);
    shard.chill();
    expect(await shard.begin('GETSET', 'k', 'y')).toEqual(Buffer.from('x'));
    shard.chill();
    expect(await shard.begin('DEL', 'k')).toBe(1);
    shard.chill();
    expect(await shard.begin('SET', 'k', 'z')).toBe('OK');
    shard.chill();
    expect(siblings(await shard.begin('VERSION.GET', 'k'))).toEqual([['z', { 'node-0': 6, far: 1 }]]);
    shard.chill();
    await shard.begin('VERSION.DEL', 'k', blind);
    shard.chill();
    const [outcome] = (await shard.begin('VERSION.PUT', 'k', 'late', 0, clock({ 'node-0': 6 }))) as [string];
    expect(outcome).toBe('CONFLICT');
  });

  it('have a write that comes upon them tried again, with nothing written', async () => {
    const shard = open();
    put(shard, '{k}to', 'v');
    shard.run('SET', '{k}from', 'w');
    shard.chill();
    const first = (await shard.begin('RENAME', '{k}from', '{k}to')) as ReplyError;
    expect(first.code).toBe('TRYAGAIN');
    expect(await shard.begin('GET', '{k}from')).toEqual(Buffer.from('w'));
    expect(await shard.begin('RENAME', '{k}from', '{k}to')).toBe('OK');
    expect(siblings(await shard.begin('VERSION.GET', '{k}to'))).toEqual([['w', { 'node-0': 2 }]]);
  });
});
