/**
 * One pass over one cache: observe, plan, act, tell.
 *
 *   key ─▶ KVCache ─▶ observe ─▶ plan (pure) ─▶ act: lost nodes, topology, objects, disks, pods, settings ─▶ status
 *                        ▲                                                                                 │
 *                        └──────────────── again: soon while something goes on, rarely else ◀──────────────┘
 *
 * Level-triggered: a pass knows nothing of what woke it, and does whatever what it sees asks for. It may be cut off
 * anywhere; the next one begins with what is then there. A fault of one object of the cache (refused, somebody else's)
 * is told in the status and does not keep the rest from being done; any other fault ends the pass, and the queue repeats
 * this key alone, later and later.
 *
 * The order of the acts matters in two places. The status is told of an epoch before the ConfigMap is (authority.ts), and
 * the first topology is there before the first pod, so that no shard ever serves without one.
 */
import { KvcacheError, messageOf } from '../../errors.ts';
import { reconcileBusyIntervalMs, reconcileSteadyIntervalMs, reconcileWaitIntervalMs } from '../../limits.ts';
import type { KVCache, KVCacheStatus } from '../api/schema.ts';
import { parseKVCache } from '../api/schema.ts';
import type { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import { isNamespaceTerminating, isNotFound } from '../kube/kube-error.ts';
import { deployments, keyOfText, keyText, type ObjectKey, statefulSets } from '../kube/resources.ts';
import type { WorkResult } from '../kube/work-queue.ts';
import type { ManifestContext } from '../manifests/manifest.ts';
import { manifestsOf } from '../manifests/manifests.ts';
import { annotationNames, nameOf, namesOf, namespaceOf, shardName } from '../manifests/names.ts';
import {
  type Acting,
  deleteVolumes,
  growVolumes,
  handOverReplicas,
  type Notes,
  ownClaims,
  pushSettings,
  pushTopology,
  replaceLost,
  rollPods,
  topologyText,
} from './acts.ts';
import { Applier } from './applier.ts';
import { type Assessment, unlinkedRouters } from './assessment.ts';
import { CacheMemory } from './memory.ts';
import type { CacheSecrets } from './cache-secrets.ts';
import type { ClusterFacts } from './cluster-facts.ts';
import { Deleter } from './deleter.ts';
import { happeningsOf } from './happenings.ts';
import { type Informers, kvcaches } from './informers.ts';
import type { Observer, Picture } from './observer.ts';
import { type Plan, planOf } from './plan.ts';
import { eventReasons, type Happening } from './reasons.ts';
import { isWorthWriting, refusedStatus, statusOf } from './status.ts';

export interface ReconcilerLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface ReconcilerParts {
  /** Fenced by the lease. */
  readonly client: KubeClient;
  readonly informers: Informers;
  readonly observer: Observer;
  readonly secrets: CacheSecrets;
  readonly facts: ClusterFacts;
  readonly events: EventRecorder;
  readonly log: ReconcilerLog;
  readonly context: Pick<ManifestContext, 'image' | 'operator' | 'dashboard'>;
}

interface Named {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
}

/** A pass at work. */
interface Pass extends Acting {
  readonly memory: CacheMemory;
  readonly nowMs: number;
}

export class Reconciler {
  readonly #parts: ReconcilerParts;
  readonly #applier: Applier;
  readonly #deleter: Deleter;
  readonly #memories = new Map<string, CacheMemory>();

  constructor(parts: ReconcilerParts) {
    this.#parts = parts;
    const { client, informers, facts, secrets } = parts;
    this.#applier = new Applier({ client, find: (manifest, namespace) => informers.find(manifest, namespace) });
    this.#deleter = new Deleter({ client, informers, facts, secrets });
  }

  /** Caches that something is remembered of. */
  get size(): number {
    return this.#memories.size;
  }

  async reconcile(key: string, signal: AbortSignal): Promise<WorkResult | undefined> {
    const objectKey = keyOfText(key);
    const stored = this.#parts.informers.caches.store.get(objectKey);
    if (stored === undefined) return this.#forget(key);
    const memory = this.#memoryOf(key, stored.metadata.uid);
    let cache: KVCache;
    try {
      cache = parseKVCache(stored);
    } catch (error) {
      if (!(error instanceof KvcacheError)) throw error;
      // Nothing is done by half-understood wishes; a mended object wakes the next pass.
      this.#parts.log.warn({ key, error: error.message }, 'a KVCache does not fit the schema');
      this.#tell(stored, [{ reason: 'SpecRefused', message: error.message }]);
      await this.#applyStatus(objectKey, refusedStatus(stored, error.message, new Date()));
      return undefined;
    }
    try {
      return await this.#pass(cache, memory, signal);
    } catch (error) {
      if (!isNamespaceTerminating(error)) throw error;
      memory.isNamespaceTerminating = true;
      this.#parts.log.info({ key }, 'the namespace is being deleted: nothing more is made for this KVCache');
      return undefined;
    }
  }

  async #pass(cache: KVCache, memory: CacheMemory, signal: AbortSignal): Promise<WorkResult | undefined> {
    const { client, observer } = this.#parts;
    const notes: Notes = { happenings: [], obstacles: [], isUnfinished: false };
    const pass: Pass = { client, cache, links: observer.linksOf(cache), notes, memory, nowMs: Date.now() };
    const deletion = await this.#deleter.step(pass, memory, signal);
    this.#tell(cache, notes.happenings.splice(0));
    if (deletion === 'deleting') {
      observer.closeLinks(keyText(keyOf(cache)));
      return { again: { afterMs: reconcileBusyIntervalMs } };
    }
    if (deletion === 'released') return undefined;
    if (memory.isNamespaceTerminating) {
      observer.closeLinks(keyText(keyOf(cache)));
      return undefined;
    }
    if (!cache.spec.paused) await this.#parts.secrets.ensureLinkSecret(cache);
    const picture = await observer.observe(cache, memory, pass.nowMs);
    const plan = planOf(picture.observed);
    let fault: unknown;
    if (!cache.spec.paused) {
      try {
        await this.#act(pass, picture, plan);
      } catch (error) {
        fault = error;
        this.#parts.log.debug({ key: keyText(keyOf(cache)), error: messageOf(error) }, 'a pass was cut short');
      }
    }
    await this.#writeStatus(pass, assess(pass, picture, plan));
    if (fault !== undefined) throw fault;
    const afterMs = intervalOf(cache, plan, picture, notes);
    if (afterMs > reconcileWaitIntervalMs) observer.closeLinks(keyText(keyOf(cache)));
    return { again: { afterMs } };
  }

  async #act(pass: Pass, picture: Picture, plan: Plan): Promise<void> {
    const { cache, memory } = pass;
    const { current, topology } = plan;
    await replaceLost(pass, plan.nodeLoss);
    if (topology.kind === 'publish') await this.#rememberEpoch(cache, topology.topology.epoch);
    await this.#applyAll(pass, picture, plan);
    if (topology.kind === 'publish') {
      const message = `epoch ${topology.topology.epoch}: ${publishTexts[topology.reason]}`;
      pass.notes.happenings.push({ reason: publishEvents[topology.reason], message });
      if (topology.reason === 'restored' && cache.status?.epoch === undefined) {
        const disks = picture.observed.volumes.length;
        pass.notes.happenings.push({
          reason: 'DataAdopted',
          message: `${disks} disks of an earlier cache of this name`,
        });
      }
    }
    if (current !== undefined) await pushTopology(pass, current, plan.push);
    await growVolumes(pass, plan.volumes, picture.observed.shardSet?.uid);
    await ownClaims(pass, picture.claims);
    await deleteVolumes(pass, plan.deleteVolumes);
    await pushSettings(pass, picture.reports, memory);
    // A pod that goes takes a while to come back: what has just been published is given its pass first.
    if (topology.kind !== 'publish') await rollPods(pass, plan.roll);
  }

  async #applyAll(pass: Pass, picture: Picture, plan: Plan): Promise<void> {
    const { cache, memory, notes } = pass;
    const owner = { namespace: namespaceOf(cache), name: nameOf(cache), uid: cache.metadata.uid ?? '' };
    if (this.#isAutoscalerDue(cache)) await handOverReplicas(pass, picture.routers.desired);
    for (const manifest of manifestsOf(
      await this.#shown(cache, picture, plan),
      await this.#context(cache, picture, plan),
    )) {
      // Routers need a topology to start; those that run keep theirs.
      const isEarly = manifest.resource.kind === deployments.kind && plan.current === undefined;
      if (isEarly && this.#parts.informers.find(manifest, owner.namespace) === undefined) continue;
      const obstacle = await this.#applier.apply(manifest, owner, memory.applied);
      if (obstacle === 'leaving') notes.isUnfinished = true;
      else if (obstacle !== undefined) notes.obstacles.push(obstacle);
    }
  }

  /** A disk's size cannot be changed in a StatefulSet: until it is made anew, everything goes by the size that it has. */
  async #shown(cache: KVCache, { shardSet }: Picture, { volumes }: Plan): Promise<KVCache> {
    const template = shardSet?.spec?.volumeClaimTemplates?.[0];
    const size = template?.spec?.resources?.requests?.['storage'];
    const isBehind = size !== undefined && (volumes.grow.length > 0 || volumes.stuck.length > 0 || volumes.remake);
    if (!isBehind) return cache;
    const { shards } = cache.spec;
    return { ...cache, spec: { ...cache.spec, shards: { ...shards, storage: { ...shards.storage, size } } } };
  }

  async #context(cache: KVCache, picture: Picture, plan: Plan): Promise<ManifestContext> {
    // A credential that cannot be read for a moment must not restart every shard.
    const known = picture.shardSet?.spec?.template.metadata?.annotations?.[annotationNames.secretsHash];
    return {
      ...this.#parts.context,
      shardReplicas: plan.scale.replicas,
      topology: topologyText(plan.current),
      secretsHash: (await this.#parts.secrets.unfollowedHash(cache)) ?? known,
    };
  }

  #isAutoscalerDue(cache: KVCache): boolean {
    if (cache.spec.routers.autoscaling === undefined) return false;
    const { informers } = this.#parts;
    const key = { namespace: namespaceOf(cache), name: `${nameOf(cache)}-router` };
    return informers.autoscalers.store.get(key) === undefined && informers.routers.store.get(key) !== undefined;
  }

  /** Before an epoch is published: what is in force is never older than what the status remembers. */
  async #rememberEpoch(cache: KVCache, epoch: number): Promise<void> {
    if ((cache.status?.epoch ?? 0) >= epoch) return;
    await this.#applyStatus(keyOf(cache), { ...cache.status, epoch });
  }

  async #writeStatus(pass: Pass, seen: Assessment): Promise<void> {
    const { cache, memory, notes } = pass;
    const before = cache.status;
    const next = statusOf(seen, before);
    this.#tell(cache, [
      ...notes.happenings,
      ...happeningsOf(seen, next, memory.lastStatus ?? before, memory.obstacles),
    ]);
    if (isWorthWriting(next, before, pass.nowMs - memory.statusWrittenAtMs)) {
      await this.#applyStatus(keyOf(cache), next);
      memory.statusWrittenAtMs = pass.nowMs;
    }
    memory.lastStatus = next;
    memory.obstacles = notes.obstacles;
  }

  async #applyStatus({ namespace, name }: ObjectKey, status: KVCacheStatus): Promise<void> {
    const metadata = { name, ...(namespace !== undefined && { namespace }) };
    try {
      await this.#parts.client.applyStatus(kvcaches, { metadata, status }, { known: null });
    } catch (error) {
      // It went while it was looked at; informers are about to say so.
      if (!isNotFound(error)) throw error;
      this.#parts.log.debug({ namespace, name }, 'a KVCache went before its status was written');
    }
  }

  #tell(cache: { readonly metadata: Named }, happenings: readonly Happening[]): void {
    const { name, namespace, uid } = cache.metadata;
    for (const { reason, message } of happenings) {
      const { type } = eventReasons[reason];
      const regarding = {
        apiVersion: kvcaches.apiVersion,
        kind: kvcaches.kind,
        metadata: { name: name ?? '', namespace: namespace ?? '', uid: uid ?? '' },
      };
      this.#parts.events.record({ regarding, type, reason, action: 'Reconcile', note: message });
      this.#parts.log.info({ namespace, name, reason }, message);
    }
  }

  #memoryOf(key: string, uid: string): CacheMemory {
    const known = this.#memories.get(key);
    if (known?.uid === uid) return known;
    const memory = new CacheMemory(uid);
    this.#memories.set(key, memory);
    return memory;
  }

  #forget(key: string): undefined {
    const memory = this.#memories.get(key);
    if (memory !== undefined) this.#parts.secrets.forget(memory.uid);
    this.#memories.delete(key);
    this.#parts.observer.closeLinks(key);
  }
}

