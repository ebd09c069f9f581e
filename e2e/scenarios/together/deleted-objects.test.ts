/** Everything that the operator made and somebody deletes is back within seconds, and keys stay where they are. */
import { describe, expect, test } from 'vitest';
import type { Cache } from '../../harness/cache.ts';
import type { ClientPod } from '../../harness/client-pod.ts';
import type { Kind } from '../../harness/kube.ts';
import type { KubeObject } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';
import { eventually } from '../../harness/wait.ts';

const scenario = useScenario('deleted-objects');
const backWithin = { timeoutMs: 20_000 };
let cache: Cache;
let client: ClientPod;

test('a cache holds keys', async () => {
  cache = await scenario.cache('cache', { shards: { replicas: 2 } });
  await cache.untilSettled();
  client = await scenario.client(cache);
  await client.fill('key', 100, 1_000);
});

describe('is back after its deletion:', () => {
  const objects: readonly (readonly [Kind, string])[] = [
    ['Service', 'cache'],
    ['Service', 'cache-shards'],
    ['Service', 'cache-routers'],
    ['ConfigMap', 'cache-topology'],
    ['ConfigMap', 'cache-settings'],
    ['PodDisruptionBudget', 'cache-shard'],
    ['PodDisruptionBudget', 'cache-router'],
    ['NetworkPolicy', 'cache'],
    ['ServiceAccount', 'cache'],
    ['StatefulSet', 'cache-shard'],
    ['Deployment', 'cache-router'],
  ];
  test.each(objects)('%s %s', async (kind, name) => {
    const { kube, namespace } = scenario;
    const before = await kube.get<KubeObject & { data?: unknown }>(kind, name, namespace);
    await kube.delete(kind, name, namespace);
    const after = await eventually(
      `${kind} ${name} is there again`,
      async () => {
        const found = await kube.find<KubeObject & { data?: unknown }>(kind, name, namespace);
        return found?.metadata.uid !== before.metadata.uid && found;
      },
      backWithin,
    );
    expect(after.metadata.labels).toEqual(before.metadata.labels);
    expect(after.data).toEqual(before.data);
    // The garbage collector, too, must find whose it is.
    expect(after.metadata.ownerReferences).toEqual(before.metadata.ownerReferences);
  });
});

test('the StatefulSet takes its orphaned pods back without a restart', async () => {
  const { kube, namespace } = scenario;
  await cache.untilSettled();
  const before = await cache.pods('shard');
  await kube.delete('StatefulSet', 'cache-shard', namespace, { propagation: 'Orphan' });
  await eventually(
    'the StatefulSet is there again and ready',
    async () => {
      const set = await kube.find<KubeObject & { status: { readyReplicas?: number } }>(
        'StatefulSet',
        'cache-shard',
        namespace,
      );
      return set?.status.readyReplicas === 2;
    },
    backWithin,
  );
  const after = await cache.pods('shard');
  expect(after.map(({ metadata }) => metadata.uid)).toEqual(before.map(({ metadata }) => metadata.uid));
});

test('the cache is settled again and every key is there', async () => {
  await cache.untilSettled();
  expect(await client.missing('key', 100)).toEqual([]);
});
