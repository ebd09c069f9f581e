/** What the tests of this folder share: segment files that grow, a log that keeps what it is told, and a shard's store. */
import { appendFile, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '../clock.ts';
import type { SegmentSource, SegmentSummary } from '../segment.ts';
import { openBlobAccount } from './blob-account.ts';
import { BlobStore } from './blob-store.ts';
import type { ResilienceOptions } from './blob-resilience.ts';
import type { BlobLog } from './shard-blobs.ts';
import { WriteBehind } from './write-behind.ts';
import type { WriteBehindOptions } from './write-behind.ts';

/** Fails soon, so that tests of outages need not wait for it. */
export const impatient: ResilienceOptions = {
  attemptsMax: 3,
  readAttemptsMax: 2,
  attemptTimeoutMs: 1_000,
  readAttemptTimeoutMs: 1_000,
  retryDelayMinMs: 5,
  retryDelayMaxMs: 20,
  breakerOpenMinMs: 20,
  breakerOpenMaxMs: 50,
};

export class KeptLog implements BlobLog {
  readonly lines: { level: 'info' | 'warn' | 'error'; fields: object; message: string }[] = [];

  info(fields: object, message: string): void {
    this.lines.push({ level: 'info', fields, message });
  }

  warn(fields: object, message: string): void {
    this.lines.push({ level: 'warn', fields, message });
  }

  error(fields: object, message: string): void {
    this.lines.push({ level: 'error', fields, message });
  }

  messages(level: 'info' | 'warn' | 'error'): string[] {
    return this.lines.filter((line) => line.level === level).map(({ message }) => message);
  }
}

/** A disk with segment files, as the log would keep it. */
export class SegmentFiles implements SegmentSource {
  readonly directory: string;
  readonly #segments = new Map<number, { summary: SegmentSummary; hint: Buffer }>();
  /** Largest sum of lengths that was being read or held for upload at one time, for the bound on memory. */
  readsInFlightMax = 0;
  #readsInFlight = 0;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async make(): Promise<SegmentFiles> {
    return new SegmentFiles(await mkdtemp(join(tmpdir(), 'kvcache-segments-')));
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }

  begin(id: number, incarnation: number): SegmentSummary {
    const summary: SegmentSummary = {
      id,
      incarnation,
      salt: (id * 7919 + incarnation) >>> 0,
      sealed: false,
      bytes: 0,
      hintBytes: 0,
      minSequence: 0,
      maxSequence: 0,
      records: 0,
      createdAtMs: 1_700_000_000_000,
    };
    this.#segments.set(id, { summary, hint: Buffer.alloc(0) });
    return summary;
  }

  /** Appends bytes that are a function of segment and offset. */
  async grow(id: number, bytes: number): Promise<void> {
    const segment = this.#get(id);
    const { summary } = segment;
    await appendFile(this.#file(id), contentOf(id, summary.bytes, bytes));
    segment.summary = { ...summary, bytes: summary.bytes + bytes };
  }

  seal(id: number, hintBytes = 100): void {
    const segment = this.#get(id);
    segment.hint = Buffer.alloc(hintBytes, id);
    segment.summary = { ...segment.summary, sealed: true, hintBytes, minSequence: 1, maxSequence: 9, records: 9 };
  }

  /** As after a crash that lost the end of the file. */
  truncate(id: number, bytes: number): void {
    const segment = this.#get(id);
    segment.summary = { ...segment.summary, bytes };
  }

  delete(id: number): void {
    this.#segments.delete(id);
  }

  summary(id: number): SegmentSummary {
    return this.#get(id).summary;
  }

  localSegments(): readonly SegmentSummary[] {
    return [...this.#segments.values()].map(({ summary }) => summary).sort((a, b) => a.id - b.id);
  }

  async read(id: number, offset: number, length: number): Promise<Buffer> {
    this.#readsInFlight += 1;
    this.readsInFlightMax = Math.max(this.readsInFlightMax, this.#readsInFlight);
    const file = await open(this.#file(id), 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    } finally {
      this.#readsInFlight -= 1;
      await file.close();
    }
  }

  async readHint(id: number): Promise<Buffer> {
    return this.#get(id).hint;
  }

  #file(id: number): string {
    return join(this.directory, `${id}.seg`);
  }

  #get(id: number) {
    const segment = this.#segments.get(id);
    if (segment === undefined) throw new Error(`no file of segment ${id}`);
    return segment;
  }
}

/** What `grow` has written there. */
export function contentOf(id: number, offset: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  for (let place = 0; place < length; place += 1) {
    buffer[place] = ((offset + place) * 31 + ((offset + place) >>> 8) * 17 + id * 13) & 0xff;
  }
  return buffer;
}

export interface TestShard {
  readonly store: BlobStore;
  readonly writeBehind: WriteBehind;
  readonly log: KeptLog;
  readonly fencedReasons: string[];
}

/** A process's view of a shard in Blob. Flushes only when asked to, unless told otherwise. */
export function openShard(
  connectionString: string,
  container: string,
  options: Partial<WriteBehindOptions> = {},
  resilience: ResilienceOptions = impatient,
): TestShard {
  const account = openBlobAccount({ connectionString, container, prefix: 'cluster/shard-0' });
  const store = new BlobStore(account, resilience);
  const log = new KeptLog();
  const fencedReasons: string[] = [];
  const writeBehind = new WriteBehind(store, {
    shard: 'shard-0',
    flushIntervalMs: 3_600_000,
    onFenced: (reason) => fencedReasons.push(reason),
    log,
    clock: systemClock,
    ...options,
  });
  return { store, writeBehind, log, fencedReasons };
}
