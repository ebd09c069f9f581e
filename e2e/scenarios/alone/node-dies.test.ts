/**
 * A node dies without a word: Kubernetes leaves its StatefulSet pods Terminating for ever. With `RestoreFromBlob` the
 * shard starts on another node with an empty disk and has everything that had reached Blob; the old process, should it
 * come back, is fenced. With `Wait` nothing is done until the node is back.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { azuriteBlob, startAzurite } from '../../harness/azurite.ts';
import type { Cache } from '../../harness/cache.ts';
import type { ClientPod } from '../../harness/client-pod.ts';
import { killNode, startNode } from '../../harness/faults.ts';
import type { KubeObject, Pod } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';
import { eventually, notYet } from '../../harness/wait.ts';

const scenario = useScenario('node-dies');
/** The control plane finds out (20 s), evicts after its taint's toleration, and the operator waits a while on top. */
const restoredWithin = { timeoutMs: 420_000 };
const dead = new Set<string>();

afterAll(async () => {
  for (const node of dead) await revive(node);
});

async function kill(node: string): Promise<void> {
  dead.add(node);
  await killNode(node);
}

async function revive(node: string): Promise<void> {
  await startNode(node);
  dead.delete(node);
  await eventually(`node ${node} is ready`, async () => {
    const { status } = await scenario.kube.get<KubeObject & { status: Pod['status'] }>('Node', node);
    return (status.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True');
  });
}

const tolerations = [
  // Five minutes by default; the wait is the same, only longer.
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 },
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 },
] as const;

describe.runIf(scenario.environment.kindCluster !== undefined)('on a kind cluster', () => {
  let cache: Cache;
  let client: ClientPod;
  let lost: string;
  let shard: string;

  test('a cache with Blob is spread over the workers', async () => {
    const { kube, namespace, environment } = scenario;
    await startAzurite(kube, environment.images.azurite, namespace);
    const scheduling = { tolerations: [...tolerations] };
    cache = await scenario.cache('cache', {
      shards: { replicas: 2, scheduling },
      routers: { replicas: 2, scheduling, unavailableReads: 'error' },
      blob: azuriteBlob,
      nodeLossPolicy: 'RestoreFromBlob',
    });
    await cache.untilSettled();
    client = await scenario.client(cache);
    await client.fill('key', 300, 2_000, 'blob');
    const shards = await cache.pods('shard');
    expect(new Set(shards.map(({ spec }) => spec.nodeName)).size).toBe(2);
    // Not the node that the operator is on: that is another scenario's business.
    const operator = (await kube.list<Pod>('Pod', 'kvcache-system'))[0]!.spec.nodeName;
    const victim = shards.find(({ spec }) => spec.nodeName !== operator)!;
    lost = victim.spec.nodeName!;
    shard = victim.metadata.name;
  });

  test('the node dies; the shard restores itself from Blob elsewhere', async () => {
    await kill(lost);
    await cache.untilCondition('Ready', 'False', undefined, restoredWithin);
    await eventually(
      `${shard} is ready on another node`,
      async () => {
        const { status } = await cache.object();
        const state = status?.shards?.find(({ name }) => name === shard);
        return (state?.ready === true && state.node !== lost) || notYet(status?.shards);
      },
      restoredWithin,
    );
    await cache.untilCondition('Ready', 'True', undefined, restoredWithin);
    expect(await client.missing('key', 300)).toEqual([]);
  });

  test('the node comes back, and nothing of the old shard does harm', async () => {
    await client.set('after', 'the loss');
    await revive(lost);
    await cache.untilSettled();
    const pods = await cache.pods('shard');
    expect(pods.map(({ metadata }) => metadata.name)).toEqual(['cache-shard-0', 'cache-shard-1']);
    expect(await client.get('after')).toBe('the loss');
    expect(await client.missing('key', 300)).toEqual([]);
  });

  test('with Wait, the shard waits for its node and says so', async () => {
    await cache.edit({ nodeLossPolicy: 'Wait' });
    await cache.untilSettled();
    const victim =
      (await cache.pods('shard')).find(({ spec }) => spec.nodeName === lost) ?? (await cache.pods('shard'))[0]!;
    const node = victim.spec.nodeName!;
    await kill(node);
    await cache.untilCondition('Degraded', 'True', 'NodeLost', restoredWithin);
    await revive(node);
    await cache.untilSettled(restoredWithin);
    expect(await client.missing('key', 300)).toEqual([]);
  });
});
