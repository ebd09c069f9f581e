/** Accidents in the middle of hand-overs, one by one: what random histories (model.test.ts) meet only now and then. */
import { open } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { handoverListsInFlightMax } from '../../limits.ts';
import { slotOf } from '../../topology/slot.ts';
import { spaceOfKeys } from '../journal.ts';
import { type FileOperations, systemFiles } from '../log/files.ts';
import { MemoryCluster, type MemoryClusterOptions } from './testing/memory-cluster.ts';

let cluster: MemoryCluster;
afterEach(async () => cluster.close());

const keys = Array.from({ length: 20 }, (_, number) => `key-${number}`);
const everybody = (): boolean => true;

/** Shard 0 has the slots of the keys, shard 1 all others. */
async function startTwo(options: Partial<MemoryClusterOptions> = {}): Promise<void> {
  cluster = new MemoryCluster({ shardCount: 3, ballast: 1, hasBlob: false, log: () => undefined, ...options });
  for (const number of [0, 1]) await cluster.start(number);
  move('shard-0');
  await settled();
}

/** Begins to move the slots of the keys to the shard. */
function move(shard: string): void {
  const owners = new Map(keys.map((key) => [slotOf(Buffer.from(key)), shard]));
  expect(cluster.change(owners, everybody)).toBe(true);
}

async function settled(): Promise<void> {
  await expect.poll(() => cluster.drive(everybody).kind, { timeout: 20_000, interval: 2 }).toBe('steady');
}

async function set(key: string, value: string): Promise<void> {
  expect(await cluster.do(0, ['SET', key, value])).toBe('OK');
}

async function get(key: string): Promise<string> {
  return text(await cluster.do(0, ['GET', key]));
}

function text(reply: Reply): string {
  if (reply instanceof ReplyError) return `${reply.code} ${reply.message}`;
  return Buffer.isBuffer(reply) ? reply.toString() : JSON.stringify(reply);
}

/** Nobody gets values from another shard until the network hurries. */
function holdValues(): void {
  cluster.network.delayOf = (command) => (command === 'HANDOVER.GET' ? 1_000_000 : 0);
}

test('FLUSH makes safe also what a shard without slots of its own still has to give', async () => {
  await startTwo();
  for (const key of keys) await set(key, `value of ${key}`);
  holdValues();
  move('shard-1');
  await expect.poll(async () => cluster.do(0, ['DBSIZE'])).toBe(keys.length);
  expect(await cluster.do(0, ['FLUSH', 'disk'])).toBe('OK');
  await cluster.losePower(0);
  await cluster.start(0);
  cluster.network.hurry();
  await settled();
  for (const key of keys) expect([key, await get(key)]).toEqual([key, `value of ${key}`]);
});

test('keys by the hundred thousand whose source was given up for lost go, and the next change of members is done', async () => {
  await startTwo({ segmentBytes: 16 * 1024 * 1024 });
  const names = Array.from({ length: 150_000 }, (_, number) => `{key-0}${number}`);
  for (let from = 0; from < names.length; from += 1_000) {
    const pairs = names.slice(from, from + 1_000).flatMap((name) => [name, '']);
    expect(await cluster.do(0, ['MSET', ...pairs])).toBe('OK');
  }
  holdValues();
  move('shard-1');
  await expect.poll(async () => cluster.do(0, ['DBSIZE']), { timeout: 20_000 }).toBe(names.length);
  await cluster.losePower(0);
  expect(cluster.abandon(new Set(['shard-0']), everybody)).toBe(true);
  const report = () => cluster.running[1]!.handover.report();
  await expect.poll(report, { timeout: 20_000 }).toMatchObject({ hasArrived: true, keysLeft: 0 });
  expect(await cluster.do(0, ['DBSIZE'])).toBe(0);
}, 60_000);

