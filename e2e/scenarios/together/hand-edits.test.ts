/** What the operator says of an object holds; what it does not speak of is everybody's own. */
import { describe, expect, test } from 'vitest';
import type { Cache } from '../../harness/cache.ts';
import type { Kind } from '../../harness/kube.ts';
import type { KubeObject } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';
import { eventually, notYet } from '../../harness/wait.ts';

const scenario = useScenario('hand-edits');
const revertedWithin = { timeoutMs: 20_000 };
let cache: Cache;

test('a cache is settled', async () => {
  cache = await scenario.cache('cache', { shards: { replicas: 2 } });
  await cache.untilSettled();
});

describe('is reverted:', () => {
  const edits: readonly (readonly [string, Kind, string, object])[] = [
    ['the number of shards', 'StatefulSet', 'cache-shard', { spec: { replicas: 1 } }],
    ['the number of routers', 'Deployment', 'cache-router', { spec: { replicas: 3 } }],
    ['a Service’s selector', 'Service', 'cache', { spec: { selector: { 'app.kubernetes.io/component': 'shard' } } }],
    ['a budget', 'PodDisruptionBudget', 'cache-shard', { spec: { maxUnavailable: 2 } }],
    ['settings', 'ConfigMap', 'cache-settings', { data: { 'shard.yaml': 'log_level: trace\n' } }],
    ['the topology', 'ConfigMap', 'cache-topology', { data: { 'topology.json': '{}' } }],
    [
      'a label of the operator’s',
      'ServiceAccount',
      'cache',
      { metadata: { labels: { 'app.kubernetes.io/name': 'x' } } },
    ],
  ];
  test.each(edits)('%s', async (_what, kind, name, edit) => {
    const { kube, namespace } = scenario;
    const before = await kube.get<KubeObject>(kind, name, namespace);
    await kube.patch(kind, name, namespace, edit);
    await eventually(
      `${kind} ${name} is as it was`,
      async () => {
        const now = await kube.get<KubeObject>(kind, name, namespace);
        return sameWanted(now, before) || notYet(wantedOf(now));
      },
      revertedWithin,
    );
  });
});

test('labels and annotations of others survive the operator’s next apply', async () => {
  const { kube, namespace } = scenario;
  const objects: readonly (readonly [Kind, string])[] = [
    ['StatefulSet', 'cache-shard'],
    ['Service', 'cache'],
    ['ConfigMap', 'cache-settings'],
  ];
  const foreign = { labels: { 'example.com/team': 'ours' }, annotations: { 'example.com/note': 'kept' } };
  for (const [kind, name] of objects) await kube.patch(kind, name, namespace, { metadata: foreign });
  // Something that reaches all of them: the settings change, and with them the pods.
  await cache.edit({ logLevel: 'debug', service: { annotations: { 'example.com/from-spec': 'yes' } } });
  await eventually('the edit has reached the Service', async () => {
    const { metadata } = await kube.get<KubeObject>('Service', 'cache', namespace);
    return metadata.annotations?.['example.com/from-spec'] === 'yes';
  });
  await cache.untilSettled();
  for (const [kind, name] of objects) {
    const { metadata } = await kube.get<KubeObject>(kind, name, namespace);
    expect(metadata.labels).toMatchObject(foreign.labels);
    expect(metadata.annotations).toMatchObject(foreign.annotations);
  }
});

test('pods were not restarted by any of it', async () => {
  for (const pod of await cache.pods('shard')) {
    expect(pod.status.containerStatuses?.map(({ restartCount }) => restartCount)).toEqual([0]);
  }
});

function wantedOf(object: KubeObject & { spec?: unknown; data?: unknown }) {
  return { labels: object.metadata.labels, spec: object.spec, data: object.data };
}

function sameWanted(one: KubeObject, other: KubeObject): boolean {
  return JSON.stringify(wantedOf(one)) === JSON.stringify(wantedOf(other));
}
