import { expect, test } from 'vitest';
import { slotCount } from '../limits.ts';
import { singleShardTopology, topology } from '../topology/place.ts';
import { SlotMap } from '../topology/slot-map.ts';
import { ShardNodes } from './shard-nodes.ts';

function nodesOf(addresses: readonly string[], self: string): ShardNodes {
  const slots = new SlotMap(
    topology(
      undefined,
      addresses.map((address, number) => ({ name: `shard-${number}`, address })),
    ),
  );
  return new ShardNodes(() => slots, self);
}

test('shards on one host are as far from their links as the one that is asked', () => {
  const nodes = nodesOf(['127.0.0.1:7110', '127.0.0.1:7111', '127.0.0.1:7112'], 'shard-1').nodes({
    host: '127.0.0.1',
    port: 7171,
  });
  expect(nodes.map(({ name, port, isSelf }) => [name, port, isSelf])).toEqual(
    expect.arrayContaining([
      ['shard-0', 7170, false],
      ['shard-1', 7171, true],
      ['shard-2', 7172, false],
    ]),
  );
  const covered = nodes.flatMap(({ slots }) => slots.map(([from, to]) => to - from + 1));
  expect(covered.reduce((sum, count) => sum + count, 0)).toBe(slotCount);
});

test('pods with the same ports are named by their hosts', () => {
  const pods = ['c-shard-0.c-shards.ns.svc:7051', 'c-shard-1.c-shards.ns.svc:7051'];
  const nodes = nodesOf(pods, 'shard-0');
  const found = nodes.nodes({ host: '10.0.0.9', port: 6379 }).map(({ host, port }) => `${host}:${port}`);
  expect(found.sort()).toEqual(['c-shard-0.c-shards.ns.svc:6379', 'c-shard-1.c-shards.ns.svc:6379']);
});

test('every shard gives the nodes the same ids, forty hexadecimal digits long', () => {
  const addresses = ['127.0.0.1:7110', '127.0.0.1:7111'];
  const [first, second] = ['shard-0', 'shard-1'].map((self) =>
    nodesOf(addresses, self)
      .nodes({ host: '127.0.0.1', port: 7170 })
      .map(({ id }) => id)
      .sort(),
  );
  expect(first).toEqual(second);
  expect(first![0]).toMatch(/^[0-9a-f]{40}$/);
});

test('IPv6 addresses are named without brackets', () => {
  const owner = nodesOf(['[fd00::1]:7051', '[fd00::2]:7051'], 'shard-0').nodes({ host: 'fd00::1', port: 6379 });
  expect(owner.map(({ host }) => host).sort()).toEqual(['fd00::1', 'fd00::2']);
});

test('a shard by itself is reached where it was reached', () => {
  const slots = new SlotMap(singleShardTopology('shard-0', '0.0.0.0:7051'));
  const owner = new ShardNodes(() => slots, 'shard-0').ownerOf(5, { host: '192.168.1.2', port: 6379 });
  expect(owner).toMatchObject({ host: '192.168.1.2', port: 6379, isSelf: true });
});

test('a shard without slots is one of the nodes all the same', () => {
  const nodes = nodesOf(['127.0.0.1:7110'], 'shard-9').nodes({ host: '127.0.0.1', port: 7179 });
  expect(nodes.find(({ isSelf }) => isSelf)).toMatchObject({ name: 'shard-9', port: 7179, slots: [] });
});
