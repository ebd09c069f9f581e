/** What builders are given besides the KVCache, what they return, and the metadata that all objects share. */
import type { KubeObject, OwnerReference, Resource } from '../kube/resources.ts';
import { apiVersion, kind, type KVCache } from '../api/schema.ts';
import { type Component, namespaceOf, objectLabels } from './names.ts';

/** What the bodies of the objects depend on besides the KVCache itself. */
export interface ManifestContext {
  /** Where the KVCache names no image. */
  readonly image: string;
  /** Whom the NetworkPolicy lets in besides shards and routers. */
  readonly operator: { readonly namespace: string; readonly podLabels: Readonly<Record<string, string>> };
  /** Pods of the StatefulSet: what scaling has arrived at, which is not always what the spec says. */
  readonly shardReplicas: number;
  /** The topology document; undefined while there is none, and none is written then. */
  readonly topology?: string | undefined;
  /** A hash of the secrets named by `unfollowedSecrets`, whose change needs other pods. */
  readonly secretsHash?: string | undefined;
  /** The Grafana dashboard, where the operator has one. */
  readonly dashboard?: string | undefined;
}

/**
 * An object that should be as `object` says, or, where that is undefined, should not exist.
 *
 * Bodies hold only what is ours: a field that is left out belongs to the API server's defaults or to others.
 */
export interface Manifest<T extends KubeObject = KubeObject> {
  readonly resource: Resource<T>;
  readonly name: string;
  readonly object: T | undefined;
}

export interface Metadata {
  name: string;
  namespace: string;
  labels: Record<string, string>;
  ownerReferences: OwnerReference[];
}

/** With an owner, so that the garbage collector removes the object after the KVCache, also without an operator. */
export function metadataOf(cache: KVCache, name: string, component?: Component): Metadata {
  const { uid } = cache.metadata;
  if (uid === undefined) throw new TypeError('a KVCache from the API server has a uid');
  return {
    name,
    namespace: namespaceOf(cache),
    labels: objectLabels(cache, component),
    ownerReferences: [
      { apiVersion, kind, name: cache.metadata.name!, uid, controller: true, blockOwnerDeletion: true },
    ],
  };
}
