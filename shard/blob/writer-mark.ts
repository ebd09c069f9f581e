/**
 * What a segment's blob says of itself, in its metadata: who wrote it last, which of that writer's commits it was, and
 * the segment as it was then. Names are lower-case letters, as both HTTP and Azure allow.
 */
import type { SegmentSummary } from '../segment.ts';
import { segmentSummarySchema } from './manifest.ts';

export interface Writer {
  readonly incarnation: number;
  readonly owner: string;
}

export interface WriterMark extends Writer {
  /** Number of the commit, counted by the writer for this blob; 0 is its takeover. */
  readonly commit: number;
  /** What the blob holds: `bytes` of records, and `hintBytes` behind them if sealed. */
  readonly segment: SegmentSummary;
}

export function markToMetadata(mark: WriterMark): Record<string, string> {
  return {
    incarnation: String(mark.incarnation),
    salt: String(mark.segment.salt),
    owner: mark.owner,
    commit: String(mark.commit),
    segment: JSON.stringify(mark.segment),
  };
}

/** Undefined if the metadata is not ours to understand. */
export function markFromMetadata(metadata: Readonly<Record<string, string>>): WriterMark | undefined {
  const { incarnation, owner, commit, segment } = metadata;
  if (incarnation === undefined || owner === undefined || commit === undefined || segment === undefined)
    return undefined;
  let json: unknown;
  try {
    json = JSON.parse(segment);
  } catch {
    return undefined;
  }
  const summary = segmentSummarySchema.safeParse(json);
  if (!summary.success || !/^\d+$/u.test(incarnation) || !/^\d+$/u.test(commit)) return undefined;
  return { incarnation: Number(incarnation), owner, commit: Number(commit), segment: summary.data };
}