const publishTexts = {
  first: 'the first topology',
  restored: 'the ConfigMap follows what is in force',
  members: 'slots move to other members',
  arrived: 'every slot has arrived',
  abandoned: 'what only the given-up shards held is lost',
} as const;

const publishEvents = {
  first: 'TopologyPublished',
  restored: 'TopologyRestored',
  members: 'TopologyPublished',
  arrived: 'TopologyPublished',
  abandoned: 'ShardsAbandoned',
} as const;

function keyOf(cache: KVCache): ObjectKey {
  return { namespace: namespaceOf(cache), name: nameOf(cache) };
}

/** Of a change that was applied in this pass, or that informers do not show yet. */
const unseenRoll = { kind: 'wait', names: [], why: 'the StatefulSet controller has not seen the change' } as const;

function assess({ cache, memory, notes, nowMs }: Pass, picture: Picture, plan: Plan): Assessment {
  const { topology, scale } = plan;
  const waiting =
    topology.kind === 'wait' ? `${topology.reason} ${topology.names.join()}` : `${topology.kind} ${scale.held.join()}`;
  const names = namesOf(cache);
  const { shardSet, routersGeneration } = picture;
  const isShardSetUnseen = memory.isUnseen(statefulSets, names.shardSet, shardSet?.status?.observedGeneration);
  const areRoutersUnseen = memory.isUnseen(deployments, names.routerDeployment, routersGeneration);
  return {
    ...plan,
    cache,
    nowMs,
    nameOf: (ordinal) => shardName(cache, ordinal),
    pods: picture.observed.pods,
    reports: picture.reports,
    shardSet: picture.observed.shardSet,
    roll: isShardSetUnseen && plan.roll.kind === 'done' ? unseenRoll : plan.roll,
    routers: { ...picture.routers, isRolling: picture.routers.isRolling || areRoutersUnseen },
    obstacles: notes.obstacles,
    waitingMs: memory.lasting('waiting', waiting, nowMs),
    silentMs: picture.observed.silentMs,
  };
}

