/** A node is drained: budgets are honoured, and hold nobody up for ever, also with one shard and one router. */
import { afterAll, describe, expect, test } from 'vitest';
import type { Cache } from '../../harness/cache.ts';
import { isReady, type KubeObject, type Pod } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';
import { eventually } from '../../harness/wait.ts';

const scenario = useScenario('node-drained');
let drained: string | undefined;

afterAll(async () => {
  if (drained !== undefined) await scenario.kube.kubectl(['uncordon', drained]);
});

/** Of the pods of one cache: those of another would hold the drain up by their own budget. */
async function drain(node: string, { name }: Cache): Promise<void> {
  drained = node;
  const { namespace, kube } = scenario;
  const only = [`--pod-selector=app.kubernetes.io/instance=${name}`, '--ignore-daemonsets', '--delete-emptydir-data'];
  await kube.kubectl(['drain', node, ...only, '--timeout=240s', '--disable-eviction=false']);
  const left = await kube.list<Pod>('Pod', namespace, { fields: `spec.nodeName=${node}` });
  expect(left.filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/instance'] === name)).toEqual([]);
}

async function uncordon(node: string): Promise<void> {
  await scenario.kube.kubectl(['uncordon', node]);
  drained = undefined;
}

async function nodeOf(cache: Cache, pod: string): Promise<string> {
  const { spec } = await scenario.kube.get<Pod>('Pod', pod, cache.namespace);
  return spec.nodeName!;
}

describe('with several shards and routers', () => {
  let cache: Cache;

  test('evictions take one shard at a time', async () => {
    const { kube, namespace } = scenario;
    // All on one node, so that its draining is about all of them.
    const { metadata } = (await kube.list<KubeObject>('Node')).find(
      ({ metadata: { labels } }) => labels?.['node-role.kubernetes.io/control-plane'] === undefined,
    )!;
    const affinity = {
      podAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 100,
            podAffinityTerm: {
              topologyKey: 'kubernetes.io/hostname',
              labelSelector: { matchLabels: { 'app.kubernetes.io/instance': 'several' } },
            },
          },
        ],
      },
    };
    const scheduling = { affinity, nodeSelector: { 'kubernetes.io/hostname': metadata.name } };
    cache = await scenario.cache('several', { shards: { replicas: 3, scheduling }, routers: { replicas: 2 } });
    await cache.untilSettled();
    const names = (await cache.pods('shard')).map((pod) => pod.metadata.name);
    const ready = new Map(names.map((name) => [name, true]));
    let fewest = names.length;
    const stop = new AbortController();
    kube.watch('Pod', namespace, { labels: 'app.kubernetes.io/component=shard' }, stop.signal, (object, type) => {
      ready.set(object.metadata.name, type !== 'DELETED' && isReady(object as Pod));
      fewest = Math.min(fewest, [...ready.values()].filter(Boolean).length);
    });
    // Their disks are on this node, so that evicted shards wait for it: the budget stops the second eviction.
    const only = ['--pod-selector=app.kubernetes.io/component=shard', '--ignore-daemonsets', '--delete-emptydir-data'];
    const outcome = kube.kubectlOutcome(['drain', metadata.name, ...only, '--timeout=20s']);
    drained = metadata.name;
    expect((await outcome).err).toContain('disruption budget');
    await uncordon(metadata.name);
    await cache.untilSettled();
    stop.abort();
    expect(fewest).toBe(2);
  });
});

describe('with one shard and one router', () => {
  let cache: Cache;

  test('a drain is not held up', async () => {
    cache = await scenario.cache('single', { shards: { replicas: 1 }, routers: { replicas: 1 } });
    await cache.untilSettled();
    const node = await nodeOf(cache, 'single-shard-0');
    await drain(node, cache);
    expect(await cache.untilCondition('Ready', 'False')).toBeDefined();
    await uncordon(node);
    await cache.untilSettled();
  });

  test('its keys are there again with its disk', async () => {
    const client = await scenario.client(cache, { name: 'single-client' });
    await client.fill('key', 50, 1_000);
    const node = await nodeOf(cache, 'single-shard-0');
    await drain(node, cache);
    await uncordon(node);
    await cache.untilSettled();
    await eventually('the keys are there', async () => (await client.missing('key', 50)).length === 0);
  });
});
