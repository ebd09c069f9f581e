/**
 * The places in their prompts of blocks that were looked up and are not here, for when they are written.
 *
 *   digest ─▶ row of the table ─▶ (tag, place)
 *
 * A write does not tell which place its block has, but the Lookup before it did. Rows are overwritten by whatever comes
 * later: where one has gone, the block counts as one of unknown place, as if it had never been looked up. The table is
 * made with the first miss, 64 KiB, and never grows.
 */
import { missedBlocksMax } from '../../limits.ts';

export class MissedBlocks {
  #tags: Int32Array | undefined = undefined;
  #places = new Int32Array(0);

  note(digest: Buffer, chainIndex: number): void {
    if (this.#tags === undefined) {
      this.#tags = new Int32Array(missedBlocksMax);
      this.#places = new Int32Array(missedBlocksMax).fill(-1);
    }
    const row = rowOf(digest);
    this.#tags[row] = tagOf(digest);
    this.#places[row] = chainIndex;
  }

  /** The place of the block with this digest; -1 if it is not known. */
  chainIndexOf(digest: Buffer): number {
    const row = rowOf(digest);
    return this.#tags?.[row] === tagOf(digest) ? this.#places[row]! : -1;
  }
}

// A digest is a hash: any of its bytes will do.

function rowOf(digest: Buffer): number {
  return digest.readUInt32BE(0) % missedBlocksMax;
}

function tagOf(digest: Buffer): number {
  return digest.readInt32BE(16);
}
