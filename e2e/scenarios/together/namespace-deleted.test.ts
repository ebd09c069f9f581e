/** A namespace with caches of every deletion policy is deleted: nothing in it sticks. */
import { expect, test } from 'vitest';
import { azuriteBlob, startAzurite } from '../../harness/azurite.ts';
import { Cache } from '../../harness/cache.ts';
import type { KubeObject } from '../../harness/objects.ts';
import { createNamespace, useScenario } from '../../harness/scenario.ts';
import { eventually, notYet } from '../../harness/wait.ts';

const scenario = useScenario('namespace-deleted');

test('the namespace is gone, with disks and blobs of its caches', async () => {
  const { kube, environment } = scenario;
  const namespace = `${scenario.namespace}-inner`;
  await createNamespace(kube, namespace);
  // Azurite outlives the namespace, as an account does.
  await startAzurite(kube, environment.images.azurite, scenario.namespace);
  const { data } = await kube.get<KubeObject & { data: object }>('Secret', 'azurite', scenario.namespace);
  await kube.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'azurite', namespace }, data });
  const retain = new Cache(kube, namespace, 'retain');
  const remove = new Cache(kube, namespace, 'delete');
  const held = new Cache(kube, namespace, 'protected');
  await retain.apply({ shards: { replicas: 1 } });
  await remove.apply({ shards: { replicas: 1 }, deletionPolicy: 'Delete', blob: azuriteBlob });
  await held.apply({ shards: { replicas: 1 }, deletionProtection: true });
  for (const cache of [retain, remove, held]) await cache.untilSettled();

  await kube.delete('Namespace', namespace);
  await eventually(
    'the namespace is gone',
    async () => {
      const found = await kube.find<KubeObject & { status?: unknown }>('Namespace', namespace);
      return found === undefined || notYet(found.status);
    },
    { timeoutMs: 180_000 },
  );
  expect(await kube.list('KVCache', namespace)).toEqual([]);
});
