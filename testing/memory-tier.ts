/**
 * A Blob tier in RAM that commits only when told to: thousands of histories a minute, and every state in between.
 * What WriteBehind does on a real account is tested beside it; the same histories run on that too.
 */
import { KvcacheError } from '../errors.ts';
import type { SegmentIdentity, SegmentSource, SegmentSummary } from '../shard/segment.ts';
import type { Takeover, TierBelow } from '../shard/storage/tier-below.ts';

/** What outlives the processes: the manifest and the blobs. */
export class MemoryAccount {
  incarnation = 0;
  readonly segments = new Map<number, { summary: SegmentSummary; bytes: Buffer; hint: Buffer }>();
  reads = 0;
}

export class MemoryTier implements TierBelow {
  readonly #account: MemoryAccount;
  #source: SegmentSource | undefined;

  constructor(account: MemoryAccount) {
    this.#account = account;
  }

  async takeover(_local: number | undefined, adopt?: (takeover: Takeover) => Promise<void>): Promise<Takeover> {
    const previousIncarnation = this.#account.incarnation++;
    const takeover = { previousIncarnation, incarnation: this.#account.incarnation, segments: this.summaries() };
    await adopt?.(takeover);
    return takeover;
  }

  start(source: SegmentSource): void {
    this.#source = source;
  }

  committedBytes(id: number): number {
    return this.#account.segments.get(id)?.bytes.byteLength ?? 0;
  }

  async waitCommitted(id: number, bytes: number): Promise<void> {
    if (this.committedBytes(id) < bytes) await this.flush();
  }

  unflushedBytes(): number {
    const local = this.#source?.localSegments() ?? [];
    return local.reduce((sum, { id, bytes }) => sum + Math.max(0, bytes - this.committedBytes(id)), 0);
  }

  isSafe(id: number): boolean {
    return this.#account.segments.get(id)?.summary.sealed ?? false;
  }

  async flush(): Promise<void> {
    for (const summary of this.#source!.localSegments()) {
      if (this.isSafe(summary.id)) continue;
      const bytes = await this.#source!.read(summary.id, 0, summary.bytes);
      const hint = summary.sealed ? await this.#source!.readHint(summary.id) : Buffer.alloc(0);
      this.#account.segments.set(summary.id, { summary, bytes, hint });
    }
  }

  async readRange({ id }: SegmentIdentity, offset: number, length: number): Promise<Buffer> {
    this.#account.reads++;
    const blob = this.#account.segments.get(id);
    if (blob === undefined) throw new KvcacheError('BLOBDOWN', `segment ${id} is not in Blob`);
    return Buffer.from(blob.bytes.subarray(offset, offset + length));
  }

  async readHint({ id }: SegmentSummary): Promise<Buffer> {
    return this.#account.segments.get(id)!.hint;
  }

  async drop(ids: readonly number[]): Promise<void> {
    for (const id of ids) this.#account.segments.delete(id);
  }

  summaries(): SegmentSummary[] {
    return [...this.#account.segments.values()].map(({ summary }) => summary);
  }

  async stop({ flush }: { flush: boolean }): Promise<void> {
    if (flush) await this.flush();
  }
}
