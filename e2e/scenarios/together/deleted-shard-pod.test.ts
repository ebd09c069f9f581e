/** A shard's pod is deleted under load: the same identity returns with its data, and clients see little of it. */
import { expect, test } from 'vitest';
import type { Cache } from '../../harness/cache.ts';
import type { ClientPod } from '../../harness/client-pod.ts';
import { signalPod } from '../../harness/faults.ts';
import { isReady, type KubeObject, type Pod, restarts } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';
import { Transitions } from '../../harness/transitions.ts';
import { eventually, notYet } from '../../harness/wait.ts';

const scenario = useScenario('deleted-shard-pod');
const shard = 'cache-shard-1';
/** One of three shards is away, and with it a third of the keys; the others answer all the time. */
const errorRateMax = 0.4;
let cache: Cache;
let client: ClientPod;
let epoch: number | undefined;

test('a cache of three shards serves a load', async () => {
  // Reads fail while a shard is away instead of missing, so that a miss always means a value that is gone.
  cache = await scenario.cache('cache', { routers: { replicas: 2, unavailableReads: 'error' } });
  ({ epoch } = (await cache.untilSettled()).status ?? {});
  client = await scenario.client(cache);
  await client.startLoad();
});

test('the deleted pod comes back under its name, on its disk; Ready goes False and True', async () => {
  const { kube, namespace } = scenario;
  const disk = await kube.get<KubeObject>('PersistentVolumeClaim', `data-${shard}`, namespace);
  const pod = await kube.get<KubeObject>('Pod', shard, namespace);
  using transitions = new Transitions(cache, 'Ready');
  await client.report({ reset: true });
  await kube.delete('Pod', shard, namespace);
  await transitions.until(['True', 'False', 'True']);
  const returned = await kube.get<Pod>('Pod', shard, namespace);
  expect(returned.metadata.uid).not.toBe(pod.metadata.uid);
  const diskAfter = await kube.get<KubeObject>('PersistentVolumeClaim', `data-${shard}`, namespace);
  expect(diskAfter.metadata.uid).toBe(disk.metadata.uid);
  await client.progress();
  const report = await client.report();
  expect(report.violations).toEqual([]);
  expect(report.errorRate).toBeLessThan(errorRateMax);
});

test('a killed process starts again in its pod', async () => {
  const { kube, namespace } = scenario;
  await client.report({ reset: true });
  await signalPod(kube, namespace, shard, 'SIGKILL');
  await eventually(`${shard} has been started again and is ready`, async () => {
    const pod = await kube.get<Pod>('Pod', shard, namespace);
    return (restarts(pod) > 0 && isReady(pod)) || notYet(pod.status);
  });
  await client.progress();
  const report = await client.report();
  expect(report.violations).toEqual([]);
  expect(report.errorRate).toBeLessThan(errorRateMax);
});

test('nothing that was acknowledged from disk is lost, and the topology is the same', async () => {
  await client.stopLoad();
  expect(await client.checkLoad()).toEqual([]);
  expect((await cache.untilSettled()).status?.epoch).toBe(epoch);
});
