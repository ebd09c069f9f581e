import { expect, test } from 'vitest';
import { blockDigestBytes, blockKeyBytes } from '../commands/block-key.ts';
import { type Command, type Executor, libraryContext } from '../commands/command.ts';
import { ReplyError } from '../commands/reply.ts';
import { waitingForSlotsBytesMax, waitingForSlotsMax } from '../limits.ts';
import { TopologyHolder } from '../topology/holder.ts';
import { topology } from '../topology/place.ts';
import { slotOf, slotOfBlock } from '../topology/slot.ts';
import { SlotMap } from '../topology/slot-map.ts';
import { OwnershipExecutor } from './ownership.ts';

const members = [0, 1].map((number) => ({ name: `shard-${number}`, address: `10.0.0.${number}:7000` }));
const holder = new TopologyHolder(topology(undefined, members));
const done: Command[] = [];
const inner: Executor = {
  execute(command) {
    done.push(command);
    return 'OK';
  },
};
const executor = new OwnershipExecutor(inner, holder, 'shard-0');

function run(name: string, ...args: (string | Buffer)[]): unknown {
  done.length = 0;
  return executor.execute({ name, args: args.map((argument) => Buffer.from(argument)) }, libraryContext(1_000));
}

const keys = Array.from({ length: 100 }, (_, number) => `key-${number}`);
const ownerOf = (key: string): string => holder.slots.ownerOf(slotOf(Buffer.from(key)));
const own = keys.filter((key) => ownerOf(key) === 'shard-0');
const foreign = keys.filter((key) => ownerOf(key) === 'shard-1');
const moved = new ReplyError(
  'MOVED',
  `slot ${slotOf(Buffer.from(foreign[0]!))} is at shard-1; a router answers for all shards`,
);

test('a command for an own slot passes, one for a foreign slot names slot and owner, and no address', () => {
  expect(run('GET', own[0]!)).toBe('OK');
  expect(run('GET', foreign[0]!)).toEqual(moved);
  expect(done).toEqual([]);
});

test('every key of a command counts, and nothing else does', () => {
  expect(run('DEL', own[0]!, own[1]!, foreign[0]!)).toEqual(moved);
  expect(run('MSET', own[0]!, 'value', foreign[0]!, 'value')).toEqual(moved);
  expect(run('MSET', own[0]!, foreign[0]!, own[1]!, foreign[1]!)).toBe('OK');
  expect(run('MSETEX', '0', own[0]!, foreign[0]!)).toBe('OK');
  expect(run('SET', own[0]!, foreign[0]!)).toBe('OK');
});

test('a command that one shard must do as a whole takes keys of one slot, whoever owns them', () => {
  const crossSlot = new ReplyError('CROSSSLOT', "Keys in request don't hash to the same slot");
  expect(run('RENAME', own[0]!, own[1]!)).toEqual(crossSlot);
  expect(run('COPY', foreign[0]!, own[1]!, 'REPLACE')).toEqual(crossSlot);
  expect(run('MSETNX', own[0]!, 'v', own[1]!, 'v')).toEqual(crossSlot);
  expect(run('RENAME', own[0]!, `{${own[0]!}}x`)).toBe('OK');
  expect(run('COPY', own[0]!, `{${own[0]!}}x`, 'REPLACE')).toBe('OK');
  expect(run('MSETNX', own[0]!, foreign[0]!, `{${own[0]!}}x`, 'v')).toBe('OK');
  expect(run('RENAME', foreign[0]!, `{${foreign[0]!}}x`)).toEqual(moved);
});

test('a flush during which the topology goes on is to be done again', async () => {
  const flushed = Promise.withResolvers<string>();
  const slow: Executor = { execute: () => flushed.promise };
  const first = new TopologyHolder(topology(undefined, members));
  const shard = new OwnershipExecutor(slow, first, 'shard-0');
  const flush = (epoch: number | undefined): unknown =>
    shard.execute({ name: 'FLUSHALL', args: [] }, { ...libraryContext(1_000), epoch });
  const replies = [flush(1), flush(undefined)];
  first.offer(topology(first.slots.topology, members.slice(0, 1)));
  flushed.resolve('OK');
  expect(await Promise.all(replies)).toEqual([expect.objectContaining({ code: 'MOVED' }), 'OK']);
  expect(await flush(2)).toBe('OK');
});

