/**
 * The manifest: one small JSON blob a shard, `<prefix>/manifest.json`, that says which segments the shard consists of
 * and who may write them. It is only ever replaced under If-Match, so it is the one authority over ownership:
 *
 *   { "version": 1, "shard": "shard-0", "incarnation": 7, "previousIncarnation": 6, "owner": "9f…", "revision": 42,
 *     "segments": [ … ] }
 *
 *   incarnation  grows with every takeover, by whichever process; the previous one is kept for a takeover that is
 *                repeated because its answer was lost.
 *   owner        random, one for each process: tells two processes apart that got the same incarnation because the
 *                store went back in time (an emulator that was killed).
 *   revision     grows with every replacement: tells our own unheard success from anything else.
 *   segments     as in segment.ts; a sealed segment's hint lies in its blob behind the records, at offset `bytes`.
 *
 * This file is pure: reading, writing and changing the document. Who writes it when is manifest-blob.ts.
 */
import { z } from 'zod';

import { KvcacheError, messageOf } from '../../errors.ts';
import type { SegmentIdentity, SegmentSummary } from '../segment.ts';

export const manifestVersion = 1;
export const manifestName = 'manifest.json';
export const segmentsFolder = 'segments/';

export interface Manifest {
  readonly version: 1;
  readonly shard: string;
  readonly incarnation: number;
  /** 0 for the first. */
  readonly previousIncarnation: number;
  readonly owner: string;
  readonly revision: number;
  /** By id, ascending; ids are unique. */
  readonly segments: readonly SegmentSummary[];
}

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

export const segmentSummarySchema = z.object({
  id: count,
  incarnation: count,
  salt: count,
  sealed: z.boolean(),
  bytes: count,
  hintBytes: count,
  minSequence: count,
  maxSequence: count,
  records: count,
  createdAtMs: z.number(),
});

const manifestSchema = z.object({
  version: z.literal(manifestVersion),
  shard: z.string(),
  incarnation: count.min(1),
  previousIncarnation: count,
  owner: z.string().min(1),
  revision: count,
  segments: z
    .array(segmentSummarySchema)
    .refine((segments) => new Set(segments.map(({ id }) => id)).size === segments.length, 'a segment is listed twice'),
});

/** Throws KvcacheError FORMAT, saying what is wrong and where. */
export function parseManifest(body: Buffer): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new KvcacheError('FORMAT', `${manifestName} is not JSON: ${messageOf(error)}`);
  }
  const result = manifestSchema.safeParse(json);
  if (!result.success) {
    throw new KvcacheError('FORMAT', `${manifestName} is not readable: ${z.prettifyError(result.error)}`);
  }
  return { ...result.data, segments: result.data.segments.toSorted(byId) };
}

/** The incarnation of a manifest of any version, if it has one: who is newer must be known even so. */
export function incarnationOf(body: Buffer): number | undefined {
  try {
    const result = z.object({ incarnation: count }).safeParse(JSON.parse(body.toString('utf8')));
    return result.success ? result.data.incarnation : undefined;
  } catch {
    return undefined;
  }
}

export function serializeManifest(manifest: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifest)}\n`, 'utf8');
}

/** Adds the segment or replaces what was known of it. */
export function withSegment(manifest: Manifest, summary: SegmentSummary): Manifest {
  const others = manifest.segments.filter(({ id }) => id !== summary.id);
  return { ...manifest, segments: [...others, summary].sort(byId) };
}

export function withoutSegments(manifest: Manifest, ids: ReadonlySet<number>): Manifest {
  return { ...manifest, segments: manifest.segments.filter(({ id }) => !ids.has(id)) };
}

export function sameIdentity(a: SegmentIdentity, b: SegmentIdentity): boolean {
  return a.id === b.id && a.incarnation === b.incarnation && a.salt === b.salt;
}

/** Name of the segment's blob below the shard's prefix. Padded, so that a listing is in order. */
export function segmentBlobName({ id, incarnation }: SegmentIdentity): string {
  return `${segmentsFolder}${String(id).padStart(12, '0')}-${incarnation}.seg`;
}

function byId(a: SegmentSummary, b: SegmentSummary): number {
  return a.id - b.id;
}
