/**
 * The operator is cut off from the API server while objects are deleted and etcd forgets its history: when it is back, its
 * watches are told `410 Gone`, it lists anew, and no deletion is missed.
 */
import { afterAll, describe, expect, test } from 'vitest';
import type { Cache } from '../../harness/cache.ts';
import { untilOperators } from '../../harness/chart.ts';
import {
  compactHistory,
  controlPlaneOf,
  cutFromApiServer,
  endCut,
  restartApiServer,
} from '../../harness/control-plane.ts';
import type { Kind } from '../../harness/kube.ts';
import type { Pod } from '../../harness/objects.ts';
import { useScenario } from '../../harness/scenario.ts';
import { eventually, notYet } from '../../harness/wait.ts';

const scenario = useScenario('history-gone');
const { kindCluster } = scenario.environment;
let cache: Cache;
let other: Cache;
let cut: Pod | undefined;

const deleted: readonly (readonly [Kind, string])[] = [
  ['Service', 'cache'],
  ['ConfigMap', 'cache-settings'],
  ['PodDisruptionBudget', 'cache-shard'],
  ['Deployment', 'cache-router'],
];

async function uidOf(kind: Kind, name: string): Promise<string | undefined> {
  return (await scenario.kube.find(kind, name, scenario.namespace))?.metadata.uid;
}

afterAll(async () => {
  if (cut !== undefined) await endCut(cut);
});

describe.runIf(kindCluster !== undefined)('on a kind cluster', () => {
  test('two caches are there', async () => {
    cache = await scenario.cache('cache', { shards: { replicas: 1 } });
    other = await scenario.cache('other', { paused: true });
    await cache.untilSettled();
  });

  test('what was deleted meanwhile is back, as new objects', async () => {
    const { kube, namespace } = scenario;
    const controlPlane = await controlPlaneOf(kindCluster!);
    const [operator] = await untilOperators(kube, 1);
    await cutFromApiServer(operator!);
    cut = operator;
    const before = new Map<string, string | undefined>();
    for (const [kind, name] of deleted) {
      before.set(name, await uidOf(kind, name));
      await kube.delete(kind, name, namespace);
    }
    await other.delete();
    await other.untilGone();
    await compactHistory(controlPlane);
    await restartApiServer(kube, controlPlane);
    await endCut(operator!);
    cut = undefined;
    for (const [kind, name] of deleted) {
      await eventually(`${kind} ${name} is back`, async () => {
        const uid = await uidOf(kind, name);
        return (uid !== undefined && uid !== before.get(name)) || notYet(uid);
      });
    }
    await cache.untilSettled();
  });

  test('the cache that was deleted meanwhile is not made anew', async () => {
    await untilOperators(scenario.kube, 1);
    const left = await scenario.kube.list('KVCache', scenario.namespace);
    expect(left.map(({ metadata }) => metadata.name)).toEqual(['cache']);
  });
});
