/**
 * The three Services.
 *
 *   c           for clients: the doors of the routers that are ready
 *   c-routers   headless, the same pods: for gRPC clients that spread their calls over routers themselves
 *   c-shards    headless, gives every shard its name in DNS, ready or not: routers and the operator must reach a shard
 *               that is still on its way
 */
import type { V1Service, V1ServicePort } from '@kubernetes/client-node';
import { linkPort } from '../api/facts.ts';
import type { KVCache } from '../api/schema.ts';
import { services, type Wire } from '../kube/resources.ts';
import { type Manifest, metadataOf } from './manifest.ts';
import { type Component, doors, namesOf, portNames, scrapeLabel, selectorLabels } from './names.ts';

export function clientService(cache: KVCache): Manifest<Wire<V1Service>> {
  const { clientService: name } = namesOf(cache);
  const { type, annotations } = cache.spec.service;
  return {
    resource: services,
    name,
    object: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { ...metadataOf(cache, name, 'router'), ...(annotations && { annotations }) },
      spec: { type, selector: selectorLabels(cache, 'router'), ports: publicPorts(cache) },
    },
  };
}

export function routerService(cache: KVCache): Manifest<Wire<V1Service>> {
  return headless(cache, namesOf(cache).routerService, 'router', false);
}

export function shardService(cache: KVCache): Manifest<Wire<V1Service>> {
  return headless(cache, namesOf(cache).shardService, 'shard', true);
}

function headless(cache: KVCache, name: string, component: Component, withUnready: boolean): Manifest<Wire<V1Service>> {
  const { http } = cache.spec.listeners;
  const metadata = metadataOf(cache, name, component);
  return {
    resource: services,
    name,
    object: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { ...metadata, labels: { ...metadata.labels, [scrapeLabel]: 'true' } },
      spec: {
        clusterIP: 'None',
        publishNotReadyAddresses: withUnready,
        selector: selectorLabels(cache, component),
        ports: [
          ...publicPorts(cache).filter(({ name }) => name !== portNames.http),
          // Always there: metrics are read from it.
          servicePort(portNames.http, http.port),
          servicePort(portNames.link, linkPort),
        ],
      },
    },
  };
}

function publicPorts({ spec: { listeners } }: KVCache): Wire<V1ServicePort>[] {
  return doors
    .filter((door) => listeners[door].enabled)
    .map((door) => servicePort(portNames[door], listeners[door].port));
}

function servicePort(name: string, port: number): Wire<V1ServicePort> {
  return { name, port, targetPort: name, protocol: 'TCP' };
}
