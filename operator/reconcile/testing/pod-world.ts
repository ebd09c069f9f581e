/**
 * What stands between an API server and running pods, for tests: StatefulSet and Deployment controllers, a scheduler that
 * knows one node, a kubelet, a garbage collector's finalizers. As much of each as the operator sees.
 *
 * Pods are link servers in this process, each on a loopback address of its own, that know topologies, report hand-overs
 * and take settings as shards and routers do. What a shard keeps on its disk lives as long as its claim.
 */
import { createHash } from 'node:crypto';
import { OK } from '../../../commands/reply.ts';
import { GrpcServer } from '../../../grpc/server.ts';
import { InternalExecutor } from '../../../link/internal-executor.ts';
import { LinkServer, linkServerOptions } from '../../../link/server.ts';
import { type KeptTopology, topologyCommands } from '../../../link/topology-exchange.ts';
import { TopologyHolder } from '../../../topology/holder.ts';
import { isMoving, singleShardTopology } from '../../../topology/place.ts';
import { linkPort } from '../../api/facts.ts';
import { sleep } from '../../kube/backoff.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isConflict, isNotFound } from '../../kube/kube-error.ts';
import {
  deployments,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  type Resource,
  statefulSets,
} from '../../kube/resources.ts';
import type { Pod, StatefulSet, VolumeClaim } from '../pod-view.ts';

type Template = NonNullable<StatefulSet['spec']>['template'];

/** A disk that takes everything at once. */
function kept(topology: TopologyHolder): KeptTopology {
  return {
    get slots() {
      return topology.slots;
    },
    onChange: (listener) => topology.onChange(listener),
    newerThan: (epoch, timeoutMs) => topology.newerThan(epoch, timeoutMs),
    offer: (offered) => topology.offer(offered),
    persisted: () => Promise.resolve(),
  };
}

class RunningPod {
  readonly name: string;
  readonly uid: string;
  readonly ip: string;
  readonly topology: TopologyHolder;
  readonly settings: string[] = [];
  readonly flushes: string[] = [];
  /** Whether slots arrive as soon as they are told of. */
  arrives = true;
  readonly #grpc = new GrpcServer(linkServerOptions);
  readonly #link: LinkServer;

