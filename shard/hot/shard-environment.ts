/**
 * What a shard's process should be started with, so that memory which is freed goes back to the system.
 *
 * glibc raises its mmap threshold to the size of what is freed, up to 32 MiB; from then on values of some megabytes
 * come from heaps that shrink only at their end. Under a churn of 100 B to 4 MiB that keeps 1.5 times the limit
 * resident however little is alive. A fixed threshold switches this off: values above it are mapped and unmapped one
 * by one. Two arenas instead of eight a core keep the rest together. These variables mean nothing to other C libraries.
 *
 * V8's young generation is bounded to half of what it would grow to. What a shard makes and keeps, it copies twice on its
 * way out of there, in pauses that are as long as there is room; what is short-lived needs no more room. Half the room
 * is half the longest of these pauses and some 30 MiB less resident, for the same processor time (docs/performance.md).
 *
 * All of it is read when a process begins.
 */
export const shardEnvironment = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
  NODE_OPTIONS: '--max-semi-space-size=8',
};