/** When to look again without being woken: pods' changes wake at once, what processes report does not. */
function intervalOf(
  cache: KVCache,
  plan: Plan,
  { observed, routers, reports }: Picture,
  { obstacles, isUnfinished }: Notes,
): number {
  if (cache.spec.paused) return reconcileSteadyIntervalMs;
  const { topology, scale, roll, volumes, push, nodeLoss } = plan;
  const isMoving = topology.kind !== 'steady' || push.length > 0 || scale.replicas !== observed.shardSet?.replicas;
  const isBlocked = obstacles.some(({ kind }) => kind === 'EvictionBlocked');
  if (isBlocked) return reconcileWaitIntervalMs;
  if (
    isUnfinished ||
    isMoving ||
    scale.held.length > 0 ||
    roll.kind === 'restart' ||
    roll.kind === 'discard' ||
    volumes.remake ||
    unlinkedRouters({ pods: observed.pods, reports }).length > 0
  ) {
    return reconcileBusyIntervalMs;
  }
  const isSettling = roll.kind !== 'done' || routers.isRolling || routers.ready < routers.desired;
  const isUnwell = obstacles.length > 0 || nodeLoss.lost.length > 0 || observed.pods.some(({ isReady }) => !isReady);
  return isSettling || isUnwell ? reconcileWaitIntervalMs : reconcileSteadyIntervalMs;
}
