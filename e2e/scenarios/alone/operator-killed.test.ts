/**
 * The operator is killed at random moments of a scale-out, again and again: each successor goes on where the one before
 * stood. The cache converges, nothing is there twice, no key is lost.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Cache } from '../../harness/cache.ts';
import { killOperators, untilOperators } from '../../harness/chart.ts';
import type { ClientPod } from '../../harness/client-pod.ts';
import type { Kind } from '../../harness/kube.ts';
import { useScenario } from '../../harness/scenario.ts';

const scenario = useScenario('operator-killed');
const kills = 20;
/** About as long as an operator needs to lead and take a step or two. */
const lifeMsMax = 6_000;
const keys = 500;
let cache: Cache;
let client: ClientPod;

test('a cache of two shards holds keys and serves a load', async () => {
  cache = await scenario.cache('cache', { shards: { replicas: 2 }, routers: { unavailableReads: 'error' } });
  await cache.untilSettled();
  client = await scenario.client(cache);
  await client.fill('key', keys, 4_000);
  await client.startLoad();
});

test(`the operator is killed ${kills} times while shards come and go`, async () => {
  for (let kill = 0; kill < kills; kill++) {
    // Back and forth, so that there is a change under way at every one of the moments.
    if (kill % 5 === 0) await cache.edit({ shards: { replicas: kill % 10 === 0 ? 4 : 2 } });
    await delay(Math.random() * lifeMsMax);
    await killOperators(scenario.kube);
  }
  await untilOperators(scenario.kube, 1);
  await cache.edit({ shards: { replicas: 4 } });
  const { status } = await cache.untilSettled({ timeoutMs: 300_000 });
  expect(status).toMatchObject({ shardsReady: '4/4', slotsServed: 16_384 });
});

test('there is one of everything', async () => {
  const { kube, namespace } = scenario;
  const names = async (kind: Kind) => (await kube.list(kind, namespace)).map(({ metadata }) => metadata.name).sort();
  expect(await names('StatefulSet')).toEqual(['cache-shard']);
  expect(await names('Deployment')).toEqual(['cache-router']);
  expect(await names('Service')).toEqual(['cache', 'cache-routers', 'cache-shards']);
  expect(await names('PodDisruptionBudget')).toEqual(['cache-router', 'cache-shard']);
  expect((await cache.pods('shard')).map(({ metadata }) => metadata.name)).toHaveLength(4);
});

test('nothing was lost, and nobody was told that anything was', async () => {
  const { violations, faults } = await client.stopLoad();
  expect(violations).toEqual([]);
  expect(faults).toEqual({});
  expect(await client.checkLoad()).toEqual([]);
  expect(await client.missing('key', keys)).toEqual([]);
});
