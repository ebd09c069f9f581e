/** A KVCache as scenarios handle it: applied, edited, waited for, looked into. */
import type { KVCacheSpecInput } from '../../operator/api/schema.ts';
import type { Kube } from './kube.ts';
import type { Condition, KubeObject, Pod } from './objects.ts';
import { isReady } from './objects.ts';
import { eventually, notYet, type WaitOptions } from './wait.ts';

export type CacheSpec = NonNullable<KVCacheSpecInput>;
export type Component = 'shard' | 'router';

export interface ShardState {
  readonly name: string;
  readonly phase: string;
  readonly ready: boolean;
  readonly node?: string;
  readonly epoch?: number;
  readonly slots?: number;
  readonly slotsArriving?: number;
  readonly keys?: number;
  readonly message?: string;
}

export interface CacheObject extends KubeObject {
  spec: CacheSpec & { shards: { replicas: number } };
  status?: {
    observedGeneration?: number;
    conditions?: Condition[];
    replicas?: number;
    selector?: string;
    shardsReady?: string;
    routersReady?: string;
    epoch?: number;
    slotsServed?: number;
    scaling?: { from: number; to: number; slotsMoving: number; keysLeft: number; bytesMoved: number };
    rollout?: { updated: number; total: number; halted?: string };
    shards?: ShardState[];
  };
}

/** A cache that a small machine carries many of. */
const small: CacheSpec = {
  shards: {
    memory: '64Mi',
    storage: { size: '1Gi' },
    resources: { requests: { cpu: '10m', memory: '64Mi' } },
    terminationGracePeriodSeconds: 30,
  },
  routers: { replicas: 1, resources: { requests: { cpu: '10m', memory: '64Mi' } }, terminationGracePeriodSeconds: 15 },
};

export class Cache {
  readonly kube: Kube;
  readonly namespace: string;
  readonly name: string;

  constructor(kube: Kube, namespace: string, name: string) {
    this.kube = kube;
    this.namespace = namespace;
    this.name = name;
  }

  /** host:port of the client Service, inside the cluster. */
  get server(): string {
    return `${this.name}.${this.namespace}.svc:50051`;
  }

  /** Applies `spec` over a small cache's: a second call with another spec takes back what the first one said. */
  async apply(spec: CacheSpec = {}): Promise<CacheObject> {
    return this.applyExactly(merged(small, spec));
  }

  /** Applies this spec and nothing else. */
  async applyExactly(spec: CacheSpec): Promise<CacheObject> {
    const { name, namespace } = this;
    return this.kube.apply({
      apiVersion: 'kvcache.dev/v1alpha1',
      kind: 'KVCache',
      metadata: { name, namespace },
      spec,
    });
  }

  /** Merges into the spec, as `kubectl patch --type merge` does; null removes a field. */
  async edit(spec: object): Promise<CacheObject> {
    return this.kube.patch('KVCache', this.name, this.namespace, { spec });
  }

  async annotate(annotations: Record<string, string | null>): Promise<void> {
    await this.kube.patch('KVCache', this.name, this.namespace, { metadata: { annotations } });
  }

  async object(): Promise<CacheObject> {
    return this.kube.get('KVCache', this.name, this.namespace);
  }

  async condition(type: string): Promise<Condition | undefined> {
    return conditionOf(await this.object(), type);
  }

  /** Resolves when the status is about the spec as it is now, the cache is ready, and nothing is on the way. */
  async untilSettled(options?: WaitOptions): Promise<CacheObject> {
    return eventually(
      `KVCache ${this.name} is ready and settled`,
      async () => settledOrNot(await this.object()),
      options,
    );
  }

  /** Resolves when a condition has this status, and this reason if one is given. */
  async untilCondition(type: string, status: string, reason?: string, options?: WaitOptions): Promise<Condition> {
    const what = `KVCache ${this.name} has ${type}=${status}${reason ? ` for ${reason}` : ''}`;
    const probe = async () => {
      const condition = await this.condition(type);
      const fits = condition?.status === status && (reason === undefined || condition.reason === reason);
      return fits ? condition : notYet(condition ?? `no condition ${type}`);
    };
    return eventually(what, probe, options);
  }

  async pods(component?: Component): Promise<Pod[]> {
    const parts = [`app.kubernetes.io/instance=${this.name}`, 'app.kubernetes.io/name=kvcache'];
    if (component) parts.push(`app.kubernetes.io/component=${component}`);
    const pods = await this.kube.list<Pod>('Pod', this.namespace, { labels: parts.join(',') });
    return pods.sort((one, other) => one.metadata.name.localeCompare(other.metadata.name, 'en', { numeric: true }));
  }

  async untilPods(component: Component, count: number, options?: WaitOptions): Promise<Pod[]> {
    const probe = async () => {
      const pods = await this.pods(component);
      return pods.length === count && pods.every(isReady) ? pods : notYet(pods.map(({ metadata }) => metadata.name));
    };
    return eventually(`${count} ${component} pods of ${this.name} are there and ready`, probe, options);
  }

  /** The value of a metric of a pod, summed over its series; undefined where there is none. */
  async metric(pod: string, name: string, httpPort = 8_080): Promise<number | undefined> {
    const text = await this.kube.throughPod(this.namespace, pod, httpPort, '/metrics');
    const lines = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
    if (lines.length === 0) return undefined;
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  async delete(): Promise<void> {
    await this.kube.delete('KVCache', this.name, this.namespace);
  }

  async untilGone(options?: WaitOptions): Promise<void> {
    await eventually(
      `KVCache ${this.name} is gone`,
      async () => (await this.kube.find('KVCache', this.name, this.namespace)) === undefined,
      options,
    );
  }
}

export function conditionOf({ status }: CacheObject, type: string): Condition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

function settledOrNot(object: CacheObject) {
  const { metadata, status } = object;
  const ready = conditionOf(object, 'Ready');
  const progressing = conditionOf(object, 'Progressing');
  const isSettled =
    status?.observedGeneration === metadata.generation &&
    ready?.status === 'True' &&
    ready.observedGeneration === metadata.generation &&
    progressing?.status !== 'True';
  return isSettled ? object : notYet({ generation: metadata.generation, status: status ?? null });
}

type Tree = { readonly [member: string]: unknown };

/** The second over the first, objects member by member. */
export function merged(under: object, over: object): object {
  const result: Record<string, unknown> = { ...under };
  for (const [member, value] of Object.entries(over as Tree)) {
    const below = result[member];
    result[member] = isTree(below) && isTree(value) ? merged(below, value) : value;
  }
  return result;
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
