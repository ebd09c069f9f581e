/**
 * All that one shard has in Blob: its manifest and its segments' blobs, from the takeover on.
 *
 * Every change goes through one lane, so that uploads, drops and verifications never interleave; and bytes count as
 * acknowledged only when the manifest lists their segment. What is to be done when is write-behind.ts.
 */
import type { SegmentIdentity, SegmentSource, SegmentSummary } from '../segment.ts';
import { done } from './blob-outcome.ts';
import type { BlobFailure, BlobOutcome } from './blob-outcome.ts';
import type { BlobStore, ListedBlob } from './blob-store.ts';
import { sameIdentity, segmentBlobName, segmentsFolder, withSegment, withoutSegments } from './manifest.ts';
import { SegmentBlob } from './segment-blob.ts';
import type { SegmentReader, UploadContext } from './segment-blob.ts';
import { SerialLane } from './serial-lane.ts';
import type { Claim } from './takeover.ts';

/** The part of pino that is used. */
export interface BlobLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ShardBlobsOptions {
  readonly store: BlobStore;
  readonly claim: Claim;
  readonly blockBytes: number;
  readonly log: BlobLog;
  readonly signal: AbortSignal;
  /** A commit of this segment has landed. */
  readonly onCommit: (id: number) => void;
  /** More of these segments is acknowledged than before. */
  readonly onAcknowledged: (id: number, bytes: number) => void;
  /** A blob or the manifest was not as we had left it. */
  readonly onSurprise: () => void;
}

export class ShardBlobs {
  readonly #options: ShardBlobsOptions;
  readonly #context: UploadContext;
  readonly #lane = new SerialLane();
  readonly #segments = new Map<number, SegmentBlob>();
  /** Never uploaded again, though the file may still be there. */
  readonly #dropped = new Set<number>();
  /** Blobs off the manifest, with the ETag under which they may be deleted. */
  readonly #deletable = new Map<string, string | undefined>();
  readonly #conflicts = new Set<number>();
  #blockNumber = 0;
  #orphansPending = true;
  #lostSegments = 0;
  #orphansDeleted = 0;

