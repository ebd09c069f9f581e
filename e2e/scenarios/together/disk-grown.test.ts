/**
 * A larger disk: claims grow where their class allows it, the StatefulSet (whose template cannot change) is made anew
 * around its running pods. Where the class does not, the status says so.
 *
 * kind's provisioner grows nothing, so that the scenario does the part of a CSI driver's resizer: it gives the volume the
 * size that its claim asks for.
 */
import { afterAll, expect, test } from 'vitest';
import type { Cache } from '../../harness/cache.ts';
import type { KubeObject } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';
import { eventually, notYet } from '../../harness/wait.ts';

interface Claim extends KubeObject {
  spec: { resources: { requests: { storage: string } }; volumeName: string };
  status: { capacity?: { storage: string } };
}
interface StatefulSet extends KubeObject {
  spec: { volumeClaimTemplates: Claim[] };
}
interface StorageClass extends KubeObject {
  provisioner: string;
}

const scenario = useScenario('disk-grown');
const growing = scenario.namespace;
let cache: Cache;

afterAll(() => scenario.kube.delete('StorageClass', growing));

async function identities(): Promise<(string | undefined)[]> {
  return (await cache.pods()).map(({ metadata }) => metadata.uid);
}

/** What a driver's resizer does when a claim asks for more. */
async function resize(claim: Claim): Promise<void> {
  const { storage } = claim.spec.resources.requests;
  await scenario.kube.patch('PersistentVolume', claim.spec.volumeName, undefined, { spec: { capacity: { storage } } });
  const { name, namespace } = claim.metadata;
  const status = { status: { capacity: { storage }, conditions: [] } };
  await scenario.kube.patch('PersistentVolumeClaim', name, namespace, status, { subresource: 'status' });
}

test('a cache lies on disks of a class that may grow', async () => {
  const { kube } = scenario;
  const [standard] = await kube.list<StorageClass>('StorageClass');
  await kube.apply({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: growing },
    provisioner: standard!.provisioner,
    volumeBindingMode: 'WaitForFirstConsumer',
    allowVolumeExpansion: true,
  });
  cache = await scenario.cache('cache', {
    shards: { replicas: 2, storage: { size: '128Mi', storageClassName: growing } },
  });
  await cache.untilSettled();
});

test('a larger size reaches every claim and the template, and no pod is restarted by the StatefulSet’s renewal', async () => {
  const { kube, namespace } = scenario;
  const set = await kube.get<KubeObject>('StatefulSet', 'cache-shard', namespace);
  await cache.edit({ shards: { storage: { size: '256Mi' } } });
  for (const name of ['data-cache-shard-0', 'data-cache-shard-1']) {
    const claim = await eventually(`${name} asks for more`, async () => {
      const found = await kube.get<Claim>('PersistentVolumeClaim', name, namespace);
      return found.spec.resources.requests.storage === '256Mi' ? found : notYet(found.spec);
    });
    await resize(claim);
  }
  await eventually('the StatefulSet is another one, for larger disks', async () => {
    const now = await kube.find<StatefulSet>('StatefulSet', 'cache-shard', namespace);
    const size = now?.spec.volumeClaimTemplates[0]?.spec.resources.requests.storage;
    return (now?.metadata.uid !== set.metadata.uid && size === '256Mi') || notYet({ size });
  });
  await cache.untilSettled({ timeoutMs: 240_000 });
});

test('the process may use the larger disk', async () => {
  for (const { metadata } of await cache.pods('shard')) {
    expect(await cache.metric(metadata.name, 'kvcache_disk_limit_bytes')).toBe(Math.floor(256 * 0.9) * 2 ** 20);
  }
});

test('another size for new shards is theirs from the start', async () => {
  const { kube, namespace } = scenario;
  const before = await identities();
  await cache.edit({ shards: { replicas: 3 } });
  await cache.untilSettled();
  const claim = await kube.get<Claim>('PersistentVolumeClaim', 'data-cache-shard-2', namespace);
  expect(claim.spec.resources.requests.storage).toBe('256Mi');
  expect(await identities()).toEqual(expect.arrayContaining(before));
});

test('where the class does not allow it, the status says so and nothing else changes', async () => {
  const stuck = await scenario.cache('stuck', {
    shards: { replicas: 1, storage: { size: '128Mi', storageClassName: 'standard' } },
  });
  await stuck.untilSettled();
  await stuck.edit({ shards: { storage: { size: '256Mi' } } });
  const degraded = await stuck.untilCondition('Degraded', 'True', 'VolumesStuck');
  expect(degraded.message).toContain('data-stuck-shard-0');
  expect(await stuck.condition('Ready')).toMatchObject({ status: 'True' });
});
