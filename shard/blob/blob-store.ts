/**
 * The few operations on Blob that we use, each counted, retried within bounds (blob-resilience.ts) and answered with a
 * typed outcome (blob-outcome.ts). Names are relative to the shard's prefix. ETags are kept without their quotes,
 * because listings give them so.
 *
 * How Azurite (3.36) differs from Azure, as far as it matters here:
 *   - A commit of a block list, and setting metadata, honour If-Match as Azure does: 412 for a stale ETag.
 *   - Creation with If-None-Match: * over an existing blob is 409 BlobAlreadyExists in both; we read it as 412.
 *   - Neither checks anything when a block is staged, and a commit throws away every staged block that it does not
 *     list. Block ids are therefore unique to their writer (segment-blob.ts).
 *   - Azurite killed goes back up to five seconds, for all blobs at once.
 */
import type { ContainerClient } from '@azure/storage-blob';

import { KvcacheError } from '../../errors.ts';
import type { BlobAccount } from './blob-account.ts';
import { done, failure } from './blob-outcome.ts';
import type { BlobOutcome } from './blob-outcome.ts';
import { Resilience } from './blob-resilience.ts';
import type { OperationClass, ResilienceOptions } from './blob-resilience.ts';

export type BlobOperation =
  | 'createContainer'
  | 'readRange'
  | 'readDocument'
  | 'properties'
  | 'blockList'
  | 'list'
  | 'stageBlock'
  | 'commitBlockList'
  | 'setMetadata'
  | 'putDocument'
  | 'delete';

export interface OperationCounts {
  /** Asked for by the shard. */
  calls: number;
  /** Sent to Blob, repetitions included: what is paid for. */
  attempts: number;
  /** Calls without an answer in the end (`unavailable`, `forbidden`, `containerMissing`). */
  failures: number;
  /** Bodies sent or received by calls that succeeded. */
  bytes: number;
}

/** What is known of the store by the last answer. */
export type BlobHealth = 'unknown' | 'available' | 'unavailable' | 'forbidden' | 'containerMissing';

export interface BlobProperties {
  readonly etag: string;
  readonly bytes: number;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ListedBlob {
  readonly name: string;
  readonly etag: string;
  readonly bytes: number;
}

/** What a write demands of the blob it replaces. */
export type Condition = { readonly ifMatch: string } | { readonly absent: true } | undefined;

const operations: readonly BlobOperation[] = [
  'createContainer',
  'readRange',
  'readDocument',
  'properties',
  'blockList',
  'list',
  'stageBlock',
  'commitBlockList',
  'setMetadata',
  'putDocument',
  'delete',
];

export class BlobStore {
  readonly description: string;
  readonly #container: ContainerClient;
  readonly #prefix: string;
  readonly #resilience: Resilience;
  readonly #counts: Record<BlobOperation, OperationCounts>;
  readonly #healthListeners = new Set<(health: BlobHealth, message: string) => void>();
  #health: BlobHealth = 'unknown';

  constructor(account: BlobAccount, options: ResilienceOptions = {}) {
    this.description = account.description;
    this.#container = account.container;
    this.#prefix = account.prefix === '' ? '' : `${account.prefix}/`;
    this.#resilience = new Resilience(options);
    this.#counts = Object.fromEntries(
      operations.map((name) => [name, { calls: 0, attempts: 0, failures: 0, bytes: 0 }]),
    ) as Record<BlobOperation, OperationCounts>;
  }

  get counts(): Readonly<Record<BlobOperation, Readonly<OperationCounts>>> {
    return this.#counts;
  }

  get health(): BlobHealth {
    return this.#health;
  }

  /** Told of every change of health; the returned function ends it. */
  onHealthChange(listener: (health: BlobHealth, message: string) => void): () => void {
    this.#healthListeners.add(listener);
    return () => this.#healthListeners.delete(listener);
  }