  /** `segments` as the takeover found them. */
  constructor(options: ShardBlobsOptions, segments: readonly SegmentSummary[]) {
    this.#options = options;
    const { claim, store, blockBytes, signal } = options;
    this.#context = {
      store,
      writer: claim.writer,
      blockBytes,
      signal,
      nextBlockId: () => this.#nextBlockId(),
      checkOwnership: async () => await claim.manifest.check(),
      onSurprise: options.onSurprise,
    };
    for (const segment of segments) this.#segments.set(segment.id, SegmentBlob.adopted(this.#context, segment));
    // A segment that was sealed in Blob and not yet in the manifest becomes so with the first pass.
    for (const segment of segments) this.#list(segment);
  }

  get lostSegments(): number {
    return this.#lostSegments;
  }

  get orphansDeleted(): number {
    return this.#orphansDeleted;
  }

  /** True while something waits for the manifest, or for being deleted. */
  get hasLooseEnds(): boolean {
    return this.#options.claim.manifest.dirty || this.#deletable.size > 0;
  }

  /** The manifest's view; of an open segment what is committed. */
  summaries(): SegmentSummary[] {
    return this.#options.claim.manifest.current.segments.map((listed) => {
      const committed = this.#segments.get(listed.id)?.committed;
      return listed.sealed || committed === undefined ? listed : { ...listed, bytes: committed.bytes };
    });
  }

  acknowledgedBytes(id: number): number {
    return this.#segments.get(id)?.acknowledgedBytes ?? 0;
  }

  /** Sealed, seen in Blob, and sealed in the manifest. */
  isSafe(id: number): boolean {
    return this.#segments.get(id)?.isSettled === true && this.#options.claim.manifest.isSealedInBlob(id);
  }

  needsUpload(local: SegmentSummary): boolean {
    return this.#ofLocal(local)?.needsUpload(local) === true;
  }

  /** Bytes of a local segment that are not acknowledged; 0 if it is never to be uploaded. */
  missingBytes(local: SegmentSummary): number {
    if (this.#dropped.has(local.id)) return 0;
    const segment = this.#segments.get(local.id);
    if (segment === undefined) return local.bytes;
    if (!sameIdentity(segment.committed, local)) return 0;
    return Math.max(0, local.bytes - segment.acknowledgedBytes);
  }

  /** Uploads what a local segment has grown by, if anything. Rejects with FENCED. */
  async upload(local: SegmentSummary, source: SegmentSource): Promise<BlobOutcome<undefined>> {
    return await this.#lane.run(async () => {
      const segment = this.#ofLocal(local);
      if (segment?.needsUpload(local) !== true) return done(undefined);
      return await this.#bringUp(segment, local, {
        read: async (offset, length) => await source.read(local.id, offset, length),
        readHint: async () => await source.readHint(local.id),
      });
    });
  }

  /** Seals an adopted segment that lies in Blob alone: cuts it to `sealed.bytes` and puts the hint behind. */
  async sealAdopted(sealed: SegmentSummary, hint: Buffer): Promise<BlobOutcome<undefined>> {
    return await this.#lane.run(async () => {
      const segment = this.#segments.get(sealed.id);
      if (segment === undefined) return done(undefined);
      const uploaded = await this.#bringUp(segment, sealed, {
        read: async (offset, length) => {
          const outcome = await this.#context.store.readRange(segment.name, offset, length);
          if (outcome.kind === 'done') return outcome.value;
          throw new Error(outcome.message);
        },
        readHint: async () => hint,
      });
      return uploaded.kind === 'done' ? await this.#writeManifest() : uploaded;
    });
  }

  /** Writes the manifest if it has changed, then deletes the blobs that are off it. Rejects with FENCED. */
  async settle(): Promise<BlobOutcome<undefined>> {
    return await this.#lane.run(async () => await this.#settle());
  }

  /** Takes segments off the manifest, then deletes their blobs. What fails is done by a later `settle`. */
  async drop(ids: readonly number[]): Promise<BlobOutcome<undefined>> {
    return await this.#lane.run(async () => {
      for (const id of ids) {
        const segment = this.#segments.get(id);
        this.#dropped.add(id);
        if (segment === undefined) continue;
        this.#segments.delete(id);
        this.#deletable.set(segment.name, segment.etag);
      }
      const gone = new Set(ids);
      const { manifest } = this.#options.claim;
      if (manifest.current.segments.some(({ id }) => gone.has(id))) {
        manifest.change((current) => withoutSegments(current, gone));
      }
      return await this.#settle();
    });
  }

  /** Forgets that segments were dropped, once their files are gone too. */
  forgetDropped(local: readonly SegmentSummary[]): void {
    if (this.#dropped.size === 0) return;
    const present = new Set(local.map(({ id }) => id));
    for (const id of this.#dropped) if (!present.has(id)) this.#dropped.delete(id);
  }

  /**
   * Compares all of it with what Blob holds: two reads, however many segments there are. What is missing or changed
   * needs an upload afterwards. The first time, blobs that the manifest does not list are deleted.
   */
  async verify(local: readonly SegmentSummary[]): Promise<BlobOutcome<undefined>> {
    return await this.#lane.run(async () => {
      const { store, claim, log } = this.#options;
      const listing = await store.list(segmentsFolder, this.#context.signal);
      if (listing.kind !== 'done') return listing;
      const checked = await claim.manifest.check();
      if (checked.kind !== 'done') return checked;
      if (!checked.value) log.warn({}, 'the manifest in Blob was lost or went back in time; it is written again');
      const byName = new Map(listing.value.map((blob) => [blob.name, blob]));
      const isLocal = new Set(local.map(({ id }) => id));
      for (const [id, segment] of this.#segments) {
        const trouble = await this.#verifySegment(id, segment, byName.get(segment.name), isLocal.has(id));
        if (trouble !== undefined) return trouble;
      }
      if (this.#orphansPending) await this.#deleteOrphans(listing.value, local);
      return await this.#settle();
    });
  }

  async #verifySegment(
    id: number,
    segment: SegmentBlob,
    listed: ListedBlob | undefined,
    isLocal: boolean,
  ): Promise<BlobFailure | undefined> {
    const before = segment.committed;
    const seen = segment.observe(listed);
    if (seen === 'intact') return undefined;
    // It may be but a commit of ours whose answer was lost.
    const trouble = seen === 'changed' ? await segment.refresh() : undefined;
    if (trouble !== undefined) return trouble;
    this.#report(id, segment);
    const { committed } = segment;
    if (committed.bytes >= before.bytes && (committed.sealed || !before.sealed)) return undefined;
    this.#lostSegments += 1;
    const { log } = this.#options;
    const fields = { segment: id, blob: segment.name, seen };
    if (isLocal) log.warn(fields, 'Blob lost a segment, or a part of it; it is uploaded again');
    else log.error(fields, 'Blob lost a segment that no disk holds');
    return undefined;
  }

  /**
   * The listing is older than the check of the manifest that has just found us the owner, and each blob is deleted only
   * under the ETag of the listing: a newer owner commits to a blob before it lists it, which changes the ETag.
   */
  async #deleteOrphans(listing: readonly ListedBlob[], local: readonly SegmentSummary[]): Promise<void> {
    const wanted = new Set([
      ...this.#options.claim.manifest.current.segments.map(segmentBlobName),
      ...local.map(segmentBlobName),
      ...this.#deletable.keys(),
    ]);
    for (const { name, etag } of listing) {
      if (wanted.has(name)) continue;
      const outcome = await this.#context.store.delete(name, { ifMatch: etag });
      if (outcome.kind === 'done') this.#orphansDeleted += 1;
      else if (outcome.kind !== 'notFound' && outcome.kind !== 'preconditionFailed') return;
    }
    this.#orphansPending = false;
  }

  async #bringUp(segment: SegmentBlob, local: SegmentSummary, reader: SegmentReader): Promise<BlobOutcome<undefined>> {
    const before = segment.committed;
    const outcome = await segment.upload(local, reader);
    if (outcome.kind === 'unreadable') {
      this.#options.log.warn({ segment: local.id, problem: outcome.message }, 'a segment could not be read for upload');
      return done(undefined);
    }
    if (outcome.kind !== 'done') return outcome;
    if (segment.committed !== before) this.#options.onCommit(local.id);
    this.#report(local.id, segment);
    return done(undefined);
  }

  /** Tells the manifest, or those who wait, what the blob holds now. */
  #report(id: number, segment: SegmentBlob): void {
    const { committed } = segment;
    if (committed.sealed || (segment.unlisted && committed.bytes > 0)) this.#list(committed);
    if (!segment.unlisted) this.#options.onAcknowledged(id, segment.acknowledgedBytes);
  }

  /** Puts the segment into the manifest, to be written, unless it says so already. */
  #list(summary: SegmentSummary): void {
    const { manifest } = this.#options.claim;
    const listed = manifest.current.segments.find(({ id }) => id === summary.id);
    const isSaid =
      listed !== undefined && listed.sealed === summary.sealed && this.#segments.get(summary.id)?.unlisted !== true;
    if (!isSaid) manifest.change((current) => withSegment(current, summary));
  }

  async #settle(): Promise<BlobOutcome<undefined>> {
    const written = await this.#writeManifest();
    return written.kind === 'done' ? await this.#deleteDropped() : written;
  }

  async #writeManifest(): Promise<BlobOutcome<undefined>> {
    const { manifest } = this.#options.claim;
    if (!manifest.dirty) return done(undefined);
    const outcome = await manifest.write();
    if (outcome.kind !== 'done') return outcome;
    for (const { id } of manifest.current.segments) {
      const segment = this.#segments.get(id);
      if (segment?.unlisted !== true) continue;
      segment.noteListed();
      this.#options.onAcknowledged(id, segment.acknowledgedBytes);
    }
    return done(undefined);
  }

  async #deleteDropped(): Promise<BlobOutcome<undefined>> {
    if (this.#deletable.size === 0) return done(undefined);
    const { store, claim } = this.#options;
    let isOwnerKnown = true;
    for (const [name, etag] of this.#deletable) {
      if (etag !== undefined) continue;
      const found = await store.properties(name, this.#context.signal);
      if (found.kind === 'notFound') this.#deletable.delete(name);
      else if (found.kind !== 'done') return found;
      else this.#deletable.set(name, found.value.etag);
      isOwnerKnown = false;
    }
    // An ETag read after the manifest was written might be a newer owner's, unless the manifest is still ours.
    if (!isOwnerKnown) {
      const checked = await claim.manifest.check();
      if (checked.kind !== 'done') return checked;
    }
    for (const [name, etag] of this.#deletable) {
      const outcome: BlobFailure | { kind: 'done' } = await store.delete(
        name,
        etag === undefined ? undefined : { ifMatch: etag },
      );
      if (outcome.kind !== 'done' && outcome.kind !== 'notFound' && outcome.kind !== 'preconditionFailed')
        return outcome;
      this.#deletable.delete(name);
    }
    return done(undefined);
  }

  /** Undefined for a segment that is never to be uploaded. */
  #ofLocal(local: SegmentSummary): SegmentBlob | undefined {
    if (this.#dropped.has(local.id)) return undefined;
    let segment = this.#segments.get(local.id);
    if (segment === undefined) {
      segment = SegmentBlob.unlisted(this.#context, local);
      this.#segments.set(local.id, segment);
    }
    if (sameIdentity(segment.committed, local)) return segment;
    this.#reportConflict(local, segment.committed);
    return undefined;
  }

  #reportConflict(local: SegmentIdentity, listed: SegmentIdentity): void {
    if (this.#conflicts.has(local.id)) return;
    this.#conflicts.add(local.id);
    const { log } = this.#options;
    log.error(
      { local, listed },
      'a segment on disk bears the number of another one in the manifest; it is not uploaded',
    );
  }

  /** 18 bytes: incarnation, owner, counter. All ids of a blob must have one length, whoever made them. */
  #nextBlockId(): string {
    const { incarnation, owner } = this.#options.claim.writer;
    const id = Buffer.alloc(18);
    id.writeUIntBE(incarnation, 0, 6);
    id.write(owner, 6, 8, 'hex');
    id.writeUInt32BE(this.#blockNumber, 14);
    this.#blockNumber += 1;
    return id.toString('base64');
  }
}
