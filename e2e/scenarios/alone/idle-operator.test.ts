/** Where nothing changes, the operator writes nothing, and neither its memory nor its connections grow. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Cache } from '../../harness/cache.ts';
import { untilOperators } from '../../harness/chart.ts';
import { isLong } from '../../harness/environment.ts';
import type { Kind } from '../../harness/kube.ts';
import { leadingOperator, operatorMetrics, writesIn } from '../../harness/operators.ts';
import { useScenario } from '../../harness/scenario.ts';
import { eventually, notYet } from '../../harness/wait.ts';

const scenario = useScenario('idle-operator');
/** The operator looks at a settled cache once a minute. */
const idleMs = isLong() ? 600_000 : 130_000;
/** Collections come when they like. */
const residentGrowthBytesMax = 48 * 1024 * 1024;
let cache: Cache;

const kinds: readonly Kind[] = [
  'KVCache',
  'StatefulSet',
  'Deployment',
  'Service',
  'ConfigMap',
  'Secret',
  'ServiceAccount',
  'PodDisruptionBudget',
  'NetworkPolicy',
  'PersistentVolumeClaim',
  'Pod',
];

async function versions(): Promise<Record<string, string | undefined>> {
  const all: Record<string, string | undefined> = {};
  for (const kind of kinds) {
    for (const { metadata } of await scenario.kube.list(kind, scenario.namespace)) {
      all[`${kind} ${metadata.name}`] = metadata.resourceVersion;
    }
  }
  return all;
}

test('a cache is settled, and has been used', async () => {
  await untilOperators(scenario.kube, 1);
  cache = await scenario.cache('cache', { shards: { replicas: 2 }, routers: { replicas: 2 } });
  await cache.untilSettled();
  const client = await scenario.client(cache);
  await client.fill('key', 200, 1_000);
  await eventually('the status tells of this use', async () => {
    const { status } = await cache.object();
    const keys = (status?.shards ?? []).map((shard) => shard.keys ?? 0);
    return keys.reduce((sum, count) => sum + count, 0) === 200 || notYet(keys);
  });
});

test(`in ${idleMs / 1_000} idle seconds no object changes and no write is made`, async () => {
  const operator = await leadingOperator(scenario.kube);
  const before = { versions: await versions(), metrics: await operatorMetrics(scenario.kube, operator) };
  await delay(idleMs);
  const after = { versions: await versions(), metrics: await operatorMetrics(scenario.kube, operator) };
  expect(after.versions).toEqual(before.versions);
  expect(writesIn(after.metrics)).toBe(writesIn(before.metrics));
  const connections = 'kvcache_operator_api_connections';
  expect(after.metrics.get(connections)).toBeLessThanOrEqual(before.metrics.get(connections)! + 2);
  const resident = 'process_resident_memory_bytes';
  expect(after.metrics.get(resident)! - before.metrics.get(resident)!).toBeLessThan(residentGrowthBytesMax);
  const descriptors = 'process_open_fds';
  expect(after.metrics.get(descriptors)).toBeLessThanOrEqual(before.metrics.get(descriptors)! + 4);
});
