/**
 * The prompts whose blocks are being used now: for a block, the one of the same prompt before it.
 *
 *   uses     a0 a1 b0 a2 b1 b2 …        prompts a and b, one block after the other, in turns
 *   runs     a ─▶ a2    b ─▶ b2         the last block of each
 *
 * A shard has only some blocks of a prompt, it sees several prompts at once, and nothing tells it which read belongs to
 * which. But within a prompt places rise. So a block continues the run whose last block has the next lower place, and
 * begins a new one where there is none. Two prompts that are taken for each other cost little: what matters is that the
 * blocks of one lie in the order of their places.
 *
 * A run ends when others have been used for a while, so that nothing is put beside what was used long ago.
 */
import { promptRunGapMax, promptRunsMax } from '../../limits.ts';
import type { Entry } from '../journal.ts';

interface Run {
  readonly last: Entry;
  /** Number of the use. */
  readonly at: number;
}

export class PromptRuns {
  /** The newest first. */
  readonly #runs: Run[] = [];
  #uses = 0;

  /** A use of anything that is no block of a prompt. */
  noteOther(): void {
    this.#uses += 1;
  }

  /**
   * Notes the use of a block whose place is known, and returns the block that is before it in its prompt, if there is
   * one with a copy that `canLead`.
   */
  follow(entry: Entry, canLead: (entry: Entry) => boolean): Entry | undefined {
    const { chainIndex } = entry;
    this.#uses += 1;
    const oldest = this.#uses - promptRunGapMax;
    let before: Entry | undefined;
    let at = -1;
    for (const [place, { last, at: usedAt }] of this.#runs.entries()) {
      if (usedAt < oldest) {
        this.#runs.length = place;
        break;
      }
      if (
        last.chainIndex < chainIndex &&
        (before === undefined || last.chainIndex > before.chainIndex) &&
        canLead(last)
      ) {
        before = last;
        at = place;
      }
    }
    if (at >= 0) this.#runs.splice(at, 1);
    else if (this.#runs.length === promptRunsMax) this.#runs.pop();
    this.#runs.unshift({ last: entry, at: this.#uses });
    return before;
  }
}
