/** `spec: {}`, as the README begins: a working cache of three shards, which says that it is as durable as its disks. */
import { expect, test } from 'vitest';
import { Cache, conditionOf } from '../../harness/cache.ts';
import { isReady } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';

const scenario = useScenario('empty-spec');
let cache: Cache;

test('an empty spec becomes ready, and kubectl wait sees it', async () => {
  const { kube, namespace } = scenario;
  cache = new Cache(kube, namespace, 'cache');
  await cache.applyExactly({});
  await kube.kubectl(['wait', 'kvc/cache', '-n', namespace, '--for=condition=Ready', '--timeout=180s']);
  const object = await cache.untilSettled();
  expect(object.status).toMatchObject({ shardsReady: '3/3', routersReady: '2/2', slotsServed: 16_384, replicas: 3 });
  expect(conditionOf(object, 'Durable')).toMatchObject({ status: 'False', reason: 'DisksOnly' });
  expect(conditionOf(object, 'Degraded')).toMatchObject({ status: 'False' });
});

test('kubectl get shows what a person looks at first', async () => {
  const { kube, namespace } = scenario;
  const shown = await kube.kubectl(['get', 'kvc', '-n', namespace]);
  expect(shown).toMatch(/NAME\s+READY\s+SHARDS\s+HIT RATE\s+MEMORY\s+AGE/u);
  expect(shown).toMatch(/cache\s+True\s+3\/3/u);
});

test('pods have no token of their ServiceAccount and meet the restricted level', async () => {
  const pods = await cache.pods();
  expect(pods).toHaveLength(5);
  expect(pods.every(isReady)).toBe(true);
  // The namespace enforces the level: a pod that did not meet it would not be there.
  for (const { spec } of pods) expect(spec.automountServiceAccountToken).toBe(false);
});

test('clients write, read and run the playground through the Service', async () => {
  const client = await scenario.client(cache);
  await client.set('greeting', 'hello');
  expect(await client.get('greeting')).toBe('hello');
  await client.fill('key', 200, 1_000);
  expect(await client.missing('key', 200)).toEqual([]);
  const { code, out } = await client.playground();
  expect(JSON.parse(out)).toMatchObject({ mismatched: 0, errors: 0 });
  expect(code).toBe(0);
});

test('events tell its story', async () => {
  const { kube, namespace } = scenario;
  const described = await kube.kubectl(['describe', 'kvc', 'cache', '-n', namespace]);
  expect(described).toContain('TopologyPublished');
  expect(described).toContain('BecameReady');
});
