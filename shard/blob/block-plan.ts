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
 * blocks: two neighbours together exceed a block, but for a tail of blocks that at least halve. With our sizes that is
 * far below `blobBlocksPerSegmentMax`; blocks that came about otherwise are staged anew, as few as they can be, rather
 * than ever exceed it.
 */
import assert from 'node:assert/strict';
import { blobBlocksPerSegmentMax } from '../../limits.ts';

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
  const stage = extentsOf(start, bytes, blockBytes);
  if (keep + stage.length <= blobBlocksPerSegmentMax) return { keep, stage };
  const fewest = extentsOf(0, bytes, blockBytes);
  assert(fewest.length <= blobBlocksPerSegmentMax, `${bytes} bytes are too many for blocks of ${blockBytes}`);
  return { keep: 0, stage: fewest };
}

function extentsOf(start: number, end: number, blockBytes: number): Extent[] {
  const extents: Extent[] = [];
  for (let offset = start; offset < end; offset += blockBytes) {
    extents.push({ offset, length: Math.min(blockBytes, end - offset) });
  }
  return extents;
}

function endOf(extent: Extent | undefined): number {
  return extent === undefined ? 0 : extent.offset + extent.length;
}
