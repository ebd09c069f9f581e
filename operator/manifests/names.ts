/**
 * What the objects of a KVCache are called, which labels they carry, and where things lie within their pods.
 *
 *   StatefulSet c-shard   pods c-shard-0 …         headless Service c-shards
 *   Deployment  c-router                           headless Service c-routers, client Service c
 *
 * A shard's name in the topology is its pod's name, for the life of its data. Names are part of the contract with
 * stored data and with the users' own selectors: they never change.
 */
import type { KVCache } from '../api/schema.ts';
import { linkPort } from '../api/facts.ts';

export const fieldManager = 'kvcache-operator';

/** The two processes that the operator runs. */
export type Component = 'shard' | 'router';

/** The doors for clients, as the spec names them. */
export const doors = ['grpc', 'http', 'resp', 'tcp'] as const;
export const portNames = { grpc: 'grpc', http: 'http', resp: 'resp', tcp: 'tcp', link: 'link' } as const;

/** Within the pods. ConfigMaps and Secrets are mounted as directories: a subPath would never see an update. */
export const paths = {
  data: '/var/lib/kvcache',
  temporary: '/tmp',
  topology: '/etc/kvcache/topology',
  settings: '/etc/kvcache/settings',
  secrets: '/etc/kvcache/secrets',
} as const;

export const topologyKey = 'topology.json';
export const settingsKey = (component: Component): string => `${component}.yaml`;
export const linkSecretKey = 'secret';
export const dataVolume = 'data';

export const annotationNames = {
  /** Of the settings that a running process does not take: another value makes other pods. */
  settingsHash: 'kvcache.dev/settings-hash',
  /** Of the secrets that a running process does not read again. */
  secretsHash: 'kvcache.dev/secrets-hash',
} as const;

/** On Services whose endpoints are scraped: every pod is behind one of them, the client Service would be a second. */
export const scrapeLabel = 'kvcache.dev/scrape';

/** The name of a KVCache. */
export function nameOf(cache: KVCache): string {
  const { name } = cache.metadata;
  if (name === undefined) throw new TypeError('a KVCache from the API server has a name');
  return name;
}

export function namespaceOf(cache: KVCache): string {
  const { namespace } = cache.metadata;
  if (namespace === undefined) throw new TypeError('a KVCache from the API server has a namespace');
  return namespace;
}

/** The names of a KVCache's objects. */
export function namesOf(cache: KVCache) {
  const name = nameOf(cache);
  return {
    serviceAccount: name,
    clientService: name,
    shardSet: `${name}-shard`,
    shardService: `${name}-shards`,
    routerDeployment: `${name}-router`,
    routerService: `${name}-routers`,
    routerAutoscaler: `${name}-router`,
    topology: `${name}-topology`,
    settings: `${name}-settings`,
    linkSecret: `${name}-link`,
    shardBudget: `${name}-shard`,
    routerBudget: `${name}-router`,
    networkPolicy: name,
    serviceMonitor: name,
    dashboard: `${name}-dashboard`,
  } as const;
}

/** Shard 3 of `c` is `c-shard-3`, in the topology and as a pod. */
export function shardName(cache: KVCache, ordinal: number): string {
  return `${namesOf(cache).shardSet}-${ordinal}`;
}

/** Where others reach a shard's link. */
export function shardAddress(cache: KVCache, ordinal: number): string {
  return `${podHost(cache, 'shard', shardName(cache, ordinal))}:${linkPort}`;
}

/** The name that a pod's certificate must have on the internal port; routers share one. */
export function podHost(cache: KVCache, component: Component, pod: string): string {
  const { shardService, routerService } = namesOf(cache);
  const service = component === 'shard' ? `${pod}.${shardService}` : routerService;
  return `${service}.${namespaceOf(cache)}.svc`;
}

/** The claim of a shard's disk, named by the StatefulSet controller. */
export function shardClaimName(cache: KVCache, ordinal: number): string {
  return `${dataVolume}-${shardName(cache, ordinal)}`;
}

/** What selects the objects of a KVCache. */
export function cacheLabels(cache: KVCache): Record<string, string> {
  return { 'app.kubernetes.io/name': 'kvcache', 'app.kubernetes.io/instance': nameOf(cache) };
}

/** What selects the pods of a component: immutable in StatefulSets and Deployments. */
export function selectorLabels(cache: KVCache, component: Component): Record<string, string> {
  return { ...cacheLabels(cache), 'app.kubernetes.io/component': component };
}

export function objectLabels(cache: KVCache, component?: Component): Record<string, string> {
  const labels = component === undefined ? cacheLabels(cache) : selectorLabels(cache, component);
  return { ...labels, 'app.kubernetes.io/managed-by': fieldManager };
}

/** Labels as a selector in text form, for the scale subresource and for lists. */
export function selectorText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([label, value]) => `${label}=${value}`)
    .join(',');
}
