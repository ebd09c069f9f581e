/** Is a block that was read the one that was asked for, in everything that it says of itself and in every byte? */
import type { IncomingChunk } from '../../client/prompt-codec.ts';
import { isBlockContent } from './content.ts';
import type { PlaygroundBlock } from './prompts.ts';

/** What is wrong with the chunk, or undefined if nothing is. */
export function blockFault(block: PlaygroundBlock, chunk: IncomingChunk, partitionKey: string): string | undefined {
  if (chunk.hash !== block.hash) return `hash ${chunk.hash} instead of ${block.hash}`;
  if (chunk.parentHash !== block.parentHash) return `parent hash ${chunk.parentHash} instead of ${block.parentHash}`;
  if (chunk.partitionKey !== partitionKey) return `partition '${chunk.partitionKey}' instead of '${partitionKey}'`;
  if (!sameTokens(chunk.tokens, block.tokens)) return 'tokens of another block';
  if (!isBlockContent(block, chunk.buffer)) return `${chunk.buffer.byteLength} bytes that are not this block's`;
  return undefined;
}

function sameTokens(left: BigInt64Array, right: BigInt64Array): boolean {
  return bytesOf(left).equals(bytesOf(right));
}

function bytesOf(tokens: BigInt64Array): Buffer {
  return Buffer.from(tokens.buffer, tokens.byteOffset, tokens.byteLength);
}
