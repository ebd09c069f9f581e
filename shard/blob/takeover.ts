/**
 * Taking over a shard in Blob: afterwards no other process can commit anything to it.
 *
 *   1. Replace the manifest with a higher incarnation under If-Match. From now on every change of the manifest by a
 *      former owner fails.
 *   2. Change the metadata, and so the ETag, of every unsealed segment's blob. From now on every commit of a former
 *      owner to them fails. A blob that it makes after step 1 it cannot list, so nothing in it is acknowledged.
 *   3. Only then read how long those segments are: now that cannot change any more.
 */
import { KvcacheError } from '../../errors.ts';
import { blobUploadRoundsMax } from '../../limits.ts';
import type { SegmentSummary } from '../segment.ts';
import type { BlobFailure } from './blob-outcome.ts';
import type { BlobStore, Condition } from './blob-store.ts';
import { ManifestBlob, readManifest } from './manifest-blob.ts';
import type { ManifestFound } from './manifest-blob.ts';
import { manifestName, manifestVersion, sameIdentity, segmentBlobName, serializeManifest } from './manifest.ts';
import type { Manifest } from './manifest.ts';
import { markFromMetadata, markToMetadata } from './writer-mark.ts';
import type { Writer } from './writer-mark.ts';

export interface Claim {
  readonly manifest: ManifestBlob;
  readonly writer: Writer;
  /** 0 if there was no manifest. */
  readonly previousIncarnation: number;
}

export interface Claimant {
  /** Name of the shard. */
  readonly shard: string;
  /** Random, the process's own. */
  readonly owner: string;
  /** The highest incarnation that the disk knows of; 0 for none. */
  readonly localIncarnation: number;
  /** What an earlier attempt of this process has claimed; 0 for nothing. */
  readonly claimedIncarnation: number;
}

/** Step 1. Rejects with BLOBDOWN or FENCED, or FORMAT or CONFIG where a person must look. */
export async function claimManifest(store: BlobStore, claimant: Claimant): Promise<Claim> {
  const { shard, owner, localIncarnation } = claimant;
  for (let round = 0; round < blobUploadRoundsMax; round += 1) {
    const outcome = await readManifest(store);
    if (outcome.kind === 'containerMissing') {
      const made = await store.createContainer();
      if (made.kind !== 'done') {
        throw new KvcacheError(
          'BLOBDOWN',
          `the container of ${store.description} is missing and could not be made: ${made.message}`,
        );
      }
      continue;
    }
    if (outcome.kind !== 'done') throw blobDown(store, outcome);
    const found = outcome.value;
    if (found?.manifest?.owner === owner) return claimOf(store, found.manifest, found.etag);
    if (found !== undefined) refuse(store, claimant, found);
    const previous = found?.manifest;
    const claimed: Manifest = {
      version: manifestVersion,
      shard,
      incarnation: Math.max(previous?.incarnation ?? 0, localIncarnation) + 1,
      previousIncarnation: previous?.incarnation ?? 0,
      owner,
      revision: (previous?.revision ?? 0) + 1,
      segments: previous?.segments ?? [],
    };
    const condition: Condition = found === undefined ? { absent: true } : { ifMatch: found.etag };
    const written = await store.putDocument(manifestName, serializeManifest(claimed), condition);
    if (written.kind === 'done') return claimOf(store, claimed, written.value);
    // Somebody was quicker, or our first attempt landed unheard: reading tells.
    if (written.kind !== 'preconditionFailed' && written.kind !== 'notFound') throw blobDown(store, written);
  }
  throw new KvcacheError(
    'BLOBDOWN',
    `the manifest at ${store.description} keeps changing; do several processes start?`,
  );
}

/**
 * Steps 2 and 3 for one segment; resolves to the segment as its blob holds it. `bytes` is 0 if there is no blob, and
 * it may turn out to be sealed, if the former owner died between the last commit and the manifest.
 */
export async function claimSegment(store: BlobStore, claim: Claim, listed: SegmentSummary): Promise<SegmentSummary> {
  const name = segmentBlobName(listed);
  const { writer } = claim;
  for (let round = 0; round < blobUploadRoundsMax; round += 1) {
    const found = await store.properties(name);
    if (found.kind === 'notFound') return { ...listed, bytes: 0, hintBytes: 0 };
    if (found.kind !== 'done') throw blobDown(store, found);
    const { etag, bytes, metadata } = found.value;
    const mark = markFromMetadata(metadata);
    if (mark !== undefined && mark.incarnation > writer.incarnation) {
      const judged = await claim.manifest.check();
      if (judged.kind !== 'done') throw blobDown(store, judged);
    }
    const isWhole =
      mark !== undefined && sameIdentity(mark.segment, listed) && mark.segment.bytes + mark.segment.hintBytes === bytes;
    const segment = isWhole ? mark.segment : { ...listed, bytes, hintBytes: 0 };
    if (isWhole && mark.owner === writer.owner) return segment;
    const changed = await store.setMetadata(name, markToMetadata({ ...writer, commit: 0, segment }), { ifMatch: etag });
    if (changed.kind === 'done') return segment;
    // A commit of the former owner came in between: look again.
    if (changed.kind !== 'preconditionFailed' && changed.kind !== 'notFound') throw blobDown(store, changed);
  }
  throw new KvcacheError('BLOBDOWN', `${name} keeps changing while this process takes over`);
}

export function blobDown(store: BlobStore, trouble: BlobFailure): KvcacheError {
  return new KvcacheError('BLOBDOWN', `Blob at ${store.description} cannot be used: ${trouble.message}`);
}

function claimOf(store: BlobStore, manifest: Manifest, etag: string): Claim {
  return {
    manifest: new ManifestBlob(store, manifest, etag),
    writer: { incarnation: manifest.incarnation, owner: manifest.owner },
    previousIncarnation: manifest.previousIncarnation,
  };
}

/** What we cannot read, what is another shard's, and what was taken from us before, is never replaced. */
function refuse(store: BlobStore, { shard, claimedIncarnation }: Claimant, found: ManifestFound): void {
  if (claimedIncarnation > 0 && found.incarnation !== undefined && found.incarnation >= claimedIncarnation) {
    throw new KvcacheError('FENCED', 'another process has taken over this shard while this one was doing so');
  }
  if (found.manifest === undefined) {
    throw new KvcacheError('FORMAT', `the manifest at ${store.description} is left alone: ${found.problem}`);
  }
  if (found.manifest.shard !== shard) {
    throw new KvcacheError(
      'CONFIG',
      `blob.prefix: ${store.description} belongs to shard "${found.manifest.shard}", this is shard "${shard}"`,
    );
  }
}
