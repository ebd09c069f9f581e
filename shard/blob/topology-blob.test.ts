import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestAzurite } from '../../testing/azurite.ts';
import { TopologyHolder } from '../../topology/holder.ts';
import { topology } from '../../topology/place.ts';
import { openBlobAccount } from './blob-account.ts';
import { BlobStore } from './blob-store.ts';
import { TopologyBlob } from './topology-blob.ts';

let azurite: Awaited<ReturnType<typeof startTestAzurite>>;
beforeAll(async () => {
  azurite = await startTestAzurite();
});
afterAll(() => azurite.remove());

const quiet = { warn: () => undefined };
const first = topology(undefined, [{ name: 'shard-0', address: 'a:1' }]);

async function storeAt(prefix: string): Promise<BlobStore> {
  const { connectionString } = azurite.azurite;
  const store = new BlobStore(openBlobAccount({ connectionString, container: 'topologies', prefix }));
  await store.createContainer();
  return store;
}

test('the copy follows the topology, and whoever comes later reads it', async () => {
  const store = await storeAt('follows');
  const holder = new TopologyHolder(first);
  const blob = new TopologyBlob(store, quiet);
  expect(await blob.read()).toBeUndefined();
  blob.follow(holder);
  holder.offer({ ...first, epoch: 7 });
  await blob.close();
  expect(await new TopologyBlob(store, quiet).read()).toEqual({ ...first, epoch: 7 });
});

test('a process that is behind does not overwrite a newer copy', async () => {
  const store = await storeAt('behind');
  const ahead = new TopologyBlob(store, quiet);
  ahead.follow(new TopologyHolder({ ...first, epoch: 9 }));
  await ahead.close();
  const behind = new TopologyBlob(store, quiet);
  behind.follow(new TopologyHolder({ ...first, epoch: 3 }));
  await behind.close();
  expect((await ahead.read())?.epoch).toBe(9);
});

test('a damaged copy is none, and is replaced', async () => {
  const store = await storeAt('damaged');
  await store.putDocument('topology.json', Buffer.from('{'), undefined);
  const blob = new TopologyBlob(store, quiet);
  expect(await blob.read()).toBeUndefined();
  blob.follow(new TopologyHolder(first));
  await blob.close();
  expect(await blob.read()).toEqual(first);
});
