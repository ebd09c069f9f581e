/**
 * All objects of a KVCache, in the order in which they are applied: what pods need before they start comes first.
 *
 * Pure: the same cache and context give the same bytes. Not among them are the link's Secret, which is made once
 * (link-secret.ts), and the claims, which the StatefulSet controller makes (claims.ts).
 */
import type { KVCache } from '../api/schema.ts';
import { dashboardConfigMap, settingsConfigMap, topologyConfigMap } from './config-maps.ts';
import { routerBudget, shardBudget } from './disruption-budgets.ts';
import type { Manifest, ManifestContext } from './manifest.ts';
import { networkPolicy } from './network-policy.ts';
import { routerAutoscaler } from './router-autoscaler.ts';
import { routerDeployment } from './router-deployment.ts';
import { serviceAccount } from './service-account.ts';
import { serviceMonitor } from './service-monitor.ts';
import { clientService, routerService, shardService } from './services.ts';
import { shardSet } from './shard-set.ts';

export function manifestsOf(cache: KVCache, context: ManifestContext): Manifest[] {
  return [
    serviceAccount(cache),
    settingsConfigMap(cache),
    ...(context.topology === undefined ? [] : [topologyConfigMap(cache, context.topology)]),
    networkPolicy(cache, context),
    shardService(cache),
    routerService(cache),
    clientService(cache),
    shardBudget(cache),
    routerBudget(cache),
    shardSet(cache, context),
    routerDeployment(cache, context),
    routerAutoscaler(cache),
    dashboardConfigMap(cache, context),
    serviceMonitor(cache),
  ] as Manifest[];
}
