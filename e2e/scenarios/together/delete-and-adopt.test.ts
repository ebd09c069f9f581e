/** `deletionPolicy`: what Retain keeps, a KVCache of the same name takes up again; what Delete says is gone, is gone. */
import { describe, expect, test } from 'vitest';
import { azuriteBlob, startAzurite } from '../../harness/azurite.ts';
import type { Cache } from '../../harness/cache.ts';
import type { ClientPod } from '../../harness/client-pod.ts';
import type { KubeObject } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';
import { eventually, notYet } from '../../harness/wait.ts';

const scenario = useScenario('delete-and-adopt');
const keys = 200;
let cache: Cache;
let client: ClientPod;

async function untilNoPods(): Promise<void> {
  await eventually('no pod of the cache is left', async () => {
    const pods = await cache.pods();
    return pods.length === 0 || notYet(pods.map(({ metadata }) => metadata.name));
  });
}

async function claims(): Promise<string[]> {
  const all = await scenario.kube.list<KubeObject>('PersistentVolumeClaim', scenario.namespace);
  return all.map(({ metadata }) => metadata.name).filter((name) => name.startsWith(`data-${cache.name}-`));
}

describe('Retain, without Blob', () => {
  let epoch = 0;

  test('a cache of three shards holds keys', async () => {
    cache = await scenario.cache('retained', { shards: { replicas: 3 }, routers: { unavailableReads: 'error' } });
    epoch = (await cache.untilSettled()).status?.epoch ?? 0;
    client = await scenario.client(cache, { name: 'retained-client' });
    await client.fill('key', keys, 1_000);
  });

  test('the KVCache is gone at once, and its disks stay', async () => {
    expect((await cache.object()).metadata.finalizers ?? []).toEqual([]);
    await cache.delete();
    await cache.untilGone({ timeoutMs: 5_000 });
    await untilNoPods();
    expect(await claims()).toHaveLength(3);
  });

  test('a KVCache of the same name, of another number of shards, has every key', async () => {
    cache = await scenario.cache('retained', { shards: { replicas: 2 }, routers: { unavailableReads: 'error' } });
    const { status } = await cache.untilSettled({ timeoutMs: 240_000 });
    expect(status?.epoch).toBeGreaterThan(epoch);
    expect(status).toMatchObject({ shardsReady: '2/2' });
    expect(await client.missing('key', keys)).toEqual([]);
    const described = await scenario.kube.kubectl(['events', '-n', scenario.namespace, '--for', 'kvcache/retained']);
    expect(described).toContain('DataAdopted');
  });
});

describe('Delete, with Blob', () => {
  test('a cache writes to Blob', async () => {
    const { kube, namespace, environment } = scenario;
    await startAzurite(kube, environment.images.azurite, namespace);
    cache = await scenario.cache('deleted', {
      shards: { replicas: 2 },
      blob: { ...azuriteBlob, prefix: 'a/prefix' },
      deletionPolicy: 'Delete',
    });
    await cache.untilSettled();
    await cache.untilCondition('Durable', 'True', 'WritesReachBlob');
    client = await scenario.client(cache, { name: 'deleted-client' });
    await client.fill('key', keys, 1_000, 'blob');
    expect(await client.blobs()).not.toEqual([]);
  });

  test('deletion protection holds it, and it serves on', async () => {
    await cache.edit({ deletionProtection: true });
    await cache.untilSettled();
    await cache.delete();
    await cache.untilCondition('Ready', 'True');
    expect((await cache.object()).metadata.deletionTimestamp).toBeDefined();
    expect(await client.missing('key', keys)).toEqual([]);
  });

  test('without protection, pods, disks and blobs are gone', async () => {
    await cache.edit({ deletionProtection: false });
    await cache.untilGone({ timeoutMs: 180_000 });
    await untilNoPods();
    await eventually('its disks are gone', async () => (await claims()).length === 0);
    expect(await client.blobs()).toEqual([]);
  });
});

describe('Retain, with Blob and lost disks', () => {
  test('what had reached Blob is there again', async () => {
    const { kube, namespace } = scenario;
    const spec = { shards: { replicas: 2 }, blob: azuriteBlob, routers: { unavailableReads: 'error' } } as const;
    cache = await scenario.cache('blobbed', spec);
    await cache.untilSettled();
    client = await scenario.client(cache, { name: 'blobbed-client' });
    await client.fill('key', keys, 1_000, 'blob');
    await cache.delete();
    await cache.untilGone();
    await untilNoPods();
    for (const name of await claims()) await kube.delete('PersistentVolumeClaim', name, namespace);
    await eventually('the disks are gone', async () => (await claims()).length === 0);
    cache = await scenario.cache('blobbed', spec);
    await cache.untilSettled({ timeoutMs: 240_000 });
    expect(await client.missing('key', keys)).toEqual([]);
  });
});
