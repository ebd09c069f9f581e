/**
 * What the operator watches, and how it finds what belongs to a cache.
 *
 * Every object of a cache carries its name as a label, pods and disks included, so an object leads to the key of its cache,
 * and the key to all of its objects, without a request. Only what carries our label is watched: an operator for the whole
 * cluster does not hold every ConfigMap of it in memory.
 */
import { apiVersion, kind, plural } from '../api/schema.ts';
import type { KubeClient } from '../kube/client.ts';
import { Informer } from '../kube/informer.ts';
import type { WatchLog } from '../kube/reflector.ts';
import {
  configMaps,
  deployments,
  horizontalPodAutoscalers,
  type KubeObject,
  namespaced,
  networkPolicies,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  type Resource,
  serviceAccounts,
  services,
  statefulSets,
  type Stored,
  type StoredMeta,
} from '../kube/resources.ts';
import type { Manifest } from '../manifests/manifest.ts';
import { fieldManager } from '../manifests/names.ts';

export const kvcaches = namespaced<KubeObject & { spec?: unknown; status?: unknown }>(apiVersion, kind, plural);

const instanceLabel = 'app.kubernetes.io/instance';
const managedByLabel = 'app.kubernetes.io/managed-by';
const cacheSelector = 'app.kubernetes.io/name=kvcache';

/** `namespace/name` of the cache that an object belongs to, by its label. */
export function cacheKeyOf({ metadata }: { readonly metadata: StoredMeta }): string | undefined {
  const name = metadata.labels?.[instanceLabel];
  return name === undefined || metadata.namespace === undefined ? undefined : `${metadata.namespace}/${name}`;
}

export interface InformersOptions {
  readonly client: KubeClient;
  /** Empty: all. */
  readonly namespaces: readonly string[];
  readonly log: WatchLog;
}

export class Informers {
  readonly caches: Informer<KubeObject & { spec?: unknown; status?: unknown }>;
  readonly pods: Informer<NonNullable<(typeof pods)['shape']>>;
  readonly volumes: Informer<NonNullable<(typeof persistentVolumeClaims)['shape']>>;
  readonly shardSets: Informer<NonNullable<(typeof statefulSets)['shape']>>;
  readonly routers: Informer<NonNullable<(typeof deployments)['shape']>>;
  readonly configMaps: Informer<NonNullable<(typeof configMaps)['shape']>>;
  readonly autoscalers: Informer<NonNullable<(typeof horizontalPodAutoscalers)['shape']>>;
  /** The kinds that are applied and else only looked at for having been changed. */
  readonly #others: readonly Informer<KubeObject>[];

  constructor(options: InformersOptions) {
    const owned = `${cacheSelector},${managedByLabel}=${fieldManager}`;
    const indexBy = (object: { readonly metadata: StoredMeta }): readonly string[] => {
      const key = cacheKeyOf(object);
      return key === undefined ? [] : [key];
    };
    const watch = <T extends object>(resource: Resource<T>, labelSelector?: string): Informer<T> =>
      new Informer<T>({ ...options, resource, labelSelector, indexBy });
    this.caches = watch(kvcaches);
    this.pods = watch(pods, owned);
    this.volumes = watch(persistentVolumeClaims, cacheSelector);
    this.shardSets = watch(statefulSets, owned);
    this.routers = watch(deployments, owned);
    this.configMaps = watch(configMaps, owned);
    this.autoscalers = watch(horizontalPodAutoscalers, owned);
    this.#others = [
      watch(services, owned),
      watch(serviceAccounts, owned),
      watch(podDisruptionBudgets, owned),
      watch(networkPolicies, owned),
    ] as Informer<KubeObject>[];
  }

  get all(): readonly Informer<KubeObject>[] {
    const named = [
      this.caches,
      this.pods,
      this.volumes,
      this.shardSets,
      this.routers,
      this.configMaps,
      this.autoscalers,
    ];
    return [...named, ...this.#others] as Informer<KubeObject>[];
  }

  /** The object of a manifest as it was last seen; `unwatched` where its kind is not followed. */
  find({ resource, name }: Manifest, namespace: string): Stored | undefined | 'unwatched' {
    const informer = this.all.find(({ resource: { plural: each } }) => each === resource.plural);
    return informer === undefined ? 'unwatched' : informer.store.get({ namespace, name });
  }

  /** Calls back with the key of every cache that something has happened to. */
  subscribe(onKey: (key: string) => void): void {
    this.caches.subscribe(({ object: { metadata } }) => onKey(`${metadata.namespace}/${metadata.name}`));
    for (const informer of this.all) {
      if (informer === (this.caches as Informer<object>)) continue;
      informer.subscribe(({ kind: change, object }) => {
        const key = cacheKeyOf(object);
        if (key !== undefined && change !== 'resync') onKey(key);
      });
    }
  }

  start(): void {
    for (const informer of this.all) informer.start();
  }

  get haveSynced(): boolean {
    return this.all.every(({ hasSynced }) => hasSynced);
  }

  async whenSynced(): Promise<boolean> {
    return (await Promise.all(this.all.map((informer) => informer.whenSynced()))).every(Boolean);
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((informer) => informer.stop()));
  }
}
