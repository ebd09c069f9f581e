/** The two ConfigMaps that pods mount: settings and topology. */
import type { V1ConfigMap } from '@kubernetes/client-node';
import type { KVCache } from '../api/schema.ts';
import { configMaps, type Wire } from '../kube/resources.ts';
import { type Manifest, type ManifestContext, metadataOf } from './manifest.ts';
import { namesOf, settingsKey, topologyKey } from './names.ts';
import { settingsFile } from './settings.ts';

export function settingsConfigMap(cache: KVCache): Manifest<Wire<V1ConfigMap>> {
  const data = {
    [settingsKey('shard')]: settingsFile(cache, 'shard'),
    [settingsKey('router')]: settingsFile(cache, 'router'),
  };
  return configMap(cache, namesOf(cache).settings, data);
}

/** The topology's document as it stands; what is in force is decided elsewhere. */
export function topologyConfigMap(cache: KVCache, document: string): Manifest<Wire<V1ConfigMap>> {
  return configMap(cache, namesOf(cache).topology, { [topologyKey]: document });
}

/** Grafana's sidecar finds dashboards by a label. */
export function dashboardConfigMap(cache: KVCache, { dashboard }: ManifestContext): Manifest<Wire<V1ConfigMap>> {
  const { dashboard: name } = namesOf(cache);
  const { enabled, labels = { grafana_dashboard: '1' } } = cache.spec.monitoring.dashboard;
  if (!enabled || dashboard === undefined) return { resource: configMaps, name, object: undefined };
  return configMap(cache, name, { [`${name}.json`]: dashboard }, labels);
}

function configMap(
  cache: KVCache,
  name: string,
  data: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> = {},
): Manifest<Wire<V1ConfigMap>> {
  const metadata = metadataOf(cache, name);
  return {
    resource: configMaps,
    name,
    object: {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { ...metadata, labels: { ...labels, ...metadata.labels } },
      data: { ...data },
    },
  };
}
