/** The HorizontalPodAutoscaler of the routers. */
import type { V2HorizontalPodAutoscaler } from '@kubernetes/client-node';
import type { KVCache } from '../api/schema.ts';
import { horizontalPodAutoscalers, type Wire } from '../kube/resources.ts';
import { type Manifest, metadataOf } from './manifest.ts';
import { namesOf } from './names.ts';

export function routerAutoscaler(cache: KVCache): Manifest<Wire<V2HorizontalPodAutoscaler>> {
  const { routerAutoscaler: name, routerDeployment } = namesOf(cache);
  const { autoscaling } = cache.spec.routers;
  if (autoscaling === undefined) return { resource: horizontalPodAutoscalers, name, object: undefined };
  const { minReplicas, maxReplicas, targetCPUUtilizationPercentage } = autoscaling;
  return {
    resource: horizontalPodAutoscalers,
    name,
    object: {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: metadataOf(cache, name, 'router'),
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: routerDeployment },
        minReplicas,
        maxReplicas,
        metrics: [
          {
            type: 'Resource',
            resource: {
              name: 'cpu',
              target: { type: 'Utilization', averageUtilization: targetCPUUtilizationPercentage },
            },
          },
        ],
      },
    },
  };
}
