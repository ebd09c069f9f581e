/**
 * Keeps prompts that run side by side from writing the blocks that they share once each.
 *
 * A lookup's answer is old when it arrives: a block that it missed may be on its way from another prompt, or stored
 * since the lookup began. The first is waited for, the second left alone. A block that was written before the lookup
 * began and is missing all the same was lost, and is written again.
 */
import type { PlaygroundBlock } from './prompts.ts';

export class WriteLedger {
  /** Grows with every finished write; puts writes and lookups in one order. */
  #clock = 0;
  readonly #underWay = new Map<bigint, Promise<void>>();
  readonly #writtenAt = new Map<bigint, number>();

  /** The moment to name as `lookedUpAt`; to be taken before the lookup is sent. */
  now(): number {
    return this.#clock;
  }

  /** Sees to it that the block is stored: by `write`, or by someone else's write after `lookedUpAt`. */
  async store(block: PlaygroundBlock, lookedUpAt: number, write: () => Promise<void>): Promise<void> {
    const key = block.chainedHash;
    if ((this.#writtenAt.get(key) ?? 0) > lookedUpAt) return;
    const other = this.#underWay.get(key);
    if (other) {
      await other;
      return;
    }
    const own = this.#write(key, write);
    this.#underWay.set(key, own);
    await own;
  }

  async #write(key: bigint, write: () => Promise<void>): Promise<void> {
    try {
      await write();
      this.#writtenAt.set(key, ++this.#clock);
    } finally {
      this.#underWay.delete(key);
    }
  }
}
