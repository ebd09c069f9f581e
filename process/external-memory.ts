/**
 * How much memory outside V8's heap may be garbage before V8 collects it: buffers, in which every value comes and goes.
 *
 * By default V8 marks the whole heap each time 32 to 64 MiB of buffers have come, however little is alive: at a gigabyte
 * a second through a router that is dozens of times a second, and more than half of the processor time. With the flag
 * below buffers count with the heap instead, which is collected when it has grown by a share of what is alive.
 *
 * A router keeps nothing alive, so V8's own share is right for it. A shard keeps its values in RAM in such buffers, and
 * garbage takes their place (shard/hot/memory-budget.ts), so the share of it is small.
 *
 * The flags are no options that NODE_OPTIONS may carry, so they are set as the process starts; V8 reads them whenever it
 * decides.
 */
import { setFlagsFromString } from 'node:v8';

/** Of what a shard has in RAM, the share by which garbage may grow. */
const shardGrowingFactor = 1.1;

export function collectExternalMemoryByShare(role: 'shard' | 'router'): void {
  setFlagsFromString('--external-memory-accounted-in-global-limit');
  if (role === 'shard') setFlagsFromString(`--external-memory-max-growing-factor=${shardGrowingFactor}`);
}
