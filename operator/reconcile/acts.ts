/**
 * The acting side of the verbs: thin, and each the same done once or twice.
 *
 * An act answers what happened, for Events. What the API server has judged about one object is an obstacle, told in the
 * status; everything else rejects, and the whole pass is repeated from what is then seen.
 */
import { rollFlushTimeoutMs } from '../../limits.ts';
import { formatTopology } from '../../topology/document.ts';
import type { Topology } from '../../topology/topology.ts';
import type { KVCache } from '../api/schema.ts';
import type { KubeClient } from '../kube/client.ts';
import { isNotFound, KubeError } from '../kube/kube-error.ts';
import { deployments, persistentVolumeClaims, pods, statefulSets, type OwnerReference } from '../kube/resources.ts';
import { claimOwners } from '../manifests/claims.ts';
import { namesOf, namespaceOf } from '../manifests/names.ts';
import { handoverFieldManager, routerReplicasHandover } from '../manifests/router-deployment.ts';
import { liveSettings } from '../manifests/settings.ts';
import type { PodLinks } from '../pods/pod-links.ts';
import type { LinkedReport } from '../pods/report.ts';
import type { Obstacle } from './assessment.ts';
import type { CacheMemory } from './memory.ts';
import type { NodeLossDecision } from './node-loss.ts';
import type { VolumeClaim } from './pod-view.ts';
import type { Happening } from './reasons.ts';
import type { RollDecision } from './roll.ts';
import type { PodView, VolumeView } from './view.ts';
import type { VolumesDecision } from './volumes.ts';

/** What acts have to say to the rest of the pass. */
export interface Notes {
  readonly happenings: Happening[];
  readonly obstacles: Obstacle[];
  /** Something could not be done yet and will soon. */
  isUnfinished: boolean;
}

export interface Acting {
  readonly client: KubeClient;
  readonly cache: KVCache;
  readonly links: PodLinks;
  readonly notes: Notes;
}

/** Hands the topology to processes that run by an older one. Who does not hear of it finds it in its file. */
export async function pushTopology({ links }: Acting, topology: Topology, names: readonly string[]): Promise<void> {
  if (names.length > 0) await links.push(topology, names);
}

export async function rollPods(acting: Acting, roll: RollDecision): Promise<void> {
  if (roll.kind === 'discard') {
    for (const pod of roll.pods) await discard(acting, pod);
  }
  if (roll.kind === 'restart') await restart(acting, roll.pod);
}

async function discard({ client, cache, notes }: Acting, pod: PodView): Promise<void> {
  const why = pod.trouble === undefined ? 'it is not ready' : pod.trouble.reason;
  if (await deletePod(client, cache, pod)) {
    notes.happenings.push({ reason: 'PodDiscarded', message: `${pod.name} of a superseded revision: ${why}` });
  }
}

/** Flushes a shard as far as it will, and evicts it. Its disk stays, so that a flush that fails costs time and no data. */
async function restart({ client, cache, links, notes }: Acting, pod: PodView): Promise<void> {
  const level = cache.spec.blob === undefined ? 'disk' : 'blob';
  const fault = await links.flush(pod.name, level, rollFlushTimeoutMs);
  const eviction = await client.evict({ namespace: namespaceOf(cache), name: pod.name }, { uid: pod.uid });
  if (eviction.kind === 'blocked') {
    notes.obstacles.push({ kind: 'EvictionBlocked', message: `${pod.name}: ${eviction.why}` });
  } else if (eviction.kind === 'evicted') {
    const flushed = fault === undefined ? `flushed to ${level}` : `not flushed to ${level}: ${fault}`;
    notes.happenings.push({ reason: 'ShardRestarted', message: `${pod.name} (${flushed})` });
  }
}

async function deletePod(client: KubeClient, cache: KVCache, pod: PodView, isForced = false): Promise<boolean> {
  const key = { namespace: namespaceOf(cache), name: pod.name };
  const force = isForced ? { gracePeriodSeconds: 0 } : {};
  return await ifAsSeen(() => client.delete(pods, key, { uid: pod.uid, ...force }));
}

/** A precondition that does not hold means that the object is another one by now: the next pass sees it. */
async function ifAsSeen(run: () => Promise<boolean>): Promise<boolean> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof KubeError && error.reason === 'Conflict') return false;
    throw error;
  }
}

export async function replaceLost({ client, cache, notes }: Acting, nodeLoss: NodeLossDecision): Promise<void> {
  for (const pod of nodeLoss.forceDelete) await deletePod(client, cache, pod, true);
  for (const { pod, volume } of nodeLoss.replace) {
    await deleteVolume(client, cache, volume);
    await deletePod(client, cache, pod);
    const message = `${pod.name}: its disk lies on the lost node ${volume.node}; it starts anew and restores from Blob`;
    notes.happenings.push({ reason: 'ShardReplaced', message });
  }
}

