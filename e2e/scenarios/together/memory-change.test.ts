/** Another memory for shards: one pod at a time within the budget, warm from its disk, and the process keeps to it. */
import { expect, test } from 'vitest';
import type { Cache } from '../../harness/cache.ts';
import type { ClientPod } from '../../harness/client-pod.ts';
import { isReady, type KubeObject, type Pod } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';

const scenario = useScenario('memory-change');
const MiB = 2 ** 20;
let cache: Cache;
let client: ClientPod;

test('a cache of three shards serves a load', async () => {
  cache = await scenario.cache('cache', { routers: { unavailableReads: 'error' } });
  await cache.untilSettled();
  client = await scenario.client(cache);
  await client.fill('key', 500, 1_000);
  await client.startLoad();
});

test('more memory rolls through the shards, never two of them away at once', async () => {
  const { kube, namespace } = scenario;
  const before = new Map((await cache.pods('shard')).map(({ metadata }) => [metadata.name, metadata.uid]));
  const ready = new Map([...before.keys()].map((name) => [name, true]));
  let fewestReady = ready.size;
  const stop = new AbortController();
  const labels = 'app.kubernetes.io/instance=cache,app.kubernetes.io/component=shard';
  kube.watch('Pod', namespace, { labels }, stop.signal, (object, type) => {
    ready.set(object.metadata.name, type !== 'DELETED' && isReady(object as Pod));
    fewestReady = Math.min(fewestReady, [...ready.values()].filter(Boolean).length);
  });
  await cache.edit({ shards: { memory: '96Mi' } });
  await cache.untilSettled({ timeoutMs: 300_000 });
  stop.abort();
  expect(fewestReady).toBe(2);
  for (const { metadata } of await cache.pods('shard')) expect(metadata.uid).not.toBe(before.get(metadata.name));
});

test('the pods may use more, and the process’s own limit has followed', async () => {
  for (const { metadata, spec } of await cache.pods('shard')) {
    expect(spec.containers[0]?.resources?.limits?.['memory']).toBe(`${96 * 1.25 + 192}Mi`);
    expect(await cache.metric(metadata.name, 'kvcache_memory_limit_bytes')).toBe(96 * MiB);
  }
});

test('the load has seen short absences and no loss', async () => {
  const { violations, errorRate } = await client.stopLoad();
  expect(violations).toEqual([]);
  // One shard at a time is away, and with it a third of the keys.
  expect(errorRate).toBeLessThan(0.4);
  expect(await client.checkLoad()).toEqual([]);
  expect(await client.missing('key', 500)).toEqual([]);
});

test('a setting that running processes take restarts nobody', async () => {
  const { kube, namespace } = scenario;
  const before = (await cache.pods('shard')).map(({ metadata }) => metadata.uid);
  await cache.edit({ eviction: { diskUsagePercent: 70 } });
  await cache.untilSettled();
  expect((await cache.pods('shard')).map(({ metadata }) => metadata.uid)).toEqual(before);
  const settings = await kube.get<KubeObject & { data: Record<string, string> }>(
    'ConfigMap',
    'cache-settings',
    namespace,
  );
  expect(settings.data['shard.yaml']).toContain('eviction.disk_usage_threshold: 70');
});