  async createContainer(signal?: AbortSignal): Promise<BlobOutcome<undefined>> {
    return await this.#run('createContainer', 'write', signal, async (abortSignal) => {
      await this.#container.createIfNotExists({ abortSignal });
      return undefined;
    });
  }

  /** The range in one buffer that owns its memory. A blob that ends inside the range is `invalidRange`. */
  async readRange(name: string, offset: number, length: number, signal?: AbortSignal): Promise<BlobOutcome<Buffer>> {
    if (length === 0) return done(Buffer.alloc(0));
    const outcome = await this.#run('readRange', 'read', signal, async (abortSignal) => {
      const blob = this.#blob(name);
      const response = await blob.download(offset, length, { abortSignal, maxRetryRequests: 0 });
      if (response.contentLength !== length) return undefined;
      return await collect(response.readableStreamBody, length);
    });
    if (outcome.kind !== 'done') return outcome;
    if (outcome.value === undefined) return failure('invalidRange', `${name} ends before ${offset + length}`);
    this.#counts.readRange.bytes += length;
    return done(outcome.value);
  }

  /** A small blob whole, with the ETag that a conditional replacement needs. */
  async readDocument(name: string, bytesMax: number): Promise<BlobOutcome<{ body: Buffer; etag: string }>> {
    return await this.#run('readDocument', 'read', undefined, async (abortSignal) => {
      const response = await this.#blob(name).download(0, undefined, { abortSignal, maxRetryRequests: 0 });
      const bytes = response.contentLength ?? 0;
      if (bytes > bytesMax)
        throw new KvcacheError('FORMAT', `${name} has ${bytes} bytes; at most ${bytesMax} are read`);
      const body = await collect(response.readableStreamBody, bytes);
      return { body, etag: bareEtag(response.etag) };
    });
  }

  /** Replaces a small blob; resolves to its new ETag. */
  async putDocument(name: string, body: Buffer, condition: Condition): Promise<BlobOutcome<string>> {
    const outcome = await this.#run('putDocument', 'write', undefined, async (abortSignal) => {
      const response = await this.#blob(name).upload(body, body.length, {
        abortSignal,
        conditions: conditions(condition),
        blobHTTPHeaders: { blobContentType: 'application/json' },
      });
      return bareEtag(response.etag);
    });
    if (outcome.kind === 'done') this.#counts.putDocument.bytes += body.length;
    return outcome;
  }

  async properties(name: string, signal?: AbortSignal): Promise<BlobOutcome<BlobProperties>> {
    return await this.#run('properties', 'write', signal, async (abortSignal) => {
      const response = await this.#blob(name).getProperties({ abortSignal });
      return {
        etag: bareEtag(response.etag),
        bytes: response.contentLength ?? 0,
        metadata: response.metadata ?? {},
      };
    });
  }

  /** The committed blocks in order, and the ETag they were read under. */
  async blockList(
    name: string,
    signal?: AbortSignal,
  ): Promise<BlobOutcome<{ etag: string; blocks: { id: string; bytes: number }[] }>> {
    return await this.#run('blockList', 'write', signal, async (abortSignal) => {
      const response = await this.#blob(name).getBlockList('committed', { abortSignal });
      const blocks = (response.committedBlocks ?? []).map(({ name: id, size }) => ({ id, bytes: size }));
      return { etag: bareEtag(response.etag), blocks };
    });
  }

  /** Changes the metadata, and so the ETag, of a blob; resolves to the new ETag. */
  async setMetadata(
    name: string,
    metadata: Readonly<Record<string, string>>,
    condition: Condition,
  ): Promise<BlobOutcome<string>> {
    return await this.#run('setMetadata', 'write', undefined, async (abortSignal) => {
      const response = await this.#blob(name).setMetadata(metadata, { abortSignal, conditions: conditions(condition) });
      return bareEtag(response.etag);
    });
  }

  async stageBlock(name: string, id: string, body: Buffer, signal?: AbortSignal): Promise<BlobOutcome<undefined>> {
    const outcome = await this.#run('stageBlock', 'write', signal, async (abortSignal) => {
      await this.#blob(name).stageBlock(id, body, body.length, { abortSignal });
      return undefined;
    });
    if (outcome.kind === 'done') this.#counts.stageBlock.bytes += body.length;
    return outcome;
  }

  /** Makes these blocks, staged or committed before, the blob's content; resolves to the new ETag. */
  async commitBlockList(
    name: string,
    ids: readonly string[],
    metadata: Readonly<Record<string, string>>,
    condition: Condition,
    signal?: AbortSignal,
  ): Promise<BlobOutcome<string>> {
    return await this.#run('commitBlockList', 'write', signal, async (abortSignal) => {
      const response = await this.#blob(name).commitBlockList([...ids], {
        abortSignal,
        metadata,
        conditions: conditions(condition),
      });
      return bareEtag(response.etag);
    });
  }

  /** Everything below a folder. One operation for every 5,000 blobs. */
  async list(folder: string, signal?: AbortSignal): Promise<BlobOutcome<ListedBlob[]>> {
    const listed: ListedBlob[] = [];
    let continuationToken: string | undefined;
    do {
      const token = continuationToken;
      const page = await this.#run('list', 'write', signal, async (abortSignal) => {
        const pages = this.#container
          .listBlobsFlat({ prefix: this.#prefix + folder, abortSignal })
          .byPage({ maxPageSize: 5_000, ...(token === undefined ? {} : { continuationToken: token }) });
        const { value } = await pages.next();
        return value;
      });
      if (page.kind !== 'done') return page;
      for (const item of page.value?.segment.blobItems ?? []) {
        listed.push({
          name: item.name.slice(this.#prefix.length),
          etag: bareEtag(item.properties.etag),
          bytes: item.properties.contentLength ?? 0,
        });
      }
      continuationToken = page.value?.continuationToken;
    } while (continuationToken !== undefined && continuationToken !== '');
    return done(listed);
  }

  async delete(name: string, condition: Condition): Promise<BlobOutcome<undefined>> {
    return await this.#run('delete', 'write', undefined, async (abortSignal) => {
      await this.#blob(name).delete({ abortSignal, conditions: conditions(condition) });
      return undefined;
    });
  }

  #blob(name: string) {
    return this.#container.getBlockBlobClient(this.#prefix + name);
  }

  async #run<T>(
    operation: BlobOperation,
    operationClass: OperationClass,
    signal: AbortSignal | undefined,
    attempt: (signal: AbortSignal) => Promise<T>,
  ): Promise<BlobOutcome<T>> {
    const counts = this.#counts[operation];
    counts.calls += 1;
    const outcome = await this.#resilience.run(
      operationClass,
      (abortSignal) => {
        counts.attempts += 1;
        return attempt(abortSignal);
      },
      signal,
    );
    this.#noteHealth(outcome, counts);
    return outcome.kind === 'done' ? outcome : failure(outcome.kind, `${operation}: ${outcome.message}`);
  }

  #noteHealth(outcome: BlobOutcome<unknown>, counts: OperationCounts): void {
    if (outcome.kind === 'aborted') return;
    let health: BlobHealth = 'available';
    if (outcome.kind === 'unavailable' || outcome.kind === 'forbidden' || outcome.kind === 'containerMissing') {
      counts.failures += 1;
      health = outcome.kind;
    }
    if (health === this.#health) return;
    this.#health = health;
    const message = outcome.kind === 'done' ? '' : outcome.message;
    for (const listener of this.#healthListeners) listener(health, message);
  }
}

function conditions(condition: Condition): { ifMatch?: string; ifNoneMatch?: string } {
  if (condition === undefined) return {};
  return 'ifMatch' in condition ? { ifMatch: `"${condition.ifMatch}"` } : { ifNoneMatch: '*' };
}

/** Headers carry ETags in quotes, listings without. */
function bareEtag(etag: string | undefined): string {
  return (etag ?? '').replaceAll('"', '');
}

/** Fills one buffer from the stream; rejects if the stream ends early, which a cut connection does. */
async function collect(stream: NodeJS.ReadableStream | undefined, length: number): Promise<Buffer> {
  // Not from the pool: a value that lives long must not keep its neighbours alive.
  const buffer = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  for await (const chunk of stream ?? []) {
    if (typeof chunk === 'string' || filled + chunk.length > length)
      throw new Error('Blob sent more than was asked for');
    filled += chunk.copy(buffer, filled);
  }
  if (filled !== length) throw new Error(`Blob sent ${filled} of ${length} bytes`);
  return buffer;
}
