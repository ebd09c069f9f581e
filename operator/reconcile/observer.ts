/**
 * The verb "observe": one picture of a cache, from what informers hold and what its processes answer.
 *
 * Kubernetes' objects come from memory; processes are asked at once and together, within one deadline. A document of the
 * topology is fetched only where an epoch, or a text, is not known yet. A picture that contradicts itself, as when a
 * process runs by an epoch whose document nobody hands out, is no picture: the pass is repeated.
 */
import { KvcacheError, messageOf } from '../../errors.ts';
import { formatTopology, parseTopology } from '../../topology/document.ts';
import type { Topology } from '../../topology/topology.ts';
import type { KVCache } from '../api/schema.ts';
import { claimOrdinal } from '../manifests/claims.ts';
import { linkPort } from '../api/facts.ts';
import { namesOf, namespaceOf, nameOf, podHost, shardAddress, shardName, topologyKey } from '../manifests/names.ts';
import { quantityBytes } from '../manifests/quantity.ts';
import { routerReplicasDefault } from '../manifests/router-deployment.ts';
import { PodLinks } from '../pods/pod-links.ts';
import type { LinkedReport } from '../pods/report.ts';
import type { DeadlineWheel } from '../../grpc/deadline-wheel.ts';
import type { RoutersView } from './assessment.ts';
import type { CacheSecrets } from './cache-secrets.ts';
import type { ClusterFacts } from './cluster-facts.ts';
import type { Informers } from './informers.ts';
import type { CacheMemory } from './memory.ts';
import type { NodeState } from './node-loss.ts';
import type { Observed } from './plan.ts';
import { podView, shardSetView, type StatefulSet, type VolumeClaim, volumeView } from './pod-view.ts';
import type { PodView, VolumeView } from './view.ts';

export interface Picture {
  readonly observed: Observed;
  readonly reports: readonly LinkedReport[];
  readonly routers: RoutersView;
  /** The generation of the routers' Deployment that its controller has seen. */
  readonly routersGeneration: number | undefined;
  readonly shardSet: StatefulSet | undefined;
  readonly claims: readonly VolumeClaim[];
  /** The ConfigMap's text, whatever it is. */
  readonly published: string | undefined;
}

export interface ObserverParts {
  readonly informers: Informers;
  readonly facts: ClusterFacts;
  readonly secrets: CacheSecrets;
  readonly deadlines: DeadlineWheel;
  readonly log: {
    debug(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
}

/** Names shards that were lost for good, so that a scale-in need not wait for them. */
export const abandonAnnotation = 'kvcache.dev/abandon-shards';

export class Observer {
  readonly #parts: ObserverParts;
  readonly #links = new Map<string, PodLinks>();

  constructor(parts: ObserverParts) {
    this.#parts = parts;
  }

  /** Links to pods that are open. */
  get links(): number {
    return [...this.#links.values()].reduce((sum, { size }) => sum + size, 0);
  }

  linksOf(cache: KVCache): PodLinks {
    const { deadlines, log } = this.#parts;
    const key = `${namespaceOf(cache)}/${nameOf(cache)}`;
    const known = this.#links.get(key);
    if (known !== undefined) return known;
    const links = new PodLinks({ port: linkPort, deadlines, log });
    this.#links.set(key, links);
    return links;
  }

  closeLinks(key: string): void {
    this.#links.get(key)?.close();
    this.#links.delete(key);
  }

  close(): void {
    for (const key of this.#links.keys()) this.closeLinks(key);
  }

  async observe(cache: KVCache, memory: CacheMemory, nowMs: number): Promise<Picture> {
    const key = `${namespaceOf(cache)}/${nameOf(cache)}`;
    const { informers } = this.#parts;
    const pods = informers.pods.store.indexed(key).flatMap((pod) => {
      const component = pod.metadata.labels?.['app.kubernetes.io/component'];
      const role = component === 'shard' || component === 'router' ? component : undefined;
      return role === undefined ? [] : podView(pod, role, namesOf(cache).shardSet);
    });
    const reports = cache.spec.paused ? [] : await this.#ask(cache, pods, memory, nowMs);
    const published = this.#publishedText(cache);
    const document = this.#parsed(cache, published);
    const copies = await this.#copies(cache, reports, document, memory);
    const shardSet = informers.shardSets.store.get({ namespace: namespaceOf(cache), name: namesOf(cache).shardSet });
    const claims = informers.volumes.store.indexed(key);
    const volumes = claims.flatMap((claim) => {
      const ordinal = claimOrdinal(cache, claim.metadata.name);
      return ordinal === undefined ? [] : volumeView(claim, ordinal);
    });
    const observed: Observed = {
      ...this.#wishes(cache),
      nowMs,
      published: document,
      copies,
      retained: undefined,
      rememberedEpoch: cache.status?.epoch ?? 0,
      shardSet: shardSet && shardSetView(shardSet),
      pods,
      volumes,
      reports,
      silentMs: (name) => memory.silentMs(name, nowMs),
      movingMs: document === undefined ? 0 : memory.lasting('epoch', String(document.epoch), nowMs),
      canGrow: await this.#growing(cache, volumes),
      nodeState: await this.#nodes(pods, volumes),
    };
    const routersGeneration = this.#routerDeployment(cache)?.status?.observedGeneration;
    return { observed, reports, routers: this.#routers(cache), routersGeneration, shardSet, claims, published };
  }

  #wishes(
    cache: KVCache,
  ): Pick<Observed, 'desired' | 'shardOf' | 'abandoned' | 'volumeBytes' | 'deletesScaledVolumes' | 'nodeLossPolicy'> {
    const { shards, nodeLossPolicy } = cache.spec;
    const abandoned = cache.metadata.annotations?.[abandonAnnotation] ?? '';
    return {
      desired: shards.replicas,
      shardOf: (ordinal) => ({ name: shardName(cache, ordinal), address: shardAddress(cache, ordinal) }),
      abandoned: new Set(abandoned.split(/[\s,]+/).filter((name) => name !== '')),
      volumeBytes: quantityBytes(shards.storage.size),
      deletesScaledVolumes: shards.storage.persistentVolumeClaimRetentionPolicy.whenScaled === 'Delete',
      nodeLossPolicy,
    };
  }

  async #ask(
    cache: KVCache,
    pods: readonly PodView[],
    memory: CacheMemory,
    nowMs: number,
  ): Promise<readonly LinkedReport[]> {
    const running = pods.filter(({ ip, isRunning }) => ip !== undefined && isRunning);
    const links = this.linksOf(cache);
    const { security, id } = await this.#parts.secrets.linkSecurity(cache);
    links.follow(
      running.map(({ name, role, ip, process }) => ({
        name,
        role,
        ip: ip!,
        host: podHost(cache, role, name),
        process,
      })),
      security,
      id,
    );
    const reports = await links.reports();
    const answered = new Set(reports.map(({ name }) => name));
    const expected = Array.from({ length: cache.spec.shards.replicas }, (_, ordinal) => shardName(cache, ordinal));
    memory.heard([...pods.map(({ name }) => name), ...expected, ...this.#wishes(cache).abandoned], answered, nowMs);
    return reports;
  }

  #publishedText(cache: KVCache): string | undefined {
    const configMap = this.#parts.informers.configMaps.store.get({
      namespace: namespaceOf(cache),
      name: namesOf(cache).topology,
    });
    return configMap?.data?.[topologyKey];
  }

  #parsed(cache: KVCache, text: string | undefined): Topology | undefined {
    if (text === undefined) return undefined;
    try {
      return parseTopology(text);
    } catch (error) {
      const fields = { namespace: namespaceOf(cache), name: nameOf(cache), error: messageOf(error) };
      this.#parts.log.warn(fields, 'the ConfigMap of the topology cannot be read; shards are asked instead');
      return undefined;
    }
  }

  /** Documents of processes, where the ConfigMap does not say the same already. */
  async #copies(
    cache: KVCache,
    reports: readonly LinkedReport[],
    published: Topology | undefined,
    memory: CacheMemory,
  ): Promise<Topology[]> {
    const highest = Math.max(0, ...reports.map(({ epoch }) => epoch));
    if (highest === 0 || highest < (published?.epoch ?? 0)) return [];
    const text = published && formatTopology(published);
    if (highest === published?.epoch && memory.verifiedTopology === text) return [];
    const links = this.linksOf(cache);
    for (const { name, epoch } of reports) {
      if (epoch !== highest) continue;
      const copy = await links.topologyOf(name);
      if (copy === undefined || copy.epoch < highest) continue;
      memory.verifiedTopology = formatTopology(copy);
      return [copy];
    }
    throw new KvcacheError('UNAVAILABLE', `a process runs by topology epoch ${highest}, and none hands it out`);
  }

