/**
 * Who may reach the pods: everyone their doors, and only shards, routers and the operator the internal port.
 *
 * Nothing is said about what pods may reach themselves: Blob accounts and DNS are wherever the cluster has them.
 */
import type { V1NetworkPolicy, V1NetworkPolicyPeer, V1NetworkPolicyPort } from '@kubernetes/client-node';
import type { KVCache } from '../api/schema.ts';
import { networkPolicies, type Wire } from '../kube/resources.ts';
import { type Manifest, type ManifestContext, metadataOf } from './manifest.ts';
import { cacheLabels, doors, namesOf, portNames } from './names.ts';

/** Set by Kubernetes on every namespace. */
const namespaceNameLabel = 'kubernetes.io/metadata.name';

export function networkPolicy(cache: KVCache, { operator }: ManifestContext): Manifest<Wire<V1NetworkPolicy>> {
  const { networkPolicy: name } = namesOf(cache);
  const { listeners, networkPolicy } = cache.spec;
  if (!networkPolicy.enabled) return { resource: networkPolicies, name, object: undefined };
  // HTTP always: probes and metrics.
  const open = doors.filter((door) => door === 'http' || listeners[door].enabled);
  return {
    resource: networkPolicies,
    name,
    object: {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: metadataOf(cache, name),
      spec: {
        podSelector: { matchLabels: cacheLabels(cache) },
        policyTypes: ['Ingress'],
        ingress: [
          { ports: open.map((door) => policyPort(portNames[door])) },
          {
            ports: [policyPort(portNames.link)],
            ...from([
              { podSelector: { matchLabels: cacheLabels(cache) } },
              {
                namespaceSelector: { matchLabels: { [namespaceNameLabel]: operator.namespace } },
                podSelector: { matchLabels: { ...operator.podLabels } },
              },
            ]),
          },
        ],
      },
    },
  };
}

/** The client's types call it `_from`; on the wire it is `from`. */
function from(peers: Wire<V1NetworkPolicyPeer>[]): object {
  return { from: peers };
}

function policyPort(name: string): Wire<V1NetworkPolicyPort> {
  return { protocol: 'TCP', port: name };
}
