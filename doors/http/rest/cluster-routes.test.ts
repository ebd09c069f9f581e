import { expect, test } from 'vitest';
import { ReplyError } from '../../../commands/reply.ts';
import { SlotMap } from '../../../topology/slot-map.ts';
import { TestApi } from '../testing/api.ts';
import type { ClusterView } from './cluster-view.ts';

const slots = new SlotMap({
  version: 1,
  epoch: 7,
  shards: [
    { name: 'shard-0', address: 'a:7051' },
    { name: 'shard-1', address: 'b:7051' },
  ],
  slots: [
    { from: 0, to: 9_999, shards: ['shard-0'], since: 1 },
    { from: 10_000, to: 16_383, shards: ['shard-1'], since: 7, source: 'shard-0', sourceSince: 1 },
  ],
});
const view: ClusterView = {
  role: 'router',
  name: 'router',
  slots: () => slots,
  links: () => [
    { shard: 'shard-0', state: 'ready' },
    { shard: 'shard-1', state: 'away' },
  ],
};

test('a router tells who owns which slots, what is on the move, and whom it reaches', async () => {
  const api = await TestApi.open({ view });
  try {
    expect((await api.ask('GET', '/api/v1/cluster')).body).toMatchObject({
      role: 'router',
      epoch: 7,
      slot_count: 16_384,
      moving: 6_384,
      shards: [
        { name: 'shard-0', slots: 10_000, link: 'ready' },
        { name: 'shard-1', slots: 6_384, link: 'away' },
      ],
      slots: [
        { from: 0, to: 9_999, shard: 'shard-0' },
        { from: 10_000, to: 16_383, shard: 'shard-1', source: 'shard-0' },
      ],
    });
  } finally {
    await api.close();
  }
});

test('figures name the shards that do not answer', async () => {
  const api = await TestApi.open({ view });
  api.cache.intercept = () => [
    Buffer.from('{"name":"shard-0","keys":3}'),
    new ReplyError('UNAVAILABLE', 'shard shard-1 has no link yet'),
  ];
  try {
    expect((await api.ask('GET', '/api/v1/stats')).body).toMatchObject({
      process: { role: 'router', name: 'router' },
      shards: [
        { name: 'shard-0', keys: 3 },
        { name: 'shard-1', error: 'shard shard-1 has no link yet' },
      ],
    });
  } finally {
    await api.close();
  }
});
