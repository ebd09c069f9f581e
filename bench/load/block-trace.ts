/**
 * A trace of prompts as ids of their blocks: JSON lines with `hash_ids`, in the order of time, as the published traces
 * of serving systems have it. The same id is the same block, with the same blocks before it.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** Block ids of every prompt. Throws an Error that names the line that is none. */
export async function readTrace(path: string): Promise<number[][]> {
  const prompts: number[][] = [];
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    if (line.trim() !== '') prompts.push(idsOf(line, `${path}:${prompts.length + 1}`));
  }
  return prompts;
}

function idsOf(line: string, where: string): number[] {
  let record: { readonly hash_ids?: unknown };
  try {
    record = JSON.parse(line) as typeof record;
  } catch (error) {
    throw new Error(`${where} is no JSON: ${(error as Error).message}`, { cause: error });
  }
  const ids = record.hash_ids;
  if (!Array.isArray(ids) || !ids.every((id) => Number.isSafeInteger(id))) {
    throw new Error(`${where} has no "hash_ids", a list of whole numbers`);
  }
  return ids as number[];
}

/** What a replay needs of a cache of blocks. */
export interface BlockCache {
  /** The prompt's ids are looked up together, before its blocks are read. */
  lookup?(ids: readonly number[]): void;
  /** True for a hit, which is a use. */
  read(id: number): boolean;
  write(id: number): void;
}

/**
 * The share of blocks that need not be computed: of each prompt the blocks before the first one that is missing. What
 * is missing is computed and written.
 */
export function hitRatio(prompts: readonly (readonly number[])[], cache: BlockCache): number {
  let hits = 0;
  let blocks = 0;
  for (const ids of prompts) {
    cache.lookup?.(ids);
    let isPrefix = true;
    for (const id of ids) {
      blocks++;
      const isHit = cache.read(id);
      isPrefix &&= isHit;
      if (isPrefix) hits++;
      if (!isHit) cache.write(id);
    }
  }
  return hits / blocks;
}

/** The least recently used block goes first: what everything else is compared with. */
export function leastRecentlyUsed(blocksMax: number): BlockCache {
  const order = new Map<number, true>();
  return {
    read(id) {
      if (!order.delete(id)) return false;
      order.set(id, true);
      return true;
    },
    write(id) {
      order.set(id, true);
      if (order.size > blocksMax) order.delete(order.keys().next().value!);
    },
  };
}
