import { describe, expect, it } from 'vitest';
import { blockKey } from '../../commands/block-key.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { KvcacheError } from '../../errors.ts';
import { blockVersionsMax } from '../../limits.ts';
import { TestShard } from '../../testing/engine-shard.ts';

const text = (reply: Reply): Reply => (Buffer.isBuffer(reply) ? reply.toString('latin1') : reply);
const digest = Buffer.alloc(20, 0xab);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe.each([{ withJournal: false }, { withJournal: true }])('an engine, journal: $withJournal', (options) => {
  it('answers what was set, at once', () => {
    const shard = new TestShard(options);
    expect(shard.run('SET', 'key', 'value')).toBe('OK');
    expect(text(shard.run('GET', 'key'))).toBe('value');
    expect(shard.run('GET', 'other')).toBeNull();
    expect(shard.run('STRLEN', 'key')).toBe(5);
    expect(shard.run('DBSIZE')).toBe(1);
  });

  it('keeps binary keys and empty values apart from everything else', () => {
    const shard = new TestShard(options);
    const keys = [Buffer.from([0x80]), Buffer.from([0xc2, 0x80]), Buffer.from([0xff, 0x00]), Buffer.from([0x00])];
    for (const [index, key] of keys.entries()) shard.run('SET', key, Buffer.alloc(index, 0xf0 + index));
    keys.forEach((key, index) => expect(shard.run('GET', key)).toEqual(Buffer.alloc(index, 0xf0 + index)));
  });

  it('counts what EXISTS and DEL name, a key named twice as Redis does', () => {
    const shard = new TestShard(options);
    shard.run('MSET', 'a', '1', 'b', '2');
    expect(shard.run('EXISTS', 'a', 'a', 'b', 'c')).toBe(3);
    expect(shard.run('DEL', 'a', 'a', 'c')).toBe(1);
    expect(shard.run('DEL', 'c')).toBe(0);
    expect(shard.run('EXISTS', 'a', 'b')).toBe(1);
  });

  it('deletes with a time of expiry that has passed, in Blob too, without reading what goes', async () => {
    const shard = new TestShard(options);
    shard.run('SET', 'a', '1');
    shard.chill();
    shard.journal.readFault = new KvcacheError('BLOBDOWN', 'no connection');
    const isThere = options.withJournal ? 1 : 0;
    expect(await shard.begin('PEXPIRE', 'a', -1, 'XX')).toBe(0);
    expect(await shard.begin('PEXPIREAT', 'a', 1, 'NX')).toBe(isThere);
    expect(shard.run('EXISTS', 'a')).toBe(0);
  });

  it('takes a key without a byte as any other', () => {
    const shard = new TestShard(options);
    expect(shard.run('SET', '', 'v')).toBe('OK');
    expect(text(shard.run('GET', ''))).toBe('v');
    expect(shard.run('PREFIXSCAN', '', '', 10, 'KEYS')).toEqual([Buffer.alloc(0), [Buffer.alloc(0)]]);
    expect(shard.run('DEL', '')).toBe(1);
  });

  it('takes the last value of a key that MSET names twice', () => {
    const shard = new TestShard(options);
    shard.run('MSET', 'a', '1', 'a', '2');
    expect((shard.run('MGET', 'a', 'b') as Reply[]).map(text)).toEqual(['2', null]);
  });

  it('sets only if the condition is met', () => {
    const shard = new TestShard(options);
    expect(shard.run('SET', 'a', '1', 'XX')).toBeNull();
    expect(shard.run('SET', 'a', '1', 'nx')).toBe('OK');
    expect(shard.run('SET', 'a', '2', 'NX')).toBeNull();
    expect(shard.run('SET', 'a', '3', 'XX', 'PX', 50)).toBe('OK');
    expect(text(shard.run('GET', 'a'))).toBe('3');
    expect(shard.run('PTTL', 'a')).toBe(50);
  });

  it('clears the expiry with SET unless asked to keep it', () => {
    const shard = new TestShard(options);
    shard.run('SET', 'a', '1', 'EX', 10);
    shard.run('SET', 'a', '2', 'KEEPTTL');
    expect(shard.run('TTL', 'a')).toBe(10);
    shard.run('SET', 'a', '3');
    expect(shard.run('TTL', 'a')).toBe(-1);
    expect(shard.run('TTL', 'b')).toBe(-2);
  });

  it('changes expiry by every unit, and deletes by a time that has passed', async () => {
    const shard = new TestShard(options);
    const nowMs = shard.clock.now();
    shard.run('SET', 'a', '1');
    expect(await shard.begin('EXPIRE', 'a', 5)).toBe(1);
    expect(shard.run('PTTL', 'a')).toBe(5_000);
    expect(await shard.begin('PEXPIRE', 'a', 700)).toBe(1);
    expect(shard.run('TTL', 'a')).toBe(1);
    expect(await shard.begin('EXPIREAT', 'a', nowMs / 1_000 + 9)).toBe(1);
    expect(shard.run('PEXPIRETIME', 'a')).toBe(nowMs + 9_000);
    expect(await shard.begin('PERSIST', 'a')).toBe(1);
    expect(await shard.begin('PERSIST', 'a')).toBe(0);
    expect(await shard.begin('PEXPIREAT', 'a', nowMs - 1)).toBe(1);
    expect(shard.run('GET', 'a')).toBeNull();
    expect(await shard.begin('EXPIRE', 'a', 5)).toBe(0);
  });

  it('expires on access and by the wheel', () => {
    const shard = new TestShard(options);
    shard.run('SET', 'read', '1', 'PX', 50);
    shard.run('SET', 'unread', '1', 'PX', 60_000);
    shard.clock.set(shard.clock.now() + 50);
    expect(shard.run('GET', 'read')).toBeNull();
    shard.clock.advance(60_200);
    expect(shard.run('DBSIZE')).toBe(0);
    expect(shard.engine.stats().expired).toEqual({ onAccess: 1, byWheel: 1 });
  });

  it('does not revive what has expired when the clock is set back', () => {
    const shard = new TestShard(options);
    const nowMs = shard.clock.now();
    shard.run('SET', 'a', '1', 'PXAT', nowMs + 10);
    shard.engine.observeTime(nowMs + 20);
    expect(shard.run('GET', 'a')).toBeNull();
  });

  it.each<[string, (string | number)[], string]>([
    ['SET', ['k', 'v', 'PX', '0'], "invalid expire time in 'set' command"],
    ['SET', ['k', 'v', 'PX', '1.5'], 'value is not an integer or out of range'],
    ['SET', ['k', 'v', 'EX', '9007199254740991'], "invalid expire time in 'set' command"],
    ['SET', ['k', 'v', 'EX', '1', 'KEEPTTL'], 'syntax error'],
    ['SET', ['k', 'v', 'NX', 'XX'], 'syntax error'],
    ['SET', ['k', 'v', 'EX'], 'syntax error'],
    ['EXPIRE', ['k', '+5'], 'value is not an integer or out of range'],
    ['EXPIRE', ['k', '05'], 'value is not an integer or out of range'],
    ['EXPIRE', ['k', ''], 'value is not an integer or out of range'],
    ['EXPIRE', ['k', '9007199254740991'], "invalid expire time in 'expire' command"],
    ['MSET', ['k', 'v', 'k'], "wrong number of arguments for 'mset' command"],
    ['MSETEX', ['-1', 'k', 'v'], "invalid expire time in 'msetex' command"],
    ['PREFIXSCAN', ['bad', '', '1', 'KEYS'], 'invalid cursor'],
    ['PREFIXSCAN', ['', '', '0', 'KEYS'], 'syntax error'],
    ['BLOCK.GET', ['short'], 'a block key has 36 bytes, not 5'],
    ['EVAL', [], "unknown command 'EVAL'"],
  ])('answers %s %j with an error', (name, args, message) => {
    expect(new TestShard(options).run(name, ...args)).toEqual(new ReplyError('ERR', message));
  });

  it('stores block versions newest first, once each, and drops the oldest beyond the bound', () => {
    const shard = new TestShard(options);
    for (let hash = 1; hash <= blockVersionsMax + 2; hash++) {
      expect(shard.run('BLOCK.PUT', blockKey(digest, BigInt(hash), 7n), `meta${hash}`, `body${hash}`)).toBe('OK');
      expect(shard.run('BLOCK.PUT', blockKey(digest, BigInt(hash), 7n), 'other', 'other')).toBe('OK');
    }
    const [versions] = shard.run('BLOCK.VERSIONS', digest, 3, Buffer.alloc(20), 4) as [Buffer, null];
    expect(versions.byteLength).toBe(blockVersionsMax * 16);
    expect(versions.readBigUInt64BE(0)).toBe(BigInt(blockVersionsMax + 2));
    expect(versions.readBigUInt64BE(8)).toBe(7n);
    expect((shard.run('BLOCK.GET', blockKey(digest, 3n, 7n)) as Reply[]).map(text)).toEqual(['meta3', 'body3']);
    expect(shard.run('BLOCK.GET', blockKey(digest, 2n, 7n))).toBeNull();
    expect(shard.run('BLOCK.GET', blockKey(digest, 3n, 8n))).toBeNull();
    expect(shard.run('DBSIZE')).toBe(0);
  });
});

