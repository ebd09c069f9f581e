/**
 * The Deployment of the routers, which keep nothing: a rollout brings a new one up before an old one ends.
 *
 * With autoscaling, `replicas` belongs to the HorizontalPodAutoscaler and is not ours to send. A field that its only
 * owner stops sending is removed and gets its default, one router, so when autoscaling begins the number must have
 * another owner before: `routerReplicasHandover`, applied once under its own field manager.
 */
import type { V1Deployment } from '@kubernetes/client-node';
import type { KVCache } from '../api/schema.ts';
import { deployments, type Wire } from '../kube/resources.ts';
import { type Manifest, type ManifestContext, metadataOf } from './manifest.ts';
import { dataVolume, fieldManager, namesOf, namespaceOf, selectorLabels } from './names.ts';
import { podTemplate } from './pod.ts';
import { routerDrainDelaySeconds } from './shutdown.ts';

export const routerReplicasDefault = 2;
/** A copy of the topology lies there. */
const dataSize = '64Mi';

export function routerDeployment(cache: KVCache, context: ManifestContext): Manifest<Wire<V1Deployment>> {
  const { routerDeployment: name } = namesOf(cache);
  const { autoscaling, replicas = routerReplicasDefault } = cache.spec.routers;
  return {
    resource: deployments,
    name,
    object: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: metadataOf(cache, name, 'router'),
      spec: {
        ...(autoscaling === undefined && { replicas }),
        revisionHistoryLimit: 3,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        selector: { matchLabels: selectorLabels(cache, 'router') },
        template: podTemplate(cache, context, {
          component: 'router',
          volumes: [{ name: dataVolume, emptyDir: { sizeLimit: dataSize } }],
          lifecycle: { preStop: { sleep: { seconds: routerDrainDelaySeconds } } },
        }),
      },
    },
  };
}

/** Holds the number of routers until the autoscaler takes it over. */
export const handoverFieldManager = `${fieldManager}-replicas`;

export function routerReplicasHandover(cache: KVCache, replicas: number) {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: namesOf(cache).routerDeployment, namespace: namespaceOf(cache) },
    spec: { replicas },
  };
}