  async #growing(cache: KVCache, volumes: readonly VolumeView[]): Promise<Observed['canGrow']> {
    const wanted = quantityBytes(cache.spec.shards.storage.size);
    const small = volumes.filter(({ requestedBytes }) => requestedBytes < wanted);
    const classes = new Set(small.flatMap(({ storageClass }) => storageClass ?? []));
    const answers = await Promise.all(
      [...classes].map(async (name) => [name, await this.#parts.facts.canGrow(name)] as const),
    );
    const known = new Map(answers);
    return (storageClass) => (storageClass === undefined ? undefined : known.get(storageClass));
  }

  /** Only nodes about which there is a doubt are looked at. */
  async #nodes(pods: readonly PodView[], volumes: readonly VolumeView[]): Promise<Observed['nodeState']> {
    const doubtful = pods.filter(({ role, isReady }) => role === 'shard' && !isReady);
    const ordinals = new Set(doubtful.map(({ ordinal }) => ordinal));
    const names = new Set([
      ...doubtful.flatMap(({ node }) => node ?? []),
      ...volumes.flatMap(({ ordinal, node }) => (node !== undefined && ordinals.has(ordinal) ? node : [])),
    ]);
    const answers = await Promise.all(
      [...names].map(async (name) => [name, await this.#parts.facts.nodeState(name)] as const),
    );
    const known = new Map<string, NodeState>(answers);
    return (node) => known.get(node) ?? 'unknown';
  }

  #routerDeployment(cache: KVCache) {
    const key = { namespace: namespaceOf(cache), name: namesOf(cache).routerDeployment };
    return this.#parts.informers.routers.store.get(key);
  }

  #routers(cache: KVCache): RoutersView {
    const deployment = this.#routerDeployment(cache);
    const desired = deployment?.spec?.replicas ?? cache.spec.routers.replicas ?? routerReplicasDefault;
    const { observedGeneration = 0, readyReplicas = 0, updatedReplicas = 0, replicas = 0 } = deployment?.status ?? {};
    const progress = deployment?.status?.conditions?.find(({ type }) => type === 'Progressing');
    const isStuck = progress?.reason === 'ProgressDeadlineExceeded';
    return {
      desired,
      ready: readyReplicas,
      isRolling:
        deployment !== undefined &&
        (observedGeneration < (deployment.metadata.generation ?? 0) || updatedReplicas < desired || replicas > desired),
      stuck: isStuck ? (progress.message ?? 'they made no progress for too long') : undefined,
    };
  }
}
