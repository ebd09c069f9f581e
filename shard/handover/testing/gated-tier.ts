/** For tests: a Blob tier in memory that can be slow, or fall silent and answer nothing until it is back. */
import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { KvcacheError } from '../../../errors.ts';
import { MemoryAccount, MemoryTier } from '../../../testing/memory-tier.ts';
import type { SegmentIdentity, SegmentSummary } from '../../segment.ts';
import type { Takeover } from '../../storage/tier-below.ts';

export class GatedAccount extends MemoryAccount {
  readonly events = new EventEmitter().setMaxListeners(0);
  /** What a read may take, at most. */
  readMsMax = 0;
  #isSilent = false;

  get isSilent(): boolean {
    return this.#isSilent;
  }

  set isSilent(value: boolean) {
    this.#isSilent = value;
    if (!value) this.events.emit('back');
  }
}

export class GatedTier extends MemoryTier {
  readonly #gate: GatedAccount;
  readonly #stopped = new AbortController();

  constructor(account: GatedAccount) {
    super(account);
    this.#gate = account;
  }

  override async takeover(local: number | undefined, adopt?: (takeover: Takeover) => Promise<void>): Promise<Takeover> {
    this.#assertThere();
    return super.takeover(local, adopt);
  }

  override async flush(): Promise<void> {
    await this.#back();
    await super.flush();
  }

  override async drop(ids: readonly number[]): Promise<void> {
    await this.#back();
    await super.drop(ids);
  }

  override async readRange(identity: SegmentIdentity, offset: number, length: number): Promise<Buffer> {
    const delayMs = Math.random() * this.#gate.readMsMax;
    if (delayMs > 0) await delay(delayMs);
    this.#assertThere();
    return super.readRange(identity, offset, length);
  }

  override async readHint(summary: SegmentSummary): Promise<Buffer> {
    this.#assertThere();
    return super.readHint(summary);
  }

  override async stop({ flush }: { flush: boolean }): Promise<void> {
    if (flush && !this.#gate.isSilent) await super.flush();
    this.#stopped.abort();
  }

  async #back(): Promise<void> {
    try {
      while (this.#gate.isSilent) await once(this.#gate.events, 'back', { signal: this.#stopped.signal });
    } catch (error) {
      throw new KvcacheError('SHUTDOWN', 'the shard is ending', { cause: error });
    }
    if (this.#stopped.signal.aborted) throw new KvcacheError('SHUTDOWN', 'the shard is ending');
  }

  #assertThere(): void {
    if (this.#gate.isSilent) throw new KvcacheError('BLOBDOWN', 'Blob does not answer');
  }
}
