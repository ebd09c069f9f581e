/**
 * One segment's block blob, and what we know of it.
 *
 *   committed blocks: [ records 0 … bytes )[ hint, once sealed ]
 *
 * Bytes are staged as blocks read from the segment's file and become the blob by one commit of the block list, which
 * carries If-Match of the last ETag we know and our mark (writer-mark.ts) as metadata. Nothing is held in RAM between
 * flushes but the list of blocks.
 *
 * What is known of the blob is one of
 *   known    ETag and blocks are as we left them.
 *   trusted  Sealed by a former process and listed in the manifest; its ETag has not been seen yet.
 *   unknown  A commit was not answered, or the blob is not as we left it. It is looked at before anything else: if our
 *            own commit landed, we go on from it; if the store went back in time, from what is there; if somebody else
 *            wrote it, the manifest says whether we are fenced or his bytes are debris to be replaced.
 *
 * Block ids are unique to a writer (incarnation, owner, counter), because staging is not conditional: a fenced process
 * that stages a block under an id of ours would otherwise put its bytes into our next commit.
 */
import { blobUploadRoundsMax } from '../../limits.ts';
import type { SegmentSummary } from '../segment.ts';
import { done, failure } from './blob-outcome.ts';
import type { BlobFailure, BlobOutcome } from './blob-outcome.ts';
import type { Condition, ListedBlob } from './blob-store.ts';
import { planBlocks } from './block-plan.ts';
import { stageExtents, unreadable } from './block-stager.ts';
import type { Block, StagingContext, Unreadable } from './block-stager.ts';
import { sameIdentity, segmentBlobName } from './manifest.ts';
import { markFromMetadata, markToMetadata } from './writer-mark.ts';
import type { Writer } from './writer-mark.ts';

/** Where the bytes of an upload come from: the segment's file, or the blob itself. */
export interface SegmentReader {
  read(offset: number, length: number): Promise<Buffer>;
  readHint(): Promise<Buffer>;
}

/** What the blobs of one process share. */
export interface UploadContext extends StagingContext {
  readonly writer: Writer;
  readonly blockBytes: number;
  /** Asks the manifest whether the shard is still ours; rejects with FENCED if not. */
  checkOwnership(): Promise<BlobOutcome<unknown>>;
  /** The blob was not as we had left it; others may not be either. */
  onSurprise(): void;
}

export type UploadOutcome = BlobOutcome<undefined> | Unreadable;

interface CommitAttempt {
  readonly number: number;
  readonly summary: SegmentSummary;
}

export class SegmentBlob {
  readonly name: string;
  readonly #context: UploadContext;
  #state: 'known' | 'trusted' | 'unknown';
  #etag: string | undefined;
  /** Blocks of records that are staged or committed, end to end from 0. */
  #blocks: Block[] = [];
  /** What the last commit known to have landed holds. */
  #committed: SegmentSummary;
  #commitNumber = 0;
  #attempt: CommitAttempt | undefined;
  /** The segment as it was sealed, whatever has become of the blob since. */
  #sealedAs: SegmentSummary | undefined;
  /** Made, or made again, since the manifest was last written: its bytes are not to be acknowledged yet. */
  #unlisted = false;

  private constructor(context: UploadContext, committed: SegmentSummary, state: 'known' | 'trusted' | 'unknown') {
    this.#context = context;
    this.name = segmentBlobName(committed);
    this.#committed = committed;
    this.#state = state;
    if (committed.sealed) this.#sealedAs = committed;
  }

  /** A segment that the manifest does not list. Its blob may exist nevertheless, if a process died in between. */
  static unlisted(context: UploadContext, local: SegmentSummary): SegmentBlob {
    const isOurs = local.incarnation === context.writer.incarnation;
    const blob = new SegmentBlob(context, nothingOf(local), isOurs ? 'known' : 'unknown');
    blob.#unlisted = true;
    return blob;
  }

  /** A segment of the manifest, as the takeover found it. */
  static adopted(context: UploadContext, summary: SegmentSummary): SegmentBlob {
    return new SegmentBlob(context, summary, summary.sealed ? 'trusted' : 'unknown');
  }

  /** The segment as the blob holds it. */
  get committed(): SegmentSummary {
    return this.#committed;
  }

  get etag(): string | undefined {
    return this.#etag;
  }

  /** Bytes of records that may be acknowledged as being in Blob. */
  get acknowledgedBytes(): number {
    return this.#unlisted ? 0 : this.#committed.bytes;
  }

  get unlisted(): boolean {
    return this.#unlisted;
  }

