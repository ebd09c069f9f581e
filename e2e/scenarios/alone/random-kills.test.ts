/**
 * Random shards, routers and the operator are killed while prompts and keys are written and read: nothing is lost that
 * was acknowledged from disk or from Blob, and the share of failed calls is told.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { azuriteBlob, startAzurite } from '../../harness/azurite.ts';
import type { Cache } from '../../harness/cache.ts';
import { killOperators, untilOperators } from '../../harness/chart.ts';
import type { ClientPod } from '../../harness/client-pod.ts';
import { killPod } from '../../harness/faults.ts';
import { isReady } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';

const scenario = useScenario('random-kills');
const forMs = 300_000;
const pauseMsMax = 8_000;
/** With a pod of five away at most times, and each away for seconds. */
const errorRateMax = 0.5;
let cache: Cache;
let client: ClientPod;

test('a cache with Blob serves prompts and keys', async () => {
  const { kube, namespace, environment } = scenario;
  await startAzurite(kube, environment.images.azurite, namespace);
  cache = await scenario.cache('cache', {
    routers: { replicas: 2, unavailableReads: 'error' },
    blob: azuriteBlob,
  });
  await cache.untilSettled();
  client = await scenario.client(cache);
  await client.startLoad({ levels: ['disk', 'blob'] });
});

test('pods are killed for five minutes', async () => {
  const { kube, namespace } = scenario;
  const kills: Record<string, number> = {};
  const end = Date.now() + forMs;
  while (Date.now() < end) {
    const target = (['shard', 'shard', 'router', 'operator'] as const)[Math.floor(Math.random() * 4)]!;
    if (target === 'operator') await killOperators(kube);
    else {
      // One that is there: a process that does not run cannot be killed.
      const ready = (await cache.pods(target)).filter(isReady);
      const victim = ready[Math.floor(Math.random() * ready.length)];
      if (victim !== undefined) await killPod(kube, namespace, victim.metadata.name);
    }
    kills[target] = (kills[target] ?? 0) + 1;
    await delay(Math.random() * pauseMsMax);
  }
  const { done, errorRate, faults, longestOutageMs } = await client.report();
  process.stderr.write(`e2e: random-kills: ${JSON.stringify({ kills, done, errorRate, faults, longestOutageMs })}\n`);
  expect(errorRate).toBeLessThan(errorRateMax);
});

test('the cache is whole again, and nothing acknowledged is lost', async () => {
  await untilOperators(scenario.kube, 1);
  const { status } = await cache.untilSettled({ timeoutMs: 240_000 });
  expect(status).toMatchObject({ shardsReady: '3/3', slotsServed: 16_384 });
  await client.progress();
  const { violations } = await client.stopLoad();
  expect(violations).toEqual([]);
  expect(await client.checkLoad()).toEqual([]);
});