  constructor(name: string, uid: string, ip: string, topology: TopologyHolder) {
    this.name = name;
    this.uid = uid;
    this.ip = ip;
    this.topology = topology;
    const info = { arguments: 0, run: () => Buffer.from(JSON.stringify(this.#info())) };
    const executor = new InternalExecutor({
      ...topologyCommands(kept(topology)),
      SHARDINFO: info,
      ROUTERINFO: info,
      FLUSH: { arguments: 1, run: ([level]) => (this.flushes.push(String(level)), OK) },
      'SETTINGS.SET': { arguments: 1, run: ([json]) => (this.settings.push(String(json)), OK) },
    });
    this.#link = new LinkServer({ shard: name, executor, epoch: () => topology.slots.epoch });
    this.#link.register(this.#grpc);
  }

  async listen(): Promise<void> {
    await this.#grpc.listen(this.ip, linkPort);
  }

  async stop(): Promise<void> {
    await this.#grpc.close(0);
    await this.#link.close(0);
  }

  #info(): object {
    const { slots } = this.topology;
    const hasArrived = this.arrives || !isMoving(slots.topology);
    return {
      name: this.name,
      epoch: slots.epoch,
      slots: slots.topology.slots
        .filter(({ shards }) => shards[0] === this.name)
        .reduce((sum, { from, to }) => sum + to - from + 1, 0),
      keys: 12_345,
      blocks: 0,
      hot: { bytes: 1_000_000, bytesMax: 2_000_000, copies: 10 },
      index: { bytes: 1_000 },
      reads: { hot: 90, cold: 5, miss: 5 },
      handover: {
        hasArrived,
        slotsArriving: hasArrived ? 0 : 10,
        keysLeft: hasArrived ? 0 : 99,
        bytesLeft: 0,
        bytesMoved: 7,
      },
    };
  }
}

export class PodWorld {
  readonly running = new Map<string, RunningPod>();
  /** Images that cannot be pulled. */
  readonly badImages = new Set<string>();
  /** Pods that never get ready, whatever their image. */
  readonly stuck = new Set<string>();
  /** What budgets say. */
  disruptionsAllowed = 1;
  /** Whether StatefulSets that are deleted go. */
  collectsGarbage = true;
  /** What is on the disks, by claim. */
  readonly #disks = new Map<string, TopologyHolder>();
  readonly #client: KubeClient;
  readonly #namespace: string;
  readonly #ending = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #addresses = 0;

  constructor(client: KubeClient, namespace: string) {
    this.#client = client;
    this.#namespace = namespace;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#loop;
    for (const pod of this.running.values()) await pod.stop();
  }

  /** The process dies and does not come back, though its pod looks as it did: a pod behind a broken network. */
  async cutOff(name: string): Promise<void> {
    await this.running.get(name)?.stop();
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      try {
        await this.#step();
      } catch (error) {
        // Objects change under it, as under a real controller.
        if (!isConflict(error) && !isNotFound(error)) throw error;
      }
      await sleep(50, signal);
    }
  }

  async #step(): Promise<void> {
    const namespace = this.#namespace;
    const list = async <T extends object>(resource: Resource<T>) =>
      (await this.#client.list(resource, { namespace })).items;
    const [sets, routers, existing, claims] = [
      await list(statefulSets),
      await list(deployments),
      await list(pods),
      await list(persistentVolumeClaims),
    ] as const;
    for (const claim of claims) await this.#bind(claim);
    for (const budget of await list(podDisruptionBudgets)) {
      const status = {
        observedGeneration: budget.metadata.generation ?? 0,
        disruptionsAllowed: this.disruptionsAllowed,
      };
      await this.#writeStatus(podDisruptionBudgets, budget, {
        ...status,
        currentHealthy: 1,
        desiredHealthy: 1,
        expectedPods: 1,
      });
    }
    for (const pod of existing) await this.#live(pod);
    for (const set of sets) {
      if (set.metadata.deletionTimestamp !== undefined) {
        if (this.collectsGarbage) await this.#unfinalize(statefulSets, set);
      } else await this.#controlSet(set, existing, claims);
    }
    for (const deployment of routers) {
      const { name, generation = 0 } = deployment.metadata;
      const { replicas = 1, template } = deployment.spec!;
      const revision = revisionOf(template);
      const own = existing.filter((pod) => pod.metadata.name.startsWith(`${name}-`));
      const names = Array.from({ length: replicas }, (_, index) => `${name}-${revision}-${index}`);
      for (const pod of own) if (!names.includes(pod.metadata.name)) await this.#end(pod);
      for (const wanted of names) {
        if (!own.some((pod) => pod.metadata.name === wanted)) await this.#make(wanted, template, {});
      }
      const ready = own.filter((pod) => isReady(pod) && names.includes(pod.metadata.name)).length;
      const status = {
        observedGeneration: generation,
        replicas: own.length,
        updatedReplicas: ready,
        readyReplicas: ready,
      };
      await this.#writeStatus(deployments, deployment, status);
    }
  }

  async #controlSet(set: StatefulSet, existing: readonly Pod[], claims: readonly VolumeClaim[]): Promise<void> {
    const { name, generation = 0 } = set.metadata;
    const { replicas = 1, template, volumeClaimTemplates } = set.spec!;
    const revision = revisionOf(template);
    const own = existing.filter((pod) => new RegExp(`^${name}-[0-9]+$`).test(pod.metadata.name));
    for (const pod of own) {
      if (Number(pod.metadata.name.slice(name.length + 1)) >= replicas) await this.#end(pod);
    }
    for (let ordinal = 0; ordinal < replicas; ordinal += 1) {
      const podName = `${name}-${ordinal}`;
      if (own.some((pod) => pod.metadata.name === podName)) continue;
      const claimName = `data-${podName}`;
      if (!claims.some((claim) => claim.metadata.name === claimName)) {
        const { metadata, spec } = volumeClaimTemplates![0]!;
        const body = {
          metadata: { namespace: this.#namespace, name: claimName, labels: metadata!.labels! },
          spec: spec!,
        };
        await this.#client.createIfAbsent(persistentVolumeClaims, body);
      }
      await this.#make(podName, template, { 'controller-revision-hash': revision });
    }
    const status = { observedGeneration: generation, replicas: own.length, updateRevision: revision };
    await this.#writeStatus(statefulSets, set, { ...status, readyReplicas: own.filter(isReady).length });
  }

  async #make(name: string, template: Template, labels: Record<string, string>): Promise<void> {
    const { metadata, spec } = template;
    await this.#client.createIfAbsent(pods, {
      metadata: { namespace: this.#namespace, name, labels: { ...metadata!.labels, ...labels } },
      spec: { nodeName: 'node-1', containers: [{ name: 'main', image: spec!.containers[0]!.image! }] },
    });
  }

  /** Starts the process of a new pod, and ends that of a deleted one. */
  async #live(pod: Pod): Promise<void> {
    const { name, uid, deletionTimestamp } = pod.metadata;
    if (deletionTimestamp !== undefined) {
      await this.#end(pod);
      return;
    }
    const image = pod.spec!.containers[0]!.image!;
    const container = { name: 'main', image, imageID: image, restartCount: 0 };
    if (this.badImages.has(image) || this.stuck.has(name)) {
      if (pod.status?.phase === 'Pending' && pod.status.containerStatuses !== undefined) return;
      const state = { waiting: { reason: 'ImagePullBackOff', message: `cannot pull ${image}` } };
      const containerStatuses = [{ ...container, ready: false, state }];
      await this.#writeStatus(pods, pod, { phase: 'Pending', conditions: [ready('False')], containerStatuses });
      return;
    }
    if (this.running.get(name)?.uid === uid) return;
    await this.running.get(name)?.stop();
    const running = await this.#startProcess(name, uid);
    const state = { running: { startedAt: new Date().toISOString() } };
    const containerStatuses = [{ ...container, ready: true, containerID: `test://${running.ip}`, state }];
    await this.#writeStatus(pods, pod, {
      phase: 'Running',
      podIP: running.ip,
      podIPs: [{ ip: running.ip }],
      conditions: [ready('True')],
      containerStatuses,
    });
  }

  async #startProcess(name: string, uid: string): Promise<RunningPod> {
    this.#addresses += 1;
    const ip = `127.77.${this.#addresses >> 8}.${(this.#addresses & 255) + 1}`;
    const fresh = (): TopologyHolder => new TopologyHolder(singleShardTopology(name, `${name}:1`));
    const disk = /-shard-[0-9]+$/.test(name) ? this.#disks.getOrInsertComputed(`data-${name}`, fresh) : fresh();
    const running = new RunningPod(name, uid, ip, disk);
    await running.listen();
    this.running.set(name, running);
    return running;
  }

  async #end({ metadata: { name, uid } }: Pod): Promise<void> {
    await this.running.get(name)?.stop();
    this.running.delete(name);
    await this.#client.delete(pods, { namespace: this.#namespace, name }, { uid, gracePeriodSeconds: 0 });
  }

  async #bind(claim: VolumeClaim): Promise<void> {
    if (claim.metadata.deletionTimestamp === undefined) {
      await this.#writeStatus(persistentVolumeClaims, claim, { phase: 'Bound' });
      return;
    }
    this.#disks.delete(claim.metadata.name);
    await this.#unfinalize(persistentVolumeClaims, claim);
  }

  async #unfinalize(resource: Resource<object>, { metadata }: { metadata: { name: string; finalizers?: string[] } }) {
    if (metadata.finalizers === undefined) return;
    const key = { namespace: this.#namespace, name: metadata.name };
    await this.#client.patch(resource, key, { metadata: { finalizers: null } });
  }

  async #writeStatus(
    resource: Resource<object>,
    { metadata, status = {} }: { readonly metadata: { readonly name: string }; readonly status?: object },
    next: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    const known = status as Record<string, unknown>;
    const isSame = Object.entries(next).every(
      ([field, value]) => JSON.stringify(known[field] ?? 0) === JSON.stringify(value),
    );
    if (isSame) return;
    const key = { namespace: this.#namespace, name: metadata.name };
    await this.#client.patch(resource, key, { status: next }, { subresource: 'status' });
  }
}

function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
}

function ready(status: 'True' | 'False') {
  return { type: 'Ready', status, lastTransitionTime: new Date().toISOString() };
}

function revisionOf(template: Template): string {
  return createHash('sha256').update(JSON.stringify(template)).digest('hex').slice(0, 8);
}
