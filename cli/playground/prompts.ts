/** The prompts of a run cut into blocks, with everything that is the same in every iteration computed once. */
import { blockCount, chainedHashes, unchainedHashes } from '../../client/hash.ts';
import { type BlockScope, scopeBytes } from '../../commands/block-key.ts';
import { blockTokens } from '../../limits.ts';
import type { BlockIdentity } from './content.ts';
import type { TokenizedPrompt } from './tokens-file.ts';

/** Which of the two hashes of client/hash.ts go over the wire. */
export const hashForms = ['chained', 'unchained'] as const;
export type HashForm = (typeof hashForms)[number];

export interface PlaygroundBlock extends BlockIdentity {
  /** Place in its prompt, from 0. */
  readonly index: number;
  readonly tokens: BigInt64Array;
  /** As the server is told; the content hangs on the chained hash whatever form this has. */
  readonly hash: bigint;
  readonly parentHash: bigint;
}

export interface PlaygroundPrompt {
  /** Place in the file, from 0. */
  readonly index: number;
  readonly tokens: BigInt64Array;
  readonly hashes: readonly bigint[];
  readonly blocks: readonly PlaygroundBlock[];
}

export function preparePrompts(
  prompts: readonly TokenizedPrompt[],
  scope: BlockScope,
  form: HashForm,
): PlaygroundPrompt[] {
  const scopeInContent = scopeBytes(scope);
  return prompts.map(({ tokens }, index) => {
    const chained = chainedHashes(tokens);
    const hashes = form === 'chained' ? chained : unchainedHashes(tokens);
    const blocks = Array.from({ length: blockCount(tokens.length) }, (_, block) => ({
      index: block,
      tokens: tokens.subarray(block * blockTokens, (block + 1) * blockTokens),
      hash: hashes[block]!,
      parentHash: hashes[block - 1] ?? 0n,
      chainedHash: chained[block]!,
      chainedParent: chained[block - 1] ?? 0n,
      scope: scopeInContent,
    }));
    return { index, tokens, hashes, blocks };
  });
}

/** How many blocks differ from all others, the prefix included. */
export function distinctBlocks(prompts: readonly PlaygroundPrompt[]): number {
  return new Set(prompts.flatMap((prompt) => prompt.blocks.map((block) => block.chainedHash))).size;
}

export function placeOf(prompt: PlaygroundPrompt, block: PlaygroundBlock): string {
  return `prompt ${prompt.index} block ${block.index}`;
}
