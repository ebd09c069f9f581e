/** Figures of the processes that admission's rules and the builders must agree on. */
import { memoryResidentRatioMax } from '../../limits.ts';
import { schema as settings } from '../../settings/schema.ts';

/** The internal port of shards and routers: the setting's default, never another in a cluster. */
export const linkPort: number =
  settings['link.port'].default.kind === 'value' ? settings['link.port'].default.value : Number.NaN;

/** A shard keeps its resident memory below this multiple of its memory (shard/hot/memory-budget.ts). */
export const residentRatio = memoryResidentRatioMax;
/** The runtime, buffers of the kernel and pages of the log being written: for a small shard the larger part. */
export const shardOverheadMebibytes = 192;
/** Below it a router does not even start. */
export const routerMebibytesMin = 128;
export const shardMebibytesMin = 64;
