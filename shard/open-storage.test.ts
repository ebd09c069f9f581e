import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { LiveSettings } from '../settings/live.ts';
import { loadSettings } from '../settings/load.ts';
import { temporaryFolder } from '../testing/store.ts';
import { topology } from '../topology/place.ts';
import { TopologySource } from '../topology/source.ts';
import type { Topology } from '../topology/topology.ts';
import { systemClock } from './clock.ts';
import { HotTier } from './hot/hot-tier.ts';
import { spaceOfKeys } from './journal.ts';
import { KeyIndex } from './keyspace/key-index.ts';
import { openShardStorage } from './open-storage.ts';
import type { Storage } from './storage/storage.ts';

const members = [0, 1].map((number) => ({ name: `shard-${number}`, address: `127.0.0.1:${7000 + number}` }));
const first = topology(undefined, members.slice(0, 1));
const second = topology(first, members);
const folder = temporaryFolder('open-storage');
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  folder.remove();
});

/** Opens the storage of shard-1 while it runs by this topology; `onLook` is called while recovery looks at records. */
async function openBy(known: Topology, onLook?: (source: TopologySource) => void): Promise<Storage> {
  const flags = { 'shard-name': 'shard-1', 'data-path': folder.path };
  const live = new LiveSettings(loadSettings({ role: 'shard', flags, environment: {} }), 'shard');
  const source = await TopologySource.open({ fallback: known });
  ends.push(() => source.close());
  const index = new KeyIndex(new HotTier({ limitBytes: 1024 * 1024 }), systemClock);
  const entriesOfSlot = index.entriesOfSlot.bind(index);
  index.entriesOfSlot = (slot) => {
    onLook?.(source);
    return entriesOfSlot(slot);
  };
  return (await openShardStorage(live, index, source, pino({ level: 'silent' }), () => undefined)).storage;
}

test('a topology that comes in the middle of recovery hides none of the data', async () => {
  const storage = await openBy(second);
  const slot = second.slots.find(({ shards }) => shards[0] === 'shard-1')!.from;
  storage.append([{ space: spaceOfKeys, key: Buffer.from('key'), slot, expireAtMs: 0, body: Buffer.from('v') }]);
  await storage.close({ flush: true });
  const opening = openBy(first, (source) => source.offer(second));
  await expect(opening).rejects.toThrow(/written under topology epoch 2, but the topology given is of epoch 1/);
});
