/**
 * What voluntary evictions may take down.
 *
 * Budgets say how many may be away and never how many must be there: with `minAvailable: 1` a cache of one shard would
 * keep its node from ever being drained. A pod that does not work anyway may always go.
 */
import type { V1PodDisruptionBudget } from '@kubernetes/client-node';
import type { KVCache } from '../api/schema.ts';
import { podDisruptionBudgets, type Wire } from '../kube/resources.ts';
import { type Manifest, metadataOf } from './manifest.ts';
import { type Component, namesOf, selectorLabels } from './names.ts';

export function shardBudget(cache: KVCache): Manifest<Wire<V1PodDisruptionBudget>> {
  return budget(cache, 'shard', namesOf(cache).shardBudget, cache.spec.shards.podDisruptionBudget);
}

export function routerBudget(cache: KVCache): Manifest<Wire<V1PodDisruptionBudget>> {
  return budget(cache, 'router', namesOf(cache).routerBudget, cache.spec.routers.podDisruptionBudget);
}

function budget(
  cache: KVCache,
  component: Component,
  name: string,
  { enabled, maxUnavailable }: { readonly enabled: boolean; readonly maxUnavailable: number },
): Manifest<Wire<V1PodDisruptionBudget>> {
  if (!enabled) return { resource: podDisruptionBudgets, name, object: undefined };
  return {
    resource: podDisruptionBudgets,
    name,
    object: {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: metadataOf(cache, name, component),
      spec: {
        maxUnavailable,
        unhealthyPodEvictionPolicy: 'AlwaysAllow',
        selector: { matchLabels: selectorLabels(cache, component) },
      },
    },
  };
}
