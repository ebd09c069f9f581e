/**
 * Which kinds of objects there are and where the API server keeps them.
 *
 * A `Resource<T>` is a value that says both: the path of the kind, and, for the compiler, the shape of its objects. Every
 * call of the client is generic over it, so a new kind is one more constant and no code.
 *
 * `Wire` turns the types of @kubernetes/client-node into what is really on the wire: their dates are `Date` there because
 * that client converts every object it reads, and text here because ours does not. Only types are imported from it: the
 * package itself costs 85 MB of resident memory.
 */
import type {
  CoreV1Event,
  EventsV1Event,
  V1ConfigMap,
  V1Deployment,
  V1Job,
  V1Lease,
  V1Namespace,
  V1NetworkPolicy,
  V1Node,
  V1PersistentVolume,
  V1PersistentVolumeClaim,
  V1Pod,
  V1PodDisruptionBudget,
  V1Secret,
  V1Service,
  V1ServiceAccount,
  V1StatefulSet,
  V1StorageClass,
  V2HorizontalPodAutoscaler,
} from '@kubernetes/client-node';

export type Wire<T> = T extends Date ? string : T extends object ? { [Key in keyof T]: Wire<T[Key]> } : T;

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** Metadata of an object as it is sent: a name, and what else the sender cares about. */
export interface ObjectMeta {
  name?: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: unknown[];
}

/** Anything that can be sent to the API server. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}

/** Metadata of an object that the API server has stored. */
export interface StoredMeta extends ObjectMeta {
  name: string;
  uid: string;
  resourceVersion: string;
}

/** An object as the API server returns it. */
export type Stored<T extends object = KubeObject> = Omit<T, 'metadata' | 'apiVersion' | 'kind'> & {
  apiVersion: string;
  kind: string;
  metadata: StoredMeta;
};

/** Where objects of a kind are. */
export interface ResourceKind {
  /** `v1`, `apps/v1`. */
  readonly apiVersion: string;
  readonly kind: string;
  /** `statefulsets`. */
  readonly plural: string;
  readonly isNamespaced: boolean;
}

/** The same, and for the compiler what they look like. */
export interface Resource<T extends object = KubeObject> extends ResourceKind {
  /** Never set: it carries the type. */
  readonly shape?: T;
}

export function namespaced<T extends object>(apiVersion: string, kind: string, plural: string): Resource<T> {
  return { apiVersion, kind, plural, isNamespaced: true };
}

export function clusterScoped<T extends object>(apiVersion: string, kind: string, plural: string): Resource<T> {
  return { apiVersion, kind, plural, isNamespaced: false };
}

export const pods = namespaced<Wire<V1Pod>>('v1', 'Pod', 'pods');
export const services = namespaced<Wire<V1Service>>('v1', 'Service', 'services');
export const configMaps = namespaced<Wire<V1ConfigMap>>('v1', 'ConfigMap', 'configmaps');
export const secrets = namespaced<Wire<V1Secret>>('v1', 'Secret', 'secrets');
export const serviceAccounts = namespaced<Wire<V1ServiceAccount>>('v1', 'ServiceAccount', 'serviceaccounts');
export const persistentVolumeClaims = namespaced<Wire<V1PersistentVolumeClaim>>(
  'v1',
  'PersistentVolumeClaim',
  'persistentvolumeclaims',
);
export const coreEvents = namespaced<Wire<CoreV1Event>>('v1', 'Event', 'events');
export const namespaces = clusterScoped<Wire<V1Namespace>>('v1', 'Namespace', 'namespaces');
export const nodes = clusterScoped<Wire<V1Node>>('v1', 'Node', 'nodes');
export const persistentVolumes = clusterScoped<Wire<V1PersistentVolume>>('v1', 'PersistentVolume', 'persistentvolumes');
export const statefulSets = namespaced<Wire<V1StatefulSet>>('apps/v1', 'StatefulSet', 'statefulsets');
export const deployments = namespaced<Wire<V1Deployment>>('apps/v1', 'Deployment', 'deployments');
export const jobs = namespaced<Wire<V1Job>>('batch/v1', 'Job', 'jobs');
export const podDisruptionBudgets = namespaced<Wire<V1PodDisruptionBudget>>(
  'policy/v1',
  'PodDisruptionBudget',
  'poddisruptionbudgets',
);
export const networkPolicies = namespaced<Wire<V1NetworkPolicy>>(
  'networking.k8s.io/v1',
  'NetworkPolicy',
  'networkpolicies',
);
export const horizontalPodAutoscalers = namespaced<Wire<V2HorizontalPodAutoscaler>>(
  'autoscaling/v2',
  'HorizontalPodAutoscaler',
  'horizontalpodautoscalers',
);
export const storageClasses = clusterScoped<Wire<V1StorageClass>>(
  'storage.k8s.io/v1',
  'StorageClass',
  'storageclasses',
);
export const leases = namespaced<Wire<V1Lease>>('coordination.k8s.io/v1', 'Lease', 'leases');
export const events = namespaced<Wire<EventsV1Event>>('events.k8s.io/v1', 'Event', 'events');
export const serviceMonitors = namespaced<KubeObject & { spec?: object }>(
  'monitoring.coreos.com/v1',
  'ServiceMonitor',
  'servicemonitors',
);
export const customResourceDefinitions = clusterScoped<KubeObject & { spec?: object }>(
  'apiextensions.k8s.io/v1',
  'CustomResourceDefinition',
  'customresourcedefinitions',
);

/** Where one object is. `namespace` is left out for what has none. */
export interface ObjectKey {
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** The path of a resource's collection, in a namespace or in all of them. */
export function collectionPath(resource: ResourceKind, namespace?: string): string {
  const root = resource.apiVersion.includes('/') ? `/apis/${resource.apiVersion}` : `/api/${resource.apiVersion}`;
  const scope = resource.isNamespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${resource.plural}`;
}

/** The path of one object. */
export function objectPath(resource: ResourceKind, key: ObjectKey, subresource?: string): string {
  if (resource.isNamespaced && !key.namespace) {
    throw new TypeError(`${resource.kind} ${key.name} needs a namespace, because its kind lives in namespaces`);
  }
  const path = `${collectionPath(resource, key.namespace)}/${encodeURIComponent(key.name)}`;
  return subresource ? `${path}/${subresource}` : path;
}

/** `namespace/name`, or `name` for what has no namespace: the form that stores, queues and logs use. */
export function keyText(key: ObjectKey): string {
  return key.namespace ? `${key.namespace}/${key.name}` : key.name;
}

export function keyOfText(text: string): ObjectKey {
  const slash = text.indexOf('/');
  return slash < 0 ? { name: text } : { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
}

export function keyOf(object: { readonly metadata?: ObjectMeta }): ObjectKey {
  return { namespace: object.metadata?.namespace, name: object.metadata?.name ?? '' };
}
