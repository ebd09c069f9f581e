import { afterAll, describe, expect, test } from 'vitest';
import type { KubeClient } from './client.ts';
import { isConflict, isInvalid, KubeError } from './kube-error.ts';
import {
  clusterScoped,
  configMaps,
  deployments,
  namespaced,
  nodes,
  podDisruptionBudgets,
  pods,
  secrets,
} from './resources.ts';
import { ApiServer } from './testing/api-server.ts';
import { FaultServer, storedConfigMap } from './testing/fault-server.ts';

const server = await ApiServer.start();
const clients: KubeClient[] = [];

async function freshClient(): Promise<KubeClient> {
  const client = await server!.client();
  clients.push(client);
  return client;
}

afterAll(async () => {
  for (const client of clients) client.close();
  await server?.stop();
});

const deployment = (namespace: string, replicas: number) => ({
  metadata: { name: 'router', namespace, labels: { app: 'router' } },
  spec: {
    replicas,
    selector: { matchLabels: { app: 'router' } },
    template: {
      metadata: { labels: { app: 'router' } },
      spec: { containers: [{ name: 'router', image: 'kvcache:1' }] },
    },
  },
});

describe.skipIf(!server)('against a real kube-apiserver', () => {
  test('two hundred listings, one after the other and fifty at once, stay within a few connections', async () => {
    const client = await freshClient();
    await client.list(configMaps);
    for (let i = 0; i < 200; i += 1) await client.list(configMaps);
    expect(client.connectionStatistics).toMatchObject({ sockets: 1, connected: 1 });
    await Promise.all(Array.from({ length: 50 }, () => client.list(configMaps)));
    expect(client.connectionStatistics.connected).toBeLessThanOrEqual(16);
  });

  test('an apply creates, then changes nothing, then changes, and says which', async () => {
    const client = await freshClient();
    const namespace = await server!.createNamespace(client);
    const first = await client.apply(deployments, deployment(namespace, 1));
    expect(first.outcome).toBe('created');
    const second = await client.apply(deployments, deployment(namespace, 1), { known: first.object });
    expect(second.outcome).toBe('unchanged');
    expect(second.object.metadata.resourceVersion).toBe(first.object.metadata.resourceVersion);
    const third = await client.apply(deployments, deployment(namespace, 2));
    expect(third.outcome).toBe('changed');
    expect(third.object.spec?.replicas).toBe(2);
  });

  test('an apply takes back what somebody else changed and leaves alone what somebody else added', async () => {
    const client = await freshClient();
    const namespace = await server!.createNamespace(client);
    const { object } = await client.apply(deployments, deployment(namespace, 1));
    await client.patch(
      deployments,
      { namespace, name: 'router' },
      { metadata: { labels: { team: 'search' } }, spec: { replicas: 7 } },
    );
    const { object: mended, outcome } = await client.apply(deployments, deployment(namespace, 1), { known: object });
    expect(outcome).toBe('changed');
    expect(mended.spec?.replicas).toBe(1);
    expect(mended.metadata.labels).toEqual({ app: 'router', team: 'search' });
  });

  test('the status is applied by itself and does not touch the spec', async () => {
    const client = await freshClient();
    const namespace = await server!.createNamespace(client);
    await client.apply(deployments, deployment(namespace, 3));
    const status = { metadata: { name: 'router', namespace }, status: { observedGeneration: 1, replicas: 3 } };
    const { object, outcome } = await client.applyStatus(deployments, status);
    expect(outcome).toBe('changed');
    expect(object).toMatchObject({ spec: { replicas: 3 }, status: { replicas: 3, observedGeneration: 1 } });
    expect((await client.applyStatus(deployments, status, { known: object })).outcome).toBe('unchanged');
  });

  test('a listing is read in pages of one moment', async () => {
    const client = await freshClient();
    const namespace = await server!.createNamespace(client);
    const names = Array.from({ length: 25 }, (_, index) => `map-${String(index).padStart(2, '0')}`);
    await Promise.all(names.map((name) => client.create(configMaps, { metadata: { name, namespace } })));
    const pages = [];
    for await (const page of client.pages(configMaps, { namespace, pageItems: 10 })) pages.push(page);
    expect(pages.map(({ items }) => items.length)).toEqual([10, 10, 5]);
    expect(new Set(pages.map(({ resourceVersion }) => resourceVersion)).size).toBe(1);
    const { items } = await client.list(configMaps, { namespace, pageItems: 7 });
    expect(items.map(({ metadata }) => metadata.name)).toEqual(names);
    expect(items[0]).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
  });

  test('selectors choose, and metadata alone leaves a secret’s content at the server', async () => {
    const client = await freshClient();
    const namespace = await server!.createNamespace(client);
    for (const [name, tier] of Object.entries({ one: 'a', two: 'b' })) {
      const metadata = { name, namespace, labels: { tier } };
      await client.create(secrets, { metadata, stringData: { password: 'hunter2' } });
    }
    const chosen = await client.list(secrets, { namespace, labelSelector: 'tier=b', isMetadataOnly: true });
    expect(chosen.items.map(({ metadata }) => metadata.name)).toEqual(['two']);
    expect(chosen.items[0]).not.toHaveProperty('data');
    const byField = await client.list(secrets, { namespace, fieldSelector: 'metadata.name=one' });
    expect(byField.items.map(({ metadata }) => metadata.name)).toEqual(['one']);
  });

  test('a miss is a value: get gives undefined, delete gives false', async () => {
    const client = await freshClient();
    const namespace = await server!.createNamespace(client);
    expect(await client.get(configMaps, { namespace, name: 'nobody' })).toBeUndefined();
    expect(await client.delete(configMaps, { namespace, name: 'nobody' })).toBe(false);
    expect(await client.get(nodes, { name: 'nobody' })).toBeUndefined();
  });

  test('a deletion with the uid of an earlier object is refused', async () => {
    const client = await freshClient();
    const namespace = await server!.createNamespace(client);
    const key = { namespace, name: 'mine' };
    const earlier = await client.create(configMaps, { metadata: key });
    expect(await client.delete(configMaps, key, { uid: earlier.metadata.uid })).toBe(true);
    const later = await client.create(configMaps, { metadata: key });
    const refusal = await client
      .delete(configMaps, key, { uid: earlier.metadata.uid })
      .catch((error: unknown) => error);
    expect(isConflict(refusal)).toBe(true);
    expect(await client.delete(configMaps, key, { resourceVersion: later.metadata.resourceVersion })).toBe(true);
  });

  test('of two replacements of one version, the second is a conflict', async () => {
    const client = await freshClient();
    const namespace = await server!.createNamespace(client);
    const stored = await client.create(configMaps, { metadata: { namespace, name: 'mine' } });
    await client.replace(configMaps, { ...stored, data: { by: 'first' } });
    const refusal = await client
      .replace(configMaps, { ...stored, data: { by: 'second' } })
      .catch((error: unknown) => error);
    expect(isConflict(refusal)).toBe(true);
  });

  test('creating twice under one name gives undefined where that is asked for', async () => {
    const client = await freshClient();
    const namespace = await server!.createNamespace(client);
    const body = { metadata: { namespace, name: 'once' } };
    expect(await client.createIfAbsent(configMaps, body)).toBeDefined();
    expect(await client.createIfAbsent(configMaps, body)).toBeUndefined();
  });

  test('what the server refuses is told in its words, with the request', async () => {
    const client = await freshClient();
    const namespace = await server!.createNamespace(client);
    const bad = { ...deployment(namespace, 1), spec: { ...deployment(namespace, 1).spec, replicas: -1 } };
    const refusal = await client.apply(deployments, bad).catch((error: unknown) => error);
    expect(isInvalid(refusal)).toBe(true);
    expect(refusal).toBeInstanceOf(KubeError);
    expect((refusal as KubeError).message).toContain(`/namespaces/${namespace}/deployments/router: 422 Invalid`);
    expect((refusal as KubeError).message).toContain('spec.replicas');
  });

  test('a kind that the server does not know is a miss for get and a fault for everything else', async () => {
    const client = await freshClient();
    const widgets = clusterScoped('example.com/v1', 'Widget', 'widgets');
    expect(await client.get(widgets, { name: 'one' })).toBeUndefined();
    await expect(client.list(widgets)).rejects.toMatchObject({ status: 404, reason: 'NotFound' });
  });

  test('an eviction that a budget does not allow is blocked, with the reason, and gone when the pod is', async () => {
    const client = await freshClient();
    const namespace = await server!.createNamespace(client);
    const labels = { app: 'shard' };
    const pod = await client.create(pods, {
      metadata: { namespace, name: 'shard-0', labels },
      spec: { containers: [{ name: 'shard', image: 'kvcache:1' }] },
    });
    const conditions = [{ type: 'Ready', status: 'True' }];
    await client.patch(
      pods,
      { namespace, name: 'shard-0' },
      { status: { phase: 'Running', conditions } },
      { subresource: 'status' },
    );
    await client.create(podDisruptionBudgets, {
      metadata: { namespace, name: 'shard' },
      spec: { maxUnavailable: 0, selector: { matchLabels: labels } },
    });
    const status = {
      observedGeneration: 1,
      disruptionsAllowed: 0,
      currentHealthy: 1,
      desiredHealthy: 1,
      expectedPods: 1,
    };
    await client.patch(podDisruptionBudgets, { namespace, name: 'shard' }, { status }, { subresource: 'status' });

    const blocked = await client.evict({ namespace, name: 'shard-0' });
    expect(blocked).toMatchObject({ kind: 'blocked', why: expect.stringContaining('disruption budget') });
    await client.delete(podDisruptionBudgets, { namespace, name: 'shard' });
    const key = { namespace, name: 'shard-0' };
    expect(await client.evict(key, { uid: pod.metadata.uid, gracePeriodSeconds: 0 })).toEqual({ kind: 'evicted' });
    expect(await client.evict(key)).toEqual({ kind: 'gone' });
  });
});

test('pages that expire under a listing make it begin again', async () => {
  const faulty = await FaultServer.start((request, count) => {
    if (count === 1) request.list([storedConfigMap('old', '1')], '5', 'more');
    else if (count === 2) request.refuse(410, 'Expired');
    else request.list([storedConfigMap('new', '6')], '9');
  });
  const { items, resourceVersion } = await faulty.client.list(configMaps);
  expect(items.map(({ metadata }) => metadata.name)).toEqual(['new']);
  expect(resourceVersion).toBe('9');
  await faulty.close();
});

test('an object of a kind that lives in namespaces is not asked for without one', async () => {
  const faulty = await FaultServer.start(() => undefined);
  const shards = namespaced('example.com/v1', 'Shard', 'shards');
  await expect(faulty.client.get(shards, { name: 'one' })).rejects.toThrow('Shard one needs a namespace');
  await faulty.close();
});