test('a shard ends while it waits until what has arrived is in a Blob that does not answer', async () => {
  await startTwo({ hasBlob: true });
  for (const key of keys) await set(key, 'value');
  cluster.silenceBlob(true);
  move('shard-1');
  const target = cluster.running[1]!;
  await expect.poll(() => target.handover.report()).toMatchObject({ slotsOpen: keys.length, keysMoved: keys.length });
  await cluster.losePower(1);
  cluster.silenceBlob(false);
  await cluster.start(1);
  await settled();
  for (const key of keys) expect([key, await get(key)]).toEqual([key, 'value']);
});

test('a shard ends while values that are due in hours still have to come', async () => {
  await startTwo({ bandwidth: 1 });
  for (const key of keys) await set(key, 'value'.repeat(1_000));
  move('shard-1');
  await expect.poll(() => cluster.running[1]!.handover.report().keysMoved).toBe(1);
  await cluster.stop(1);
});

test('a value that its shard can read no longer is gone, and holds up no hand-over', async () => {
  await startTwo();
  for (const key of keys) await set(key, `value of ${key}`.padEnd(2_000, '.'));
  const { index, storage } = cluster.running[0]!;
  await storage.flush('disk');
  const { segment, offset, recordBytes } = index.find(spaceOfKeys, keys[7]!)!;
  const file = await open(storage.log.pathOf(segment), 'r+');
  await file.write('damaged', offset + recordBytes - 10);
  await file.close();
  move('shard-1');
  await settled();
  for (const key of keys) {
    const expected = key === keys[7] ? 'null' : `value of ${key}`.padEnd(2_000, '.');
    expect([key, await get(key)]).toEqual([key, expected]);
  }
});

test('a value that cannot come for now holds up no other', async () => {
  await startTwo();
  const names = Array.from({ length: 300 }, (_, number) => `{key-0}${number}`);
  for (const name of names) await set(name, name);
  const asked: string[] = [];
  const refused = new Set<string>();
  cluster.network.replyOf = (_, { name, args }) => {
    if (name !== 'HANDOVER.GET') return undefined;
    const fetched = args.filter((_argument, at) => at % 3 === 2).map((key) => key.toString());
    const isFirst = asked.push(...fetched) === fetched.length;
    if (isFirst) for (const key of fetched) refused.add(key);
    return isFirst ? new ReplyError('BLOBDOWN', 'Blob cannot be reached') : undefined;
  };
  move('shard-1');
  await settled();
  const last = asked.slice(-refused.size);
  expect(new Set(last)).toEqual(refused);
  expect(asked.length).toBe(names.length + refused.size);
});

test('what a shard still has of a slot from before never shows when the slot comes back without its source', async () => {
  await startTwo();
  for (const key of keys) await set(key, 'old');
  move('shard-1');
  await expect.poll(() => cluster.running[1]!.handover.report().keysMoved).toBe(keys.length);
  for (const key of keys) await set(key, 'new');
  await expect.poll(() => cluster.running[1]!.handover.report().hasArrived).toBe(true);
  cluster.network.delayOf = (command) => (command.startsWith('HANDOVER.') ? 1_000_000 : 0);
  // All in one tick: the shard that gave the slots has had no time to forget them.
  expect(cluster.drive(everybody)).toMatchObject({ kind: 'publish', reason: 'arrived' });
  move('shard-0');
  expect(cluster.abandon(new Set(['shard-1']), everybody)).toBe(true);
  await cluster.losePower(1);
  cluster.network.hurry();
  for (const key of keys) expect([key, await get(key)]).toEqual([key, 'null']);
  for (const key of keys) await set(key, 'newest');
  await cluster.stop(0);
  await cluster.start(0);
  for (const key of keys) expect([key, await get(key)]).toEqual([key, 'newest']);
});

test('a slot moves on although values that it lacks are lost', async () => {
  await startTwo();
  for (const key of keys) await set(key, 'value');
  holdValues();
  move('shard-1');
  await expect.poll(() => cluster.running[1]!.handover.report()).toMatchObject({ keysLeft: keys.length });
  await cluster.losePower(0);
  await cluster.start(2);
  // All in one tick: the shard that lacks the values has had no time to give them up.
  expect(cluster.abandon(new Set(['shard-0']), everybody)).toBe(true);
  move('shard-2');
  cluster.network.hurry();
  await settled();
  for (const key of keys) expect([key, await get(key)]).toEqual([key, 'null']);
});

