/**
 * A model server without a model: what vLLM or another server does with its prompts and this cache, and nothing else.
 *
 *   1. Lookup      how many blocks of the prompt's prefix are cached?
 *   2. Read        these blocks, as a stream
 *   3. prefill     the other blocks are computed: here a pause a block, and a buffer that follows from the block's hash
 *   4. Write       what was computed, for the next request and for every other replica
 *
 * A cache must never fail a request: whatever goes wrong with it counts as not cached. Every buffer that is read is
 * compared with what would have been computed, so that a wrong one is noticed here as it would not be in a model.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { CallError } from '../../client/call-error.ts';
import { blockCount, chainedHashes } from '../../client/hash.ts';
import type { KvStoreClient } from '../../client/prompt-client.ts';
import { blockTokens } from '../../limits.ts';
import type { Request } from './traffic.ts';

export interface ModelServerOptions {
  /** Initialized with account and container. */
  readonly client: KvStoreClient;
  /** Blocks of different models must not meet. */
  readonly model: string;
  /** Bytes of one block's KV tensors. */
  readonly blockBytes: number;
  /** What computing one block takes. */
  readonly prefillMs: number;
}

export interface Figures {
  requests: number;
  blocks: number;
  /** Blocks that did not have to be computed. */
  cached: number;
  written: number;
  /** Calls of the cache that failed, and the requests went on without it. */
  failures: number;
  /** Blocks whose bytes were not theirs. */
  wrong: number;
  bytesRead: number;
  bytesWritten: number;
}

export class ModelServer {
  readonly figures: Figures = {
    requests: 0,
    blocks: 0,
    cached: 0,
    written: 0,
    failures: 0,
    wrong: 0,
    bytesRead: 0,
    bytesWritten: 0,
  };
  readonly #options: ModelServerOptions;

  constructor(options: ModelServerOptions) {
    this.#options = options;
  }

  /** Serves one request; resolves with the blocks that were cached. */
  async serve({ id, tokens }: Request): Promise<number> {
    const hashes = chainedHashes(tokens);
    const blocks = blockCount(tokens.length);
    const cached = await this.#read(id, tokens, hashes);
    await pause((blocks - cached) * this.#options.prefillMs);
    // The rest of the prompt, shorter than a block, is computed every time.
    await Promise.all(
      Array.from({ length: blocks - cached }, (_, missing) => this.#write(tokens, hashes, cached + missing)),
    );
    this.figures.requests++;
    this.figures.blocks += blocks;
    this.figures.cached += cached;
    return cached;
  }

  /** How many blocks of the prefix came from the cache. */
  async #read(id: string, tokens: readonly number[], hashes: readonly bigint[]): Promise<number> {
    const { client, model } = this.#options;
    let usable = 0;
    try {
      const found = await client.lookup(model, id, [...tokens], hashes);
      for await (const { chunk } of client.readStream(found.locations.map(({ location }) => location))) {
        // Evicted since the lookup: the prefix ends here.
        if (chunk === undefined) break;
        if (!tensorsOf(hashes[usable]!, this.#options.blockBytes).equals(chunk.buffer)) {
          this.figures.wrong++;
          break;
        }
        this.figures.bytesRead += chunk.buffer.byteLength;
        usable++;
      }
    } catch (error) {
      this.#countFailure(error);
    }
    return usable;
  }

  async #write(tokens: readonly number[], hashes: readonly bigint[], block: number): Promise<void> {
    const { client, model, blockBytes } = this.#options;
    try {
      await client.writeAsync({
        partitionKey: model,
        tokens: tokens.slice(block * blockTokens, (block + 1) * blockTokens),
        hash: hashes[block]!,
        parentHash: hashes[block - 1] ?? 0n,
        buffer: tensorsOf(hashes[block]!, blockBytes),
      });
      this.figures.written++;
      this.figures.bytesWritten += blockBytes;
    } catch (error) {
      this.#countFailure(error);
    }
  }

  #countFailure(error: unknown): void {
    if (!(error instanceof CallError)) throw error;
    this.figures.failures++;
  }
}

/** What the model would compute for the block: bytes that follow from its hash. */
export function tensorsOf(hash: bigint, bytes: number): Buffer {
  const pattern = Buffer.alloc(8);
  pattern.writeBigUInt64BE(hash);
  return Buffer.alloc(bytes, pattern);
}
