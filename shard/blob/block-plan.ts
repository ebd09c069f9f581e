/**
 * Which blocks a growing segment's blob consists of.
 *
 * Every flush adds what the file has grown by. A block for each flush would reach Azure's bound (and ours, a thousand)
 * within an hour; staging the whole unfinished block again each time would send a block of 8 MiB many times over. So
 * small blocks are merged as a binary counter carries: the new block swallows its predecessor while that one is at most
 * twice as long and both fit into one block. A byte is sent at most about log₂(blockBytes / bytes a flush) times, every
 * flush stages one block only (one more for each blockBytes), and a blob has at most about
 *
 *     2 × segmentBytes / blockBytes + log₂(blockBytes)
 *
 * blocks: two neighbours together exceed a block, but for a tail of blocks that at least halve.
 */

export interface Extent {
  readonly offset: number;
  readonly length: number;
}

export interface BlockPlan {
  /** So many of the present blocks stay, from the first on. */
  readonly keep: number;
  /** To be staged and put behind them. */
  readonly stage: readonly Extent[];
}

/** Plans how blocks that lie end to end from 0 become blocks that hold exactly the first `bytes` bytes. */
export function planBlocks(present: readonly Extent[], bytes: number, blockBytes: number): BlockPlan {
  let keep = present.length;
  while (keep > 0 && endOf(present[keep - 1]) > bytes) keep -= 1;
  let start = keep === 0 ? 0 : endOf(present[keep - 1]);
  while (keep > 0 && start < bytes) {
    const last = present[keep - 1];
    const grown = bytes - start;
    if (last === undefined || last.length + grown > blockBytes || last.length > 2 * grown) break;
    keep -= 1;
    start = last.offset;
  }
  const stage: Extent[] = [];
  for (let offset = start; offset < bytes; offset += blockBytes) {
    stage.push({ offset, length: Math.min(blockBytes, bytes - offset) });
  }
  return { keep, stage };
}

function endOf(extent: Extent | undefined): number {
  return extent === undefined ? 0 : extent.offset + extent.length;
}
