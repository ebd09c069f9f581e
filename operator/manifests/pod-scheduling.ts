/** Where pods run: what the spec says, and soft preferences for different nodes and zones where it says nothing. */
import type { V1Affinity, V1PodSpec } from '@kubernetes/client-node';
import type { Scheduling } from '../api/pod-fields.ts';
import type { KVCache } from '../api/schema.ts';
import type { Wire } from '../kube/resources.ts';
import { type Component, selectorLabels } from './names.ts';

type SchedulingFields = Pick<
  Wire<V1PodSpec>,
  'affinity' | 'tolerations' | 'nodeSelector' | 'topologySpreadConstraints' | 'priorityClassName'
>;

/** Preferences only: three shards must also start on a single node. */
export function podScheduling(cache: KVCache, component: Component): SchedulingFields {
  const { shards, routers } = cache.spec;
  const scheduling = (component === 'shard' ? shards : routers).scheduling;
  const { affinity, tolerations, nodeSelector, priorityClassName } = scheduling;
  return {
    affinity: (affinity as Wire<V1Affinity> | undefined) ?? differentNodes(cache, component),
    topologySpreadConstraints: spread(cache, component, scheduling.topologySpreadConstraints),
    ...(tolerations && { tolerations: tolerations as NonNullable<SchedulingFields['tolerations']> }),
    ...(nodeSelector && { nodeSelector }),
    ...(priorityClassName !== undefined && { priorityClassName }),
  };
}

function differentNodes(cache: KVCache, component: Component): Wire<V1Affinity> {
  return {
    podAntiAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        {
          weight: 100,
          podAffinityTerm: {
            topologyKey: 'kubernetes.io/hostname',
            labelSelector: { matchLabels: selectorLabels(cache, component) },
          },
        },
      ],
    },
  };
}

function spread(cache: KVCache, component: Component, given: Scheduling['topologySpreadConstraints']) {
  const labelSelector = { matchLabels: selectorLabels(cache, component) };
  if (given === undefined) {
    return [
      { maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', labelSelector },
    ];
  }
  type Constraint = NonNullable<SchedulingFields['topologySpreadConstraints']>[number];
  return given.map((constraint) => ({ labelSelector, ...constraint }) as Constraint);
}
