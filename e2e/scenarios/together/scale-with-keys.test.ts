/**
 * 3 → 5 → 2 shards under load: every key is readable during and after, values move in the background, and what a
 * removed shard leaves behind goes as the policy says.
 */
import { expect, test } from 'vitest';
import type { Cache } from '../../harness/cache.ts';
import type { ClientPod } from '../../harness/client-pod.ts';
import type { KubeObject } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';
import { eventually, notYet } from '../../harness/wait.ts';

const scenario = useScenario('scale-with-keys');
const keys = 2_000;
const keyBytes = 4_000;
const scaledWithin = { timeoutMs: 300_000 };
let cache: Cache;
let client: ClientPod;

async function expectAllReadable(): Promise<void> {
  expect(await client.missing('key', keys)).toEqual([]);
  const { violations, faults } = await client.report();
  expect(violations).toEqual([]);
  expect(faults).toEqual({});
}

async function slotsByShard(): Promise<Record<string, number>> {
  const { status } = await cache.object();
  return Object.fromEntries((status?.shards ?? []).map(({ name, slots }) => [name, slots ?? 0]));
}

test('three shards hold keys and serve a load', async () => {
  cache = await scenario.cache('cache', { shards: { replicas: 3 }, routers: { unavailableReads: 'error' } });
  await cache.untilSettled();
  client = await scenario.client(cache);
  await client.fill('key', keys, keyBytes);
  // Keys are read at random all the time: a key that cannot be read for a moment is a violation or a fault.
  await client.startLoad();
});

test('five shards share them, and no read or write failed on the way', async () => {
  await cache.edit({ shards: { replicas: 5 } });
  const { status } = await cache.untilSettled(scaledWithin);
  expect(status).toMatchObject({ shardsReady: '5/5', replicas: 5, slotsServed: 16_384 });
  const slots = await slotsByShard();
  expect(Object.keys(slots)).toHaveLength(5);
  for (const owned of Object.values(slots)) expect(owned).toBeGreaterThan(0);
  for (const owned of Object.values(slots)) expect(owned).toBeLessThanOrEqual(Math.ceil((16_384 / 5) * 1.05));
  await expectAllReadable();
});

test('two shards hold them all again, no read or write failed, and the disks of the others are gone', async () => {
  const { kube, namespace } = scenario;
  await cache.edit({ shards: { replicas: 2 } });
  const { status } = await cache.untilSettled(scaledWithin);
  expect(status).toMatchObject({ shardsReady: '2/2', replicas: 2, slotsServed: 16_384 });
  expect((await cache.pods('shard')).map(({ metadata }) => metadata.name)).toEqual(['cache-shard-0', 'cache-shard-1']);
  await expectAllReadable();
  await eventually('the disks of removed shards are gone', async () => {
    const claims = await kube.list<KubeObject>('PersistentVolumeClaim', namespace);
    const names = claims.map(({ metadata }) => metadata.name).sort();
    return names.join() === 'data-cache-shard-0,data-cache-shard-1' || notYet(names);
  });
});

test('nothing was lost: every value that was acknowledged is there', async () => {
  await client.stopLoad();
  expect(await client.checkLoad()).toEqual([]);
});

test('with whenScaled: Retain the disks stay, and what they hold never comes back to life', async () => {
  const { kube, namespace } = scenario;
  await cache.edit({ shards: { storage: { persistentVolumeClaimRetentionPolicy: { whenScaled: 'Retain' } } } });
  await cache.edit({ shards: { replicas: 3 } });
  await cache.untilSettled(scaledWithin);
  await client.set('changed', 'old');
  await client.set('deleted', 'old');
  await client.fill('before', 300, 100);
  await cache.edit({ shards: { replicas: 2 } });
  await cache.untilSettled(scaledWithin);
  expect(await kube.find('PersistentVolumeClaim', 'data-cache-shard-2', namespace)).toBeDefined();
  await client.set('changed', 'new');
  await client.delete('deleted');
  // Whichever keys were on the removed shard: all of them are written anew or deleted while it is away.
  for (let index = 0; index < 300; index++) await client.delete(`before-${index}`);
  await cache.edit({ shards: { replicas: 3 } });
  await cache.untilSettled(scaledWithin);
  expect(await client.get('changed')).toBe('new');
  expect(await client.get('deleted')).toBeNull();
  expect(await client.missing('before', 300)).toHaveLength(300);
});
