/** The ServiceMonitor, by which a Prometheus of the Prometheus operator finds the metrics of every pod. */
import type { KVCache } from '../api/schema.ts';
import { type KubeObject, serviceMonitors } from '../kube/resources.ts';
import { type Manifest, metadataOf } from './manifest.ts';
import { cacheLabels, namesOf, portNames, scrapeLabel } from './names.ts';

export function serviceMonitor(cache: KVCache): Manifest<KubeObject & { spec?: object }> {
  const { serviceMonitor: name } = namesOf(cache);
  const { enabled, interval, labels } = cache.spec.monitoring.serviceMonitor;
  if (!enabled) return { resource: serviceMonitors, name, object: undefined };
  const metadata = metadataOf(cache, name);
  return {
    resource: serviceMonitors,
    name,
    object: {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'ServiceMonitor',
      metadata: { ...metadata, labels: { ...labels, ...metadata.labels } },
      spec: {
        selector: { matchLabels: { ...cacheLabels(cache), [scrapeLabel]: 'true' } },
        targetLabels: ['app.kubernetes.io/instance', 'app.kubernetes.io/component'],
        endpoints: [{ port: portNames.http, path: '/metrics', interval, ...access(cache) }],
      },
    },
  };
}

/** Pods are scraped by address, which no certificate names. A token is shown where there is one. */
function access({ spec: { security, monitoring } }: KVCache) {
  const { token } = security.auth ?? {};
  return {
    ...(security.tls && { scheme: 'https', tlsConfig: { insecureSkipVerify: true } }),
    ...(token && !monitoring.openMetrics && { authorization: { type: 'Bearer', credentials: { ...token } } }),
  };
}