async function deleteVolume(client: KubeClient, cache: KVCache, { name, uid, isTerminating }: VolumeView) {
  if (isTerminating) return false;
  const key = { namespace: namespaceOf(cache), name };
  return await ifAsSeen(() => client.delete(persistentVolumeClaims, key, { uid }));
}

export async function deleteVolumes({ client, cache, notes }: Acting, volumes: readonly VolumeView[]): Promise<void> {
  for (const volume of volumes) {
    if (!(await deleteVolume(client, cache, volume))) continue;
    notes.happenings.push({ reason: 'VolumeDeleted', message: `${volume.name}, of a removed shard` });
  }
}

export async function growVolumes(acting: Acting, { grow, remake }: VolumesDecision, setUid?: string): Promise<void> {
  const { client, cache, notes } = acting;
  const namespace = namespaceOf(cache);
  const storage = String(cache.spec.shards.storage.size);
  for (const { name } of grow) {
    try {
      const patch = { spec: { resources: { requests: { storage } } } };
      await client.patch(persistentVolumeClaims, { namespace, name }, patch);
      notes.happenings.push({ reason: 'VolumeExpanded', message: `${name} to ${storage}` });
    } catch (error) {
      if (!(error instanceof KubeError) || isNotFound(error) || error.status < 400 || error.status >= 500) throw error;
      notes.obstacles.push({ kind: 'ApplyFailed', message: error.message });
    }
  }
  if (!remake || setUid === undefined) return;
  const key = { namespace, name: namesOf(cache).shardSet };
  await client.delete(statefulSets, key, { uid: setUid, propagation: 'Orphan' });
  notes.happenings.push({ reason: 'ShardSetRemade', message: `for disks of ${storage}; its pods go on` });
}

/** Disks go with the KVCache, or stay, by the owner that they have. */
export async function ownClaims({ client, cache }: Acting, claims: readonly VolumeClaim[]): Promise<void> {
  const wanted = claimOwners(cache);
  for (const { metadata } of claims) {
    const owners = metadata.ownerReferences ?? [];
    // A former cache of this name is an owner too; with it gone, the claim would go.
    const others = owners.filter(({ kind, name }) => kind !== 'KVCache' || name !== cache.metadata.name);
    const next: OwnerReference[] = [...others, ...wanted];
    if (sameOwners(owners, next) || metadata.deletionTimestamp !== undefined) continue;
    const { namespace, name, resourceVersion } = metadata;
    const patch = { metadata: { resourceVersion, ownerReferences: next } };
    await client.patch(persistentVolumeClaims, { namespace, name }, patch);
  }
}

function sameOwners(a: readonly OwnerReference[], b: readonly OwnerReference[]): boolean {
  const texts = (owners: readonly OwnerReference[]): string =>
    owners
      .map(({ uid }) => uid)
      .sort()
      .join(' ');
  return texts(a) === texts(b);
}

/** Before an autoscaler comes, the number of routers gets another owner, so that it does not fall to one meanwhile. */
export async function handOverReplicas({ client, cache }: Acting, replicas: number): Promise<void> {
  const { spec, ...body } = routerReplicasHandover(cache, replicas);
  // Only that one field of the spec is sent.
  const partial = spec as NonNullable<NonNullable<(typeof deployments)['shape']>['spec']>;
  await client.apply(deployments, { ...body, spec: partial }, { fieldManager: handoverFieldManager });
}

/** Settings that running processes take, sent once to each run of each process and each value. */
export async function pushSettings(
  { cache, links, notes }: Acting,
  reports: readonly LinkedReport[],
  memory: CacheMemory,
): Promise<void> {
  const present = new Set(reports.map(({ name }) => name));
  for (const name of memory.settings.keys()) if (!present.has(name)) memory.settings.delete(name);
  const wanted = {
    shard: JSON.stringify(liveSettings(cache, 'shard')),
    router: JSON.stringify(liveSettings(cache, 'router')),
  };
  await Promise.all(
    reports.map(async ({ kind, name, process }) => {
      const stamp = `${process} ${wanted[kind]}`;
      if (memory.settings.get(name) === stamp) return;
      const fault = await links.changeSettings(name, wanted[kind]);
      // A process that does not know the command takes no settings while it runs.
      if (fault === undefined || fault.code === 'ERR') memory.settings.set(name, stamp);
      else if (fault.code === 'CONFIG') {
        notes.obstacles.push({ kind: 'SettingsRefused', message: `${name}: ${fault.message}` });
      }
    }),
  );
}

/** The document as the ConfigMap has it. */
export function topologyText(topology: Topology | undefined): string | undefined {
  return topology && formatTopology(topology);
}
