/**
 * Deltas of a chain, gathered into few reads: those that lie close together in one segment come with one.
 *
 *   │ d1 │ other record │ d2 │ …… far …… │ d3 │        two reads: d1 with d2, and d3
 *
 * Deltas of a key that is written often lie a few records apart, and one read of Blob takes as long as sixty.
 */
import { deltaGapBytesMax, deltaReadBytesMax } from '../../limits.ts';
import type { DeltaPlace } from '../journal.ts';

export interface DeltaRead {
  readonly segment: number;
  readonly from: number;
  readonly to: number;
  readonly deltas: readonly DeltaPlace[];
}

/** Reads that together hold all these deltas, in their order. */
export function deltaReads(deltas: readonly DeltaPlace[]): DeltaRead[] {
  const reads: DeltaRead[] = [];
  for (const delta of deltas) {
    const { segment, offset } = delta;
    const end = offset + delta.recordBytes;
    const last = reads.at(-1);
    const isNear =
      last?.segment === segment &&
      offset >= last.to &&
      offset - last.to <= deltaGapBytesMax &&
      end - last.from <= deltaReadBytesMax;
    if (isNear) reads[reads.length - 1] = { ...last, to: end, deltas: [...last.deltas, delta] };
    else reads.push({ segment, from: offset, to: end, deltas: [delta] });
  }
  return reads;
}
