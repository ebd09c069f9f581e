/**
 * The manifest as it is kept in Blob: replaced under If-Match, and the judge of who owns the shard.
 *
 * `current` is what we want it to say, `#persisted` what Blob has acknowledged. While we own the shard our copy is the
 * truth: a manifest that went back in time or vanished is written again. We no longer own it exactly if Blob holds a
 * manifest of another owner whose incarnation is not below ours.
 */
import { KvcacheError } from '../../errors.ts';
import { blobUploadRoundsMax, manifestBytesMax } from '../../limits.ts';
import { done, failure } from './blob-outcome.ts';
import type { BlobOutcome } from './blob-outcome.ts';
import type { BlobStore, Condition } from './blob-store.ts';
import { incarnationOf, manifestName, parseManifest, serializeManifest } from './manifest.ts';
import type { Manifest } from './manifest.ts';

export interface ManifestFound {
  /** Undefined if it is not readable as one. */
  readonly manifest: Manifest | undefined;
  readonly incarnation: number | undefined;
  /** Why not; empty otherwise. */
  readonly problem: string;
  readonly etag: string;
}

/** Reads without judging; undefined if there is none. */
export async function readManifest(store: BlobStore): Promise<BlobOutcome<ManifestFound | undefined>> {
  const outcome = await store.readDocument(manifestName, manifestBytesMax);
  if (outcome.kind === 'notFound') return done(undefined);
  if (outcome.kind !== 'done') return outcome;
  const { body, etag } = outcome.value;
  let manifest: Manifest | undefined;
  try {
    manifest = parseManifest(body);
  } catch (error) {
    if (!(error instanceof KvcacheError)) throw error;
    return done({ manifest: undefined, incarnation: incarnationOf(body), problem: error.message, etag });
  }
  return done({ manifest, incarnation: manifest.incarnation, problem: '', etag });
}

export class ManifestBlob {
  readonly #store: BlobStore;
  #current: Manifest;
  #persisted: Manifest | undefined;
  #persistedSealed: ReadonlySet<number> = new Set();
  #etag: string | undefined;
  #revision: number;

  /** `persisted` and `etag` as the takeover left them. */
  constructor(store: BlobStore, persisted: Manifest, etag: string) {
    this.#store = store;
    this.#current = persisted;
    this.#etag = etag;
    this.#revision = persisted.revision;
    this.#notePersisted(persisted);
  }

  get current(): Manifest {
    return this.#current;
  }

  /** True if Blob has acknowledged that the segment is listed as sealed. */
  isSealedInBlob(id: number): boolean {
    return this.#persistedSealed.has(id);
  }

  get dirty(): boolean {
    return this.#persisted?.segments !== this.#current.segments;
  }

  change(change: (manifest: Manifest) => Manifest): void {
    this.#current = change(this.#current);
  }

  /** Writes `current`. Rejects with FENCED if the shard has another owner. */
  async write(): Promise<BlobOutcome<undefined>> {
    for (let round = 0; round < blobUploadRoundsMax; round += 1) {
      this.#revision += 1;
      const next: Manifest = { ...this.#current, revision: this.#revision };
      const condition: Condition = this.#etag === undefined ? { absent: true } : { ifMatch: this.#etag };
      const written = await this.#store.putDocument(manifestName, serializeManifest(next), condition);
      if (written.kind === 'done') {
        this.#notePersisted(next);
        this.#etag = written.value;
        return done(undefined);
      }
      if (written.kind !== 'preconditionFailed' && written.kind !== 'notFound') return written;
      const found = await this.#look();
      if (found.kind !== 'done') return found;
      if (found.value?.revision === next.revision) {
        // The first attempt had landed and its answer was lost.
        this.#notePersisted(next);
        return done(undefined);
      }
    }
    return failure('unavailable', 'the manifest keeps changing under our hands');
  }

  /**
   * Looks whether Blob still holds our manifest, and forgets what it acknowledged if not, so that it is written again. Rejects
   * with FENCED if the shard has another owner. Resolves to whether all was as it should be.
   */
  async check(): Promise<BlobOutcome<boolean>> {
    const properties = await this.#store.properties(manifestName);
    if (properties.kind === 'done' && properties.value.etag === this.#etag) return done(true);
    if (properties.kind !== 'done' && properties.kind !== 'notFound') return properties;
    const found = await this.#look();
    if (found.kind !== 'done') return found;
    const intact = found.value !== undefined && found.value.revision === this.#persisted?.revision;
    if (!intact) this.#notePersisted(undefined);
    return done(intact);
  }

  #notePersisted(manifest: Manifest | undefined): void {
    this.#persisted = manifest;
    this.#persistedSealed = new Set(manifest?.segments.filter(({ sealed }) => sealed).map(({ id }) => id));
  }

  /** Reads it, takes over its ETag, and resolves to it if it is ours. */
  async #look(): Promise<BlobOutcome<Manifest | undefined>> {
    const outcome = await readManifest(this.#store);
    if (outcome.kind !== 'done') return outcome;
    const found = outcome.value;
    if (found !== undefined && found.manifest?.owner !== this.#current.owner) {
      const theirs = found.incarnation;
      if (theirs !== undefined && theirs >= this.#current.incarnation) {
        throw new KvcacheError(
          'FENCED',
          `the manifest in Blob bears incarnation ${theirs}, ours is ${this.#current.incarnation}: another process has taken over this shard`,
        );
      }
    }
    this.#etag = found?.etag;
    return done(found?.manifest?.owner === this.#current.owner ? found.manifest : undefined);
  }
}