test('a power cut that tears the list of a large slot makes the slot be listed again', async () => {
  await startTwo({ segmentBytes: 16 * 1024 * 1024 });
  const names = Array.from({ length: 10_000 }, (_, number) => `{key-0}${number}`);
  for (let from = 0; from < names.length; from += 1_000) {
    const pairs = names.slice(from, from + 1_000).flatMap((name) => [name, name]);
    expect(await cluster.do(0, ['MSET', ...pairs])).toBe('OK');
  }
  holdValues();
  move('shard-1');
  await expect.poll(async () => cluster.do(0, ['DBSIZE']), { timeout: 20_000 }).toBe(names.length);
  const { log } = cluster.running[1]!.storage;
  await log.written(log.position());
  await cluster.losePower(1, 1_000);
  await cluster.start(1);
  cluster.network.hurry();
  await settled();
  expect(await cluster.do(0, ['DBSIZE'])).toBe(names.length);
});

test('a shard whose disk is full drops the slots that it has given as soon as it can write', async () => {
  let isFull = false;
  const writev: FileOperations['writev'] = async (...args) => {
    if (isFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    return systemFiles.writev(...args);
  };
  const faults: string[] = [];
  await startTwo({
    segmentBytes: 1024 * 1024,
    files: { ...systemFiles, writev },
    log: (message) => faults.push(message),
  });
  const names = Array.from({ length: 600 }, (_, number) => `name-${number}`);
  const slots = names.map((name) => slotOf(Buffer.from(name)));
  cluster.change(new Map(slots.map((slot) => [slot, 'shard-0'])), everybody);
  await settled();
  for (const name of names) await set(name, 'value');
  cluster.change(new Map(slots.map((slot) => [slot, 'shard-1'])), everybody);
  await expect.poll(() => cluster.running[1]!.handover.report().hasArrived, { timeout: 10_000 }).toBe(true);
  isFull = true;
  expect(cluster.drive(everybody)).toMatchObject({ kind: 'publish', reason: 'arrived' });
  await expect.poll(() => faults.find((line) => line.includes('cannot be dropped'))).toContain('the disk is full');
  isFull = false;
  await expect.poll(() => cluster.running[0]!.index.keys, { timeout: 10_000 }).toBe(0);
  for (const name of names) expect([name, await get(name)]).toEqual([name, 'value']);
});

test('a command over all keys opens arriving slots a few at a time', async () => {
  await startTwo();
  const slots = Array.from({ length: 600 }, (_, number) => slotOf(Buffer.from(`name-${number}`)));
  let listing = 0;
  let listingMax = 0;
  cluster.network.delayOf = (command) => {
    if (command !== 'HANDOVER.LIST') return 0;
    listing += 1;
    listingMax = Math.max(listingMax, listing);
    setImmediate(() => (listing -= 1));
    return 0;
  };
  cluster.change(new Map(slots.map((slot) => [slot, 'shard-0'])), everybody);
  const counts = await Promise.all([1, 2, 3].map(async () => cluster.do(0, ['DBSIZE'])));
  expect(counts).toEqual([0, 0, 0]);
  await settled();
  expect(listingMax).toBeLessThanOrEqual(4 * handoverListsInFlightMax);
});

test('of two owners that two publishers name by one epoch, only the one that the source knows opens a slot', async () => {
  await startTwo();
  await cluster.start(2);
  const [key] = keys;
  const before = cluster.topology;
  move('shard-1');
  const known = cluster.topology;
  const other = cluster.movedTo(before, new Map(keys.map((each) => [slotOf(Buffer.from(each)), 'shard-2'])));
  expect(other.epoch).toBe(known.epoch);
  await cluster.stop(2);
  await cluster.start(2, other);
  const setAt = async (number: number) =>
    cluster.running[number]!.execute({ name: 'SET', args: [Buffer.from(key!), Buffer.from('value')] }, 300);
  expect(await setAt(1)).toBe('OK');
  expect(await setAt(2)).toMatchObject({ code: 'MOVED' });
});

test('a value in parts arrives whole, moves on, and survives its shards', async () => {
  await startTwo({ segmentBytes: 16 * 1024 * 1024, bandwidth: 1e9 });
  const value = Buffer.alloc(20 * 1024 * 1024, 'parts');
  expect(await cluster.do(0, ['SET', keys[0]!, value])).toBe('OK');
  for (const target of [1, 0]) {
    move(`shard-${target}`);
    await expect.poll(() => cluster.running[target]!.handover.report().hasArrived, { timeout: 20_000 }).toBe(true);
    // Only the arrival was waited for: it has made everything safe.
    await cluster.losePower(target);
    await cluster.start(target);
    await settled();
    const reply = (await cluster.do(0, ['GET', keys[0]!])) as Buffer;
    expect(reply.equals(value)).toBe(true);
  }
});

test('a write that waits for its value while its slot goes is done by the new owner', async () => {
  await startTwo();
  await set(keys[0]!, 'old'.repeat(1_000));
  const { storage } = cluster.running[0]!;
  const reading = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const read = storage.read.bind(storage);
  storage.read = async (entry) => {
    reading.resolve();
    await released.promise;
    return read(entry);
  };
  const appending = cluster.do(0, ['APPEND', keys[0]!, '!']);
  await reading.promise;
  holdValues();
  move('shard-1');
  await set(keys[0]!, 'new');
  released.resolve();
  expect(await appending).toBe('new!'.length);
  expect(await get(keys[0]!)).toBe('new!');
});

test('what a source has listed stays as it is, also when it loses power', async () => {
  await startTwo();
  const [overwritten, deleted, unwritten] = keys as [string, string, string];
  expect(await cluster.do(0, ['SET', overwritten, 'old', 'PX', '100000'])).toBe('OK');
  await set(deleted, 'old');
  expect(await cluster.do(0, ['FLUSH', 'disk'])).toBe('OK');
  await set(overwritten, 'new');
  expect(await cluster.do(0, ['DEL', deleted])).toBe(1);
  await set(unwritten, 'new');
  holdValues();
  move('shard-1');
  await expect.poll(async () => cluster.do(0, ['DBSIZE'])).toBe(2);
  await cluster.losePower(0);
  await cluster.start(0);
  cluster.network.hurry();
  await settled();
  expect([await get(overwritten), await get(deleted), await get(unwritten)]).toEqual(['new', 'null', 'new']);
  expect(await cluster.do(0, ['PTTL', overwritten])).toBe(-1);
});

test('a source that has lost its disk gives the older value of a key with its own type and expiry', async () => {
  await startTwo({ hasBlob: true });
  const [read, moved] = keys as [string, string];
  for (const key of [read, moved]) expect(await cluster.do(0, ['SET', key, 'old', 'PX', '100000'])).toBe('OK');
  expect(await cluster.do(0, ['FLUSH', 'blob'])).toBe('OK');
  cluster.silenceBlob(true);
  for (const key of [read, moved]) {
    expect(await cluster.do(0, ['DEL', key])).toBe(1);
    expect(await cluster.do(0, ['HSET', key, 'field', 'new'])).toBe(1);
  }
  holdValues();
  move('shard-1');
  await expect.poll(async () => cluster.do(0, ['DBSIZE'])).toBe(2);
  await cluster.losePower(0);
  cluster.loseDisk(0);
  cluster.silenceBlob(false);
  await cluster.start(0);
  cluster.network.hurry();
  await expect.poll(() => get(read)).toBe('old');
  await settled();
  expect([await get(read), await get(moved)]).toEqual(['old', 'old']);
  expect(await cluster.do(0, ['PTTL', moved])).toBeGreaterThan(0);
});