describe('an engine without a journal', () => {
  it('deletes keys that fall out of RAM, the least recently used first, and counts them', () => {
    const shard = new TestShard({ withJournal: false, hotBytes: 1 << 20 });
    for (let index = 0; index < 10; index++) {
      shard.run('SET', `key${index}`, Buffer.alloc(200_000));
      shard.run('GET', 'key0');
    }
    expect(shard.run('DBSIZE')).toBe(5);
    expect(shard.run('STRLEN', 'key0')).toBe(200_000);
    expect(shard.run('STRLEN', 'key9')).toBe(200_000);
    expect(shard.engine.stats().evictions.ram).toBe(5);
  });

  it('refuses what it can never promise or hold', async () => {
    const shard = new TestShard({ withJournal: false, hotBytes: 1 << 20 });
    expect(await shard.beginIn({ acknowledgement: 'disk' }, 'SET', 'a', '1')).toMatchObject({ code: 'ERR' });
    expect(shard.run('SET', 'a', Buffer.alloc(1 << 21))).toMatchObject({ code: 'TOOLARGE' });
    expect(shard.run('DBSIZE')).toBe(0);
  });
});

describe('an engine over a journal', () => {
  it('reads values from below RAM and keeps them there unless they are large', async () => {
    const shard = new TestShard({ diskThresholdBytes: 1_000 });
    shard.run('SET', 'small', Buffer.alloc(1_000, 1));
    shard.run('SET', 'large', Buffer.alloc(1_001, 2));
    shard.chill();
    expect(await shard.begin('GET', 'small')).toEqual(Buffer.alloc(1_000, 1));
    expect(shard.run('GET', 'small')).toEqual(Buffer.alloc(1_000, 1));
    expect(await shard.begin('GET', 'large')).toEqual(Buffer.alloc(1_001, 2));
    expect(await shard.begin('GET', 'large')).toEqual(Buffer.alloc(1_001, 2));
    expect(shard.run('GET', 'large')).toEqual(Buffer.alloc(1_001, 2));
    expect(shard.journal.reads).toBe(3);
  });

  it('waits for the acknowledgement asked for, and never for less than the minimum', async () => {
    const shard = new TestShard({ minimumAcknowledgement: 'disk' });
    const reply = shard.begin('SET', 'a', '1');
    const stronger = shard.beginIn({ acknowledgement: 'blob' }, 'MSET', 'b', '1', 'c', '2');
    expect(shard.journal.unsafe).toBe(2);
    shard.journal.makeSafe();
    expect(await reply).toBe('OK');
    expect(await stronger).toBe('OK');
    const failing = shard.begin('DEL', 'a');
    shard.journal.makeSafe(new KvcacheError('DISKFULL', 'no space'));
    expect(await failing).toMatchObject({ code: 'DISKFULL' });
  });

  it('waits for the record of a block that is written again with a stronger acknowledgement', async () => {
    const shard = new TestShard();
    const key = blockKey(digest, 1n, 0n);
    shard.run('BLOCK.PUT', key, 'm', 'b');
    const again = shard.beginIn({ acknowledgement: 'blob' }, 'BLOCK.PUT', key, 'm', 'b');
    expect(shard.journal.unsafe).toBe(1);
    shard.journal.makeSafe();
    expect(await again).toBe('OK');
    expect(shard.journal.groups).toHaveLength(1);
  });

  it('writes a block again whose record cannot be read', async () => {
    const shard = new TestShard();
    const key = blockKey(digest, 1n, 0n);
    shard.run('BLOCK.PUT', key, 'm', 'b');
    shard.chill();
    shard.journal.readFault = new KvcacheError('CORRUPT', 'checksum');
    expect(await shard.begin('BLOCK.GET', key)).toEqual(new ReplyError('CORRUPT', 'checksum'));
    shard.run('BLOCK.PUT', key, 'm', 'b');
    expect((shard.run('BLOCK.GET', key) as Reply[]).map(text)).toEqual(['m', 'b']);
  });

  it('lets writes wait in order while the log is full, and reads see what was applied', async () => {
    const shard = new TestShard();
    shard.run('SET', 'a', '0');
    shard.journal.isFull = true;
    const first = shard.begin('SET', 'a', '1');
    shard.journal.isFull = false;
    const second = shard.begin('SET', 'a', '2');
    const third = shard.begin('DEL', 'a');
    const fourth = shard.begin('SET', 'a', '4', 'NX');
    expect(text(shard.run('GET', 'a'))).toBe('0');
    shard.journal.makeRoom();
    expect(await Promise.all([first, second, third, fourth])).toEqual(['OK', 'OK', 1, 'OK']);
    expect(text(shard.run('GET', 'a'))).toBe('4');
  });

  it('tells a waiting writer why the log takes nothing, and those behind it get their turn', async () => {
    const shard = new TestShard();
    shard.journal.isFull = true;
    const refused = shard.begin('SET', 'a', '1');
    const late = shard.beginIn({ deadlineMs: shard.clock.now() + 10 }, 'SET', 'a', '2');
    const cancelled = shard.beginIn({ signal: AbortSignal.abort() }, 'SET', 'a', '3');
    const next = shard.begin('SET', 'a', '4');
    shard.journal.isFull = false;
    shard.clock.set(shard.clock.now() + 10);
    shard.journal.makeRoom(new KvcacheError('BLOBFULL', 'blob.max_unflushed reached'));
    expect(await refused).toEqual(new ReplyError('BLOBFULL', 'blob.max_unflushed reached'));
    expect(await late).toMatchObject({ code: 'TIMEOUT' });
    expect(await cancelled).toMatchObject({ code: 'CANCELLED' });
    expect(await next).toBe('OK');
    expect(text(shard.run('GET', 'a'))).toBe('4');
  });

  it('keeps the order of writes to a key whose expiry waits for a read, and holds up no other key', async () => {
    const shard = new TestShard();
    shard.run('SET', 'a', '1');
    shard.chill();
    shard.journal.holdsReads = true;
    const expire = shard.begin('PEXPIRE', 'a', 1_000);
    const again = shard.begin('PEXPIRE', 'a', 2_000);
    const kept = shard.begin('SET', 'a', '2', 'KEEPTTL');
    expect(shard.run('SET', 'b', '1')).toBe('OK');
    const both = shard.begin('MSET', 'a', '3', 'b', '3');
    expect(shard.run('PTTL', 'a')).toBe(-1);
    await turn();
    shard.journal.answerReads();
    expect(await Promise.all([expire, again, kept])).toEqual([1, 1, 'OK']);
    expect(await both).toBe('OK');
    expect(shard.run('PTTL', 'a')).toBe(-1);
    expect((shard.run('MGET', 'a', 'b') as Reply[]).map(text)).toEqual(['3', '3']);
  });

  it('starts a read again if the record moves or is overwritten under it', async () => {
    const shard = new TestShard();
    shard.run('MSET', 'moved', '1', 'written', '1', 'gone', '1');
    shard.chill();
    shard.journal.holdsReads = true;
    const replies = ['moved', 'written', 'gone'].map((key) => shard.begin('GET', key));
    shard.journal.move(shard.index.find(0, 'moved')!);
    shard.run('SET', 'written', '2');
    shard.run('DEL', 'gone');
    shard.journal.holdsReads = false;
    shard.journal.answerReads();
    expect((await Promise.all(replies)).map(text)).toEqual(['1', '2', null]);
  });

  it('deletes several keys, and drops surplus block versions, in one group each', () => {
    const shard = new TestShard();
    shard.run('MSET', 'a', '1', 'b', '2');
    shard.run('DEL', 'a', 'b', 'c');
    expect(shard.journal.groups.map((group) => group.length)).toEqual([2, 2]);
    for (let hash = 0; hash <= blockVersionsMax; hash++) {
      shard.run('BLOCK.PUT', blockKey(digest, BigInt(hash), 7n), 'm', 'b');
    }
    expect(shard.journal.groups.at(-1)!.map(({ body }) => body === undefined)).toEqual([true, false]);
  });

  it('refuses waiting and later commands once closed', async () => {
    const shard = new TestShard();
    shard.journal.isFull = true;
    const waiting = shard.begin('SET', 'a', '1');
    shard.engine.close();
    expect(await waiting).toMatchObject({ code: 'SHUTDOWN' });
    expect(shard.run('GET', 'a')).toMatchObject({ code: 'SHUTDOWN' });
  });
});
