/** Two hundred KVCaches, one of which always fails: the operator's memory stays bounded and nobody waits for the failing one. */
import { expect, test } from 'vitest';
import { azuriteBlob } from '../../harness/azurite.ts';
import type { Cache, CacheObject } from '../../harness/cache.ts';
import { untilOperators } from '../../harness/chart.ts';
import { restarts } from '../../harness/objects.ts';
import { leadingOperator, operatorMetrics, sumOf } from '../../harness/operators.ts';
import { useScenario } from '../../harness/scenario.ts';
import { eventually, notYet } from '../../harness/wait.ts';

const scenario = useScenario('many-caches');
/** A node takes 110 pods, so that most of them have none. */
const paused = 198;
const residentBytesMax = 300 * 1024 * 1024;
let first: Cache;

test('a cache is settled while two hundred others come', async () => {
  const { kube } = scenario;
  await untilOperators(kube, 1);
  // It names a Secret that nobody has made.
  const failing = await scenario.cache('failing', {
    shards: { replicas: 1 },
    blob: azuriteBlob,
  });
  const names = Array.from({ length: paused }, (_, index) => `paused-${index}`);
  // A few at a time: this is about the operator's load, not the API server's.
  const lanes = Array.from({ length: 8 }, async () => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) await scenario.cache(name, { paused: true });
  });
  first = await scenario.cache('first', { shards: { replicas: 1 } });
  await Promise.all(lanes);
  await first.untilSettled();
  await failing.untilCondition('Ready', 'False');
});

test('every one of them has been looked at', async () => {
  const { kube, namespace } = scenario;
  await eventually('all statuses are about their specs', async () => {
    const caches = await kube.list<CacheObject>('KVCache', namespace);
    const unseen = caches.filter(({ metadata, status }) => status?.observedGeneration !== metadata.generation);
    return (caches.length === paused + 2 && unseen.length === 0) || notYet(unseen.map(({ metadata }) => metadata.name));
  });
});

test('an edit of one of them is done while the failing one fails on', async () => {
  await first.edit({ service: { annotations: { 'example.com/edited': 'yes' } } });
  await first.untilSettled({ timeoutMs: 30_000 });
});

test('the operator’s memory is bounded, and it never ended', async () => {
  const { kube } = scenario;
  const operator = await leadingOperator(kube);
  const metrics = await operatorMetrics(kube, operator);
  const isOfCaches = (labels: string): boolean => labels.includes('resource="kvcaches"');
  expect(sumOf(metrics, 'kvcache_operator_cache_objects', isOfCaches)).toBeGreaterThanOrEqual(paused + 2);
  expect(metrics.get('process_resident_memory_bytes')).toBeLessThan(residentBytesMax);
  expect(restarts(operator)).toBe(0);
});

test('all of them can be deleted at once', async () => {
  const { kube, namespace } = scenario;
  await kube.kubectl(['delete', 'kvcaches', '--all', '-n', namespace, '--wait=false']);
  await eventually('no KVCache is left', async () => {
    const left = await kube.list('KVCache', namespace);
    return left.length === 0 || notYet(left.map(({ metadata }) => metadata.name));
  });
});
