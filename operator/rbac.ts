/**
 * What the operator may do, as data: the chart's Roles are generated from here, and a test holds the code against it.
 *
 * Three scopes. `namespaced` is needed in every namespace that is watched, as a ClusterRole or as a Role in each;
 * `cluster` is about objects without a namespace, without which the operator still works (it cannot tell a lost node, nor
 * whether a disk may grow); `own` is needed in the operator's own namespace.
 *
 * There is no wildcard, and nothing that hands on rights. Secrets are read by name and never listed: those that a KVCache
 * names, and the one that the operator makes. Their names differ from cache to cache, so that RBAC cannot name them.
 */

export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

export interface OperatorRules {
  readonly namespaced: readonly PolicyRule[];
  readonly cluster: readonly PolicyRule[];
  readonly own: readonly PolicyRule[];
}

function rule(apiGroup: string, resources: readonly string[], ...verbs: readonly string[]): PolicyRule {
  return { apiGroups: [apiGroup], resources, verbs };
}

/** Server-side apply makes what is not there, which needs `create` besides `patch`. */
const applied = ['create', 'patch'] as const;
const watched = ['get', 'list', 'watch'] as const;

export const operatorRules: OperatorRules = {
  namespaced: [
    // The finalizer is a field of the object itself.
    rule('kvcache.dev', ['kvcaches'], ...watched, 'patch'),
    rule('kvcache.dev', ['kvcaches/status'], 'patch'),
    // For owner references that block the owner's deletion.
    rule('kvcache.dev', ['kvcaches/finalizers'], 'update'),
    rule('', ['configmaps'], ...watched, ...applied, 'delete'),
    rule('', ['services', 'serviceaccounts'], ...watched, ...applied),
    rule('', ['pods'], ...watched, 'delete'),
    rule('', ['pods/eviction'], 'create'),
    rule('', ['persistentvolumeclaims'], ...watched, 'patch', 'delete'),
    rule('', ['secrets'], 'get', 'create'),
    // Its own only: whether it is being deleted.
    rule('', ['namespaces'], 'get'),
    rule('apps', ['statefulsets'], ...watched, ...applied, 'delete'),
    rule('apps', ['deployments'], ...watched, ...applied),
    rule('policy', ['poddisruptionbudgets'], ...watched, ...applied, 'delete'),
    rule('networking.k8s.io', ['networkpolicies'], ...watched, ...applied, 'delete'),
    rule('autoscaling', ['horizontalpodautoscalers'], ...watched, ...applied, 'delete'),
    rule('monitoring.coreos.com', ['servicemonitors'], 'get', ...applied, 'delete'),
    rule('events.k8s.io', ['events'], ...applied),
  ],
  cluster: [rule('', ['nodes'], 'get'), rule('storage.k8s.io', ['storageclasses'], 'get')],
  own: [
    rule('coordination.k8s.io', ['leases'], 'get', 'create', 'update'),
    rule('events.k8s.io', ['events'], ...applied),
  ],
};