test('all versions of a block share the slot of its digest', () => {
  const digests = Array.from({ length: 100 }, (_, number) => Buffer.alloc(blockDigestBytes, number + 1));
  const digest = digests.find((item) => holder.slots.ownerOf(slotOfBlock(item)) === 'shard-0')!;
  const key = Buffer.alloc(blockKeyBytes, 0xff);
  digest.copy(key);
  expect(run('BLOCK.GET', key)).toBe('OK');
  expect(run('BLOCK.VERSIONS', digest, '0')).toBe('OK');
});

test('commands without keys, and ones without their arguments, are left to the engine', () => {
  expect(run('DBSIZE')).toBe('OK');
  expect(run('GET')).toBe('OK');
  expect(run('MSET')).toBe('OK');
  expect(run('NONSENSE', 'x')).toBe('OK');
});

test('a newer topology counts from the next command on', () => {
  const alone = topology(holder.slots.topology, members.slice(0, 1));
  expect(run('GET', foreign[0]!)).toEqual(moved);
  holder.offer(alone);
  expect(run('GET', foreign[0]!)).toBe('OK');
});

test('so many commands wait for slots that are not open, others are told to try again, and all are done in order', async () => {
  const opened = Promise.withResolvers<void>();
  let isClosed = true;
  const arriving = {
    hasClosed: () => isClosed,
    closed: () => [],
    isClosed: () => isClosed,
    ready: () => opened.promise,
  };
  const waiting = new OwnershipExecutor(inner, holder, 'shard-0', arriving);
  const set = (value: Buffer): unknown =>
    waiting.execute({ name: 'SET', args: [Buffer.from(own[0]!), value] }, libraryContext(1_000));
  done.length = 0;
  const large = set(Buffer.alloc(waitingForSlotsBytesMax));
  expect(await set(Buffer.alloc(1))).toMatchObject({ code: 'TRYAGAIN' });
  isClosed = false;
  opened.resolve();
  expect(await large).toBe('OK');

  isClosed = true;
  const small = Array.from({ length: waitingForSlotsMax }, (_, number) => set(Buffer.from(String(number))));
  expect(await set(Buffer.alloc(1))).toMatchObject({ code: 'TRYAGAIN' });
  isClosed = false;
  expect(new Set(await Promise.all(small))).toEqual(new Set(['OK']));
  expect(done.slice(1).map(({ args }) => Number(args[1]!.toString()))).toEqual([...small.keys()]);
});

test('a command by a newer topology waits for that topology, and is refused where it does not come', async () => {
  const behind = new TopologyHolder(topology(undefined, members.slice(0, 1)));
  const next = topology(behind.slots.topology, members);
  const shard = new OwnershipExecutor(inner, behind, 'shard-0');
  const slots = new SlotMap(next);
  const keyOf = (owner: string): string => keys.find((key) => slots.ownerOf(slotOf(Buffer.from(key))) === owner)!;
  const get = (key: string): unknown =>
    shard.execute({ name: 'GET', args: [Buffer.from(key)] }, { ...libraryContext(1_000), epoch: next.epoch });
  expect(await get(keyOf('shard-0'))).toMatchObject({ code: 'MOVED' });
  // A question about the process is answered at once: whoever asks wants to know which epoch it runs.
  expect(shard.execute({ name: 'SHARDINFO', args: [] }, { ...libraryContext(1_000), epoch: next.epoch })).toBe('OK');
  const waiting = Promise.all([get(keyOf('shard-0')), get(keyOf('shard-1'))]);
  behind.offer(next);
  expect(await waiting).toEqual(['OK', expect.objectContaining({ code: 'MOVED' })]);
});
