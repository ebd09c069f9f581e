/** `kubectl scale` and a HorizontalPodAutoscaler change the number of shards, and nobody takes it back. */
import { afterAll, expect, test } from 'vitest';
import type { Cache } from '../../harness/cache.ts';
import { MetricsSource } from '../../harness/metrics-source.ts';
import type { Workload } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';
import { eventually, holds, notYet } from '../../harness/wait.ts';

const scenario = useScenario('scale-and-autoscaler');
const scaledWithin = { timeoutMs: 240_000 };
let cache: Cache;
let metrics: MetricsSource | undefined;
afterAll(() => metrics?.stop());

async function untilShards(count: number): Promise<void> {
  await eventually(
    `there are ${count} shards`,
    async () => {
      const { status } = await cache.object();
      return status?.shardsReady === `${count}/${count}` || notYet(status ?? null);
    },
    scaledWithin,
  );
  await cache.untilSettled(scaledWithin);
}

async function expectWanted(count: number): Promise<void> {
  const { spec } = await cache.object();
  expect(spec.shards.replicas).toBe(count);
}

test('kubectl scale adds and removes shards', async () => {
  const { kube, namespace } = scenario;
  cache = await scenario.cache('cache', { shards: { replicas: 1 } });
  await cache.untilSettled();
  await kube.kubectl(['scale', 'kvc/cache', '-n', namespace, '--replicas=2']);
  await untilShards(2);
  await kube.kubectl(['scale', 'kvc/cache', '-n', namespace, '--replicas=1']);
  await untilShards(1);
});

test('an autoscaler of the KVCache adds shards while they are busy, and removes them after', async () => {
  const { kube, namespace, environment } = scenario;
  metrics = await MetricsSource.start(kube, environment, namespace);
  await metrics.use(7);
  await kube.apply({
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'cache', namespace },
    spec: {
      scaleTargetRef: { apiVersion: 'kvcache.dev/v1alpha1', kind: 'KVCache', name: 'cache' },
      minReplicas: 1,
      maxReplicas: 3,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
      ],
      behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
    },
  });
  // Ten millicores are requested, so this is twice what there should be, however many shards there are.
  await metrics.use(14);
  await untilShards(3);
  await metrics.use(7);
  await holds('three shards stay three', 15_000, () => expectWanted(3));
  await metrics.use(1);
  await untilShards(1);
  await kube.delete('HorizontalPodAutoscaler', 'cache', namespace);
});

test('spec.routers.autoscaling makes an autoscaler, and the operator leaves the number of routers to it', async () => {
  const { kube, namespace } = scenario;
  await metrics?.use(7);
  const autoscaling = { minReplicas: 1, maxReplicas: 3, targetCPUUtilizationPercentage: 70 };
  await cache.edit({ routers: { replicas: null, autoscaling } });
  await cache.untilSettled();
  await metrics?.use(20);
  const routers = async () => kube.get<Workload>('Deployment', 'cache-router', namespace);
  await eventually(
    'there are three routers',
    async () => {
      const { spec, status } = await routers();
      return status.readyReplicas === 3 || notYet({ spec: spec.replicas, status });
    },
    scaledWithin,
  );
  await metrics?.use(7);
  await holds('three routers stay three', 15_000, async () => expect((await routers()).spec.replicas).toBe(3));
  expect((await cache.untilSettled()).status?.routersReady).toBe('3/3');
});

test('taken back, the number is the spec’s again', async () => {
  const { kube, namespace } = scenario;
  await cache.edit({ routers: { replicas: 1, autoscaling: null } });
  await cache.untilSettled();
  expect(await kube.find('HorizontalPodAutoscaler', 'cache-router', namespace)).toBeUndefined();
  expect((await kube.get<Workload>('Deployment', 'cache-router', namespace)).spec.replicas).toBe(1);
});