  /** Sealed, seen in Blob, and not waiting for the manifest. */
  get isSettled(): boolean {
    return this.#state === 'known' && this.#committed.sealed && !this.#unlisted;
  }

  noteListed(): void {
    this.#unlisted = false;
  }

  needsUpload(local: SegmentSummary): boolean {
    if (this.#state === 'unknown') return true;
    if (this.#committed.sealed) return false;
    return local.sealed || local.bytes > this.#committed.bytes;
  }

  /** Brings the blob up to `local`. Rejects with FENCED only. */
  async upload(local: SegmentSummary, reader: SegmentReader): Promise<UploadOutcome> {
    for (let round = 0; round < blobUploadRoundsMax; round += 1) {
      if (this.#state === 'unknown') {
        const trouble = await this.#inspect();
        if (trouble !== undefined) return trouble;
      }
      if (!this.needsUpload(local)) return done(undefined);
      const trouble = await this.#stageRecords(local.bytes, reader);
      if (trouble !== undefined) return trouble;
      const outcome = await this.#commit(local, reader);
      if (outcome !== 'look again') return outcome;
    }
    return failure('unavailable', `${this.name} keeps changing under our hands`);
  }

  /**
   * Compares with what a listing shows. `intact` is the only good answer; after `changed` and `missing` the blob needs
   * an upload.
   */
  observe(listed: ListedBlob | undefined): 'intact' | 'changed' | 'missing' {
    if (listed === undefined) {
      if (this.#state === 'known' && this.#etag === undefined) return 'intact';
      this.#forget(undefined);
      return 'missing';
    }
    if (this.#state === 'trusted' && listed.bytes === blobBytesOf(this.#committed)) {
      this.#etag = listed.etag;
      this.#state = 'known';
      return 'intact';
    }
    if (this.#state === 'known' && listed.etag === this.#etag) return 'intact';
    this.suspect();
    return 'changed';
  }

  /** Looks at a blob of which nothing is known, so that it counts for what it is. Rejects with FENCED. */
  async refresh(): Promise<BlobFailure | undefined> {
    return this.#state === 'unknown' ? await this.#inspect() : undefined;
  }

  /** Something is wrong with it: nothing of it counts until it has been looked at. */
  suspect(): void {
    this.#state = 'unknown';
    this.#attempt = undefined;
    this.#committed = nothingOf(this.#committed);
  }

  /** Stages what the file has beyond the present blocks; several at once, kept as far as they lie end to end. */
  async #stageRecords(bytes: number, reader: SegmentReader): Promise<UploadOutcome | undefined> {
    const plan = planBlocks(this.#blocks, bytes, this.#context.blockBytes);
    const kept = this.#blocks.slice(0, plan.keep);
    const staged = await stageExtents(this.#context, this.name, plan.stage, ({ offset, length }) =>
      reader.read(offset, length),
    );
    this.#blocks = [...kept, ...staged.blocks];
    return staged.trouble;
  }

  async #commit(local: SegmentSummary, reader: SegmentReader): Promise<UploadOutcome | 'look again'> {
    const { store, writer, signal } = this.#context;
    let summary: SegmentSummary = { ...local, sealed: false, hintBytes: 0 };
    let hintIds: string[] = [];
    if (local.sealed) {
      const hint = await this.#stageHint(reader);
      if ('trouble' in hint) return hint.trouble;
      summary = { ...local, hintBytes: hint.bytes };
      hintIds = hint.ids;
    }
    this.#commitNumber += 1;
    const attempt: CommitAttempt = { number: this.#commitNumber, summary };
    this.#attempt = attempt;
    const condition: Condition = this.#etag === undefined ? { absent: true } : { ifMatch: this.#etag };
    const ids = [...this.#blocks.map(({ id }) => id), ...hintIds];
    const metadata = markToMetadata({ ...writer, commit: attempt.number, segment: summary });
    const outcome = await store.commitBlockList(this.name, ids, metadata, condition, signal);
    switch (outcome.kind) {
      case 'done':
        this.#landed(attempt, outcome.value);
        return done(undefined);
      case 'invalidBlockList':
        // What we staged is gone: by a commit of ours that landed late, or because the store forgot it.
        this.#attempt = undefined;
        this.#state = 'unknown';
        this.#blocks = [];
        this.#context.onSurprise();
        return 'look again';
      case 'preconditionFailed':
      case 'notFound':
        this.#state = 'unknown';
        this.#context.onSurprise();
        return 'look again';
      case 'unavailable':
      case 'aborted':
        this.#state = 'unknown';
        break;
      case 'containerMissing':
      case 'forbidden':
      case 'invalidRange':
      case 'refused':
        break;
    }
    return outcome;
  }

  async #stageHint(reader: SegmentReader): Promise<{ ids: string[]; bytes: number } | { trouble: UploadOutcome }> {
    let hint: Buffer;
    try {
      hint = await reader.readHint();
    } catch (error) {
      return { trouble: unreadable(error) };
    }
    const { stage } = planBlocks([], hint.length, this.#context.blockBytes);
    const { blocks, trouble } = await stageExtents(this.#context, this.name, stage, async ({ offset, length }) =>
      hint.subarray(offset, offset + length),
    );
    return trouble === undefined ? { ids: blocks.map(({ id }) => id), bytes: hint.length } : { trouble };
  }

  #landed(attempt: CommitAttempt, etag: string): void {
    // A blob that was made just now may have been unknown to a takeover, which only the manifest can tell.
    if (this.#etag === undefined) this.#unlisted = true;
    this.#etag = etag;
    this.#committed = attempt.summary;
    if (attempt.summary.sealed) this.#sealedAs = attempt.summary;
    this.#attempt = undefined;
    this.#state = 'known';
  }

  /** Nothing of what is in Blob under this name counts; the next commit replaces it. */
  #forget(etag: string | undefined): void {
    this.#etag = etag;
    this.#blocks = [];
    this.#committed = nothingOf(this.#committed);
    this.#attempt = undefined;
    this.#state = 'unknown';
  }

  /** Finds out what the blob is; leaves `known` behind, or says why not. */
  async #inspect(): Promise<BlobFailure | undefined> {
    const { store, writer, signal } = this.#context;
    const found = await store.properties(this.name, signal);
    if (found.kind === 'notFound') {
      this.#forget(undefined);
      this.#state = 'known';
      return undefined;
    }
    if (found.kind !== 'done') return found;
    const { etag, bytes, metadata } = found.value;
    const mark = markFromMetadata(metadata);
    if (mark === undefined || mark.owner !== writer.owner || !sameIdentity(mark.segment, this.#committed)) {
      const judged = await this.#context.checkOwnership();
      if (judged.kind !== 'done') return judged;
      if (this.#isSealedHere(mark?.segment, bytes)) {
        this.#committed = mark?.segment ?? this.#committed;
        this.#etag = etag;
      } else {
        this.#forget(etag);
        this.#unlisted = true;
      }
      this.#state = 'known';
      return undefined;
    }
    if (this.#attempt !== undefined && mark.commit === this.#attempt.number) {
      this.#landed(this.#attempt, etag);
      return undefined;
    }
    if (bytes !== blobBytesOf(mark.segment)) {
      this.#forget(etag);
      this.#state = 'known';
      return undefined;
    }
    // A commit of ours that made the blob and was never answered: only the manifest tells whether a takeover saw it.
    if (this.#etag === undefined && mark.commit > 0) this.#unlisted = true;
    return await this.#goOnFrom(mark.segment, etag);
  }

  /** True if this is the sealed segment of the manifest, though a former process wrote it and something touched it. */
  #isSealedHere(segment: SegmentSummary | undefined, bytes: number): boolean {
    const sealed = this.#sealedAs;
    if (sealed === undefined || segment === undefined || !segment.sealed) return false;
    return (
      sameIdentity(segment, sealed) &&
      segment.bytes === sealed.bytes &&
      segment.hintBytes === sealed.hintBytes &&
      bytes === blobBytesOf(sealed)
    );
  }

  /** Takes the blocks that are committed in Blob as ours; those of records, that is. */
  async #goOnFrom(segment: SegmentSummary, etag: string): Promise<BlobFailure | undefined> {
    const listed = await this.#context.store.blockList(this.name, this.#context.signal);
    if (listed.kind !== 'done') return listed;
    if (listed.value.etag !== etag) return failure('unavailable', `${this.name} changed while it was looked at`);
    const blocks: Block[] = [];
    let offset = 0;
    for (const { id, bytes: length } of listed.value.blocks) {
      if (offset + length > segment.bytes) break;
      blocks.push({ id, offset, length });
      offset += length;
    }
    this.#blocks = blocks;
    this.#committed = segment;
    this.#etag = etag;
    this.#attempt = undefined;
    this.#state = 'known';
    return undefined;
  }
}

/** The same segment with nothing of it in Blob. */
function nothingOf(summary: SegmentSummary): SegmentSummary {
  return { ...summary, sealed: false, bytes: 0, hintBytes: 0 };
}

function blobBytesOf({ bytes, hintBytes }: SegmentSummary): number {
  return bytes + hintBytes;
}
