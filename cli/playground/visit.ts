/** One prompt's way through the rounds of a run: what of it is still unread, and whether another round is worth it. */
import { playgroundPatienceMs, playgroundRoundsMax } from '../../limits.ts';
import type { PlaygroundBlock, PlaygroundPrompt } from './prompts.ts';

export class Visit {
  readonly prompt: PlaygroundPrompt;
  readonly completionId: string;
  readonly unread: Set<PlaygroundBlock>;
  /** Blocks that the first lookup found. */
  cached = 0;
  rounds = 0;
  lastFault = '';
  #quietRounds = 0;
  #firstFailureMs: number | undefined;

  constructor(prompt: PlaygroundPrompt, completionId: string) {
    this.prompt = prompt;
    this.completionId = completionId;
    this.unread = new Set(prompt.blocks);
  }

  get done(): boolean {
    return this.unread.size === 0;
  }

  /**
   * After a round that left blocks unread: is there to be another? Calls that fail are given a time, because a shard
   * may be starting; blocks that vanish without a fault a number of rounds, because they will vanish again.
   */
  goesOn(failure: string | undefined): boolean {
    if (failure === undefined) return ++this.#quietRounds < playgroundRoundsMax;
    this.lastFault = failure;
    this.#firstFailureMs ??= performance.now();
    return performance.now() - this.#firstFailureMs < playgroundPatienceMs;
  }
}
