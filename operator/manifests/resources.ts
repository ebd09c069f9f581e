/**
 * The memory of pods: what the process may come to, and so what the pod must be allowed.
 *
 * A shard keeps its resident memory below 1.25 times `shards.memory` (shard/hot/memory-budget.ts). The runtime itself,
 * buffers of the kernel and pages of the log being written come to another 192 MiB, which for small shards is the larger
 * part. The CRD refuses a limit below that sum with the same formula. Requests equal limits, so that a node's memory
 * pressure does not take the shard first; processor time has a request and no limit, for throttling shows as latency.
 */
import type { KVCacheSpec } from '../api/schema.ts';
import type { Quantity } from '../api/field.ts';
import { residentRatio, shardOverheadMebibytes } from '../api/facts.ts';
import { mebibytes, quantityBytes } from './quantity.ts';

const MiB = 2 ** 20;

const processorRequest = '100m';
const routerMemoryRequest = '256Mi';
/** Requests and replies in flight at the doors, and what waits for shards. */
const routerMemoryLimit = '2Gi';

export interface PodResources {
  requests: Record<string, string>;
  limits: Record<string, string>;
}

/** The least memory limit of a shard's pod. */
export function shardPodMemoryBytes(memory: Quantity): number {
  return quantityBytes(memory) * residentRatio + shardOverheadMebibytes * MiB;
}

export function shardResources({ shards }: KVCacheSpec): PodResources {
  const { requests, limits } = shards.resources ?? {};
  const memory = limits?.['memory'] ?? mebibytes(shardPodMemoryBytes(shards.memory));
  return { requests: texts({ cpu: processorRequest, memory, ...requests }), limits: texts({ memory, ...limits }) };
}

export function routerResources({ routers }: KVCacheSpec): PodResources {
  const { requests, limits } = routers.resources ?? {};
  const limit = limits?.['memory'] ?? routerMemoryLimit;
  const memory = quantityBytes(limit) < quantityBytes(routerMemoryRequest) ? limit : routerMemoryRequest;
  return {
    requests: texts({ cpu: processorRequest, memory, ...requests }),
    limits: texts({ memory: limit, ...limits }),
  };
}

/** A quantity may be written as a number, and is a text in what Kubernetes stores. */
function texts(quantities: Readonly<Record<string, Quantity>>): Record<string, string> {
  return Object.fromEntries(Object.entries(quantities).map(([name, quantity]) => [name, String(quantity)]));
}

/** What the runtime's own objects take of the heap. */
const baseHeapMebibytes = 64;

/**
 * MiB of V8's heap, whose default is a quarter of the pod's memory: too little for a shard's index, which may take half
 * of its memory. The process's own budget keeps everything together below the pod's limit.
 */
export function shardHeapMebibytes({ shards }: KVCacheSpec): number {
  return Math.floor(quantityBytes(shards.memory) / MiB) + baseHeapMebibytes;
}

export function routerHeapMebibytes(spec: KVCacheSpec): number {
  return Math.floor(quantityBytes(routerResources(spec).limits['memory']!) / MiB / 2);
}
