/**
 * How much memory may be garbage before V8 collects it: its own heap, and the buffers outside of it in which every value
 * comes and goes.
 *
 *   V8's heap │ buffers alive │ garbage: a share of the buffers, and so many bytes besides
 *
 * By default V8 marks the whole heap each time 32 to 64 MiB of buffers have come, however little is alive: at a gigabyte
 * a second through a router that is dozens of times a second, and more than half of the processor time. With the first
 * flag below buffers count with the heap instead, which is marked when both have grown by a factor. Most buffers do not
 * even live that long: collections of the young generation, which cost next to nothing, give them back. So the factor must
 * leave them the time; V8's own of a small heap does not, and marked it for every 250 MB of values through a router.
 *
 * The factor is for the heap and not for bytes, so it is set anew as the heap grows. A heap beyond twice the bytes that garbage
 * may take is V8's own again, for to mark it takes long; unless there is not as much memory left as it has itself. V8 lets a
 * heap grow to almost its double, and a shard whose index fills half of its limit would be at twice the limit.
 *
 * A router keeps nothing alive, so V8's own share of live buffers is right for it. A shard keeps its values in RAM in such
 * buffers, and garbage takes their place (shard/hot/memory-budget.ts), so the share of them is small.
 *
 * The flags are no options that NODE_OPTIONS may carry, so they are set as the process runs; V8 reads them whenever it
 * decides.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { garbageBytesMax, garbageCheckIntervalMs, garbageShareMax, shardBufferGrowingFactor } from '../limits.ts';

/** Below this the process's bound is not what counts, but what its memory has room for. */
const percentMin = 50;
const percentStep = 10;

/**
 * Lets garbage grow to a share of `memoryBytes`, what the process may hold in all (absent: what its container may), from
 * now on to the end of the process.
 */
export function collectByShare(role: 'shard' | 'router', memoryBytes: number = containerBytes()): void {
  setFlagsFromString('--external-memory-accounted-in-global-limit');
  if (role === 'shard') setFlagsFromString(`--external-memory-max-growing-factor=${shardBufferGrowingFactor}`);
  let percent = 0;
  const follow = (): void => {
    const wanted = growingPercent(getHeapStatistics().used_heap_size, memoryBytes);
    if (wanted === percent) return;
    percent = wanted;
    setFlagsFromString(`--heap-growing-percent=${percent}`);
  };
  follow();
  setInterval(follow, garbageCheckIntervalMs).unref();
}

/** By how much a heap may grow until it is marked, in steps; 0 is V8's own choice. */
export function growingPercent(heapBytes: number, memoryBytes: number): number {
  const affordableBytes = memoryBytes * garbageShareMax;
  const percent = (Math.min(garbageBytesMax, affordableBytes) / heapBytes) * 100;
  if (percent >= percentMin) return inSteps(percent);
  const affordablePercent = (affordableBytes / heapBytes) * 100;
  return affordablePercent >= 100 ? 0 : Math.max(percentStep, inSteps(affordablePercent));
}

function inSteps(percent: number): number {
  return Math.floor(percent / percentStep) * percentStep;
}

function containerBytes(): number {
  const bytes = process.constrainedMemory();
  return bytes > 0 ? bytes : Infinity;
}
