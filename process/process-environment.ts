/**
 * What processes of the cluster should be started with. All of it is read when a process begins.
 *
 * Shards: memory that is freed goes back to the system. glibc raises its mmap threshold to the size of what is freed, up
 * to 32 MiB; from then on values of some megabytes come from heaps that shrink only at their end. Under a churn of 100 B
 * to 4 MiB that keeps 1.5 times the limit resident however little is alive. A fixed threshold switches this off: values
 * above it are mapped and unmapped one by one. Two arenas instead of eight a core keep the rest together.
 *
 * Routers: the opposite. They keep no value, and every one that passes takes memory of its size for a moment; mapped
 * anew, each of its pages costs a fault, together a sixth of what a value of 1 MiB costs a router. So they take values up
 * to glibc's largest threshold from a heap that gives back only what is free beyond a bound.
 *
 * V8's young generation is bounded to half of what it would grow to. What a shard makes and keeps, it copies twice on its
 * way out of there, in pauses that are as long as there is room; what is short-lived needs no more room. Half the room
 * is half the longest of these pauses and some 30 MiB less resident, for the same processor time (docs/performance.md).
 *
 * The variables of malloc mean nothing to other C libraries than glibc.
 */
export const shardEnvironment = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
  NODE_OPTIONS: '--max-semi-space-size=8',
};

export const routerEnvironment: Readonly<Record<keyof typeof shardEnvironment, string>> = {
  ...shardEnvironment,
  MALLOC_MMAP_THRESHOLD_: '33554432',
  MALLOC_TRIM_THRESHOLD_: '134217728',
};

/** By role. */
export const processEnvironment = { shard: shardEnvironment, router: routerEnvironment } as const;
