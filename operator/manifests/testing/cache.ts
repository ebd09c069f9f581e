/** A KVCache as the API server would answer it, and a context, for tests of builders. */
import { apiVersion, defaultedSpec, kind, type KVCache, type KVCacheSpecInput } from '../../api/schema.ts';
import type { ManifestContext } from '../manifest.ts';

export function cacheOf(spec: KVCacheSpecInput = {}, name = 'c', namespace = 'n'): KVCache {
  return {
    apiVersion,
    kind,
    metadata: { name, namespace, uid: '5b1d8c7e-0000-4000-8000-000000000001', generation: 1 },
    spec: defaultedSpec(spec),
  };
}

export const testContext: ManifestContext = {
  image: 'kvcache:test',
  operator: { namespace: 'kvcache-system', podLabels: { 'app.kubernetes.io/name': 'kvcache-operator' } },
  shardReplicas: 3,
  topology: '{"version":1}\n',
  secretsHash: 'abc',
  dashboard: '{"title":"kvcache"}',
};
