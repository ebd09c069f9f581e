/**
 * One run of the playground: every prompt is looked up, what is missing is written, everything is read back, and
 * every byte read is judged (content.ts).
 *
 *   prompt ──Lookup──► cached prefix ──Write──► missing blocks ──Lookup──► locations ──Read──► verify
 *              ▲                                                   │                    │
 *              └────── again, while blocks are missing ◄───────────┴────────────────────┘
 *
 * Shards may be killed meanwhile. A call that fails after the SDK's own attempts, and a block that is not found though
 * it was written, send the prompt around once more; only blocks that stay away count as errors. At the very start
 * there is no such patience: a server that has never answered is most likely a wrong address.
 *
 * Memory holds at most `playgroundInFlightBytesMax` of block contents, however many prompts run side by side.
 */
import { Gate } from '../../client/gate.ts';
import type { KvStoreClient, LookupResult, ReadResult } from '../../client/prompt-client.ts';
import { pause, retryDelayMs } from '../../client/retry.ts';
import type { BlockScope } from '../../commands/block-key.ts';
import { messageOf } from '../../errors.ts';
import { playgroundInFlightBytesMax, playgroundRoundsMax, playgroundWindowBlocks } from '../../limits.ts';
import { blockContent } from './content.ts';
import { forEachInWindow } from './for-each.ts';
import {
  distinctBlocks,
  type HashForm,
  placeOf,
  type PlaygroundBlock,
  type PlaygroundPrompt,
  preparePrompts,
} from './prompts.ts';
import { type Counts, type PlaygroundReport, reportOf } from './report.ts';
import { type CallFacts, Timings } from './timings.ts';
import type { TokenizedPrompt } from './tokens-file.ts';
import { blockFault } from './verify.ts';
import { Visit } from './visit.ts';
import { WriteLedger } from './write-ledger.ts';

export interface PlaygroundRun {
  /** Initialized with the scope's account and container. */
  readonly client: Pick<KvStoreClient, 'lookup' | 'readAsync' | 'writeAsync' | 'readStream'>;
  readonly scope: BlockScope;
  readonly prompts: readonly TokenizedPrompt[];
  readonly iterations: number;
  readonly concurrency: number;
  readonly bufferBytes: number;
  readonly hashes: HashForm;
  /** One StreamingRead a prompt instead of one Read a block. */
  readonly streams: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of blocks of a prompt that is finished with. */
  readonly onProgress?: ((blocks: number) => void) | undefined;
  readonly onPrompt?: ((text: string) => void) | undefined;
  readonly onBlock?: ((text: string) => void) | undefined;
  readonly onFault?: ((text: string) => void) | undefined;
}

/** Runs to the end, faults counted and told; rejects only if the server never answered or the signal aborted. */
export function runPlayground(run: PlaygroundRun): Promise<PlaygroundReport> {
  return new Playground(run).run();
}

const roundDelays = { attemptsMax: playgroundRoundsMax, delayMinMs: 50, delayMaxMs: 2_000 };

class Playground {
  readonly #run: PlaygroundRun;
  readonly #prompts: readonly PlaygroundPrompt[];
  readonly #counts: Counts = { blocks: 0, cached: 0, written: 0, read: 0, mismatched: 0, errors: 0, retried: 0 };
  readonly #lookups = new Timings();
  readonly #reads = new Timings();
  readonly #writes = new Timings();
  readonly #gate = new Gate(playgroundInFlightBytesMax);
  readonly #ledger = new WriteLedger();
  #answered = false;

  constructor(run: PlaygroundRun) {
    this.#run = run;
    this.#prompts = preparePrompts(run.prompts, run.scope, run.hashes);
  }

  async run(): Promise<PlaygroundReport> {
    const startMs = performance.now();
    const { iterations, concurrency, bufferBytes } = this.#run;
    const jobs = iterations * this.#prompts.length;
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < jobs) {
        const job = next++;
        await this.#visit(new Visit(this.#prompts[job % this.#prompts.length]!, `playground-${job}`));
      }
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, jobs) }, worker));
    const prompts = this.#prompts.length;
    const facts = { prompts, distinct: distinctBlocks(this.#prompts), iterations, concurrency, bufferBytes };
    return reportOf({ ...facts, tookMs: performance.now() - startMs }, this.#counts, {
      lookup: this.#lookups.summary(),
      read: this.#reads.summary(),
      write: this.#writes.summary(),
    });
  }

  async #visit(visit: Visit): Promise<void> {
    const { prompt, unread } = visit;
    this.#counts.blocks += prompt.blocks.length;
    while (!visit.done) {
      const failure = await this.#failureOfRound(visit);
      if (visit.done || !visit.goesOn(failure)) break;
      this.#counts.retried++;
      await pause(retryDelayMs(roundDelays, visit.rounds, Math.random()), this.#run.signal);
    }
    this.#counts.errors += unread.size;
    for (const block of unread) this.#run.onFault?.(`${placeOf(prompt, block)}: ${visit.lastFault}`);
    this.#run.onPrompt?.(`prompt ${prompt.index}: ${prompt.blocks.length} blocks, ${visit.cached} of them cached`);
    this.#run.onProgress?.(prompt.blocks.length);
  }

  async #failureOfRound(visit: Visit): Promise<string | undefined> {
    try {
      await this.#round(visit);
      return undefined;
    } catch (error) {
      if (!this.#answered || this.#run.signal?.aborted) throw error;
      return messageOf(error);
    }
  }

  /** Once around: look up, write what is missing, look up again for its locations, read what is still unread. */
  async #round(visit: Visit): Promise<void> {
    const { blocks } = visit.prompt;
    const lookedUpAt = this.#ledger.now();
    let found = await this.#lookup(visit);
    if (visit.rounds === 0) this.#counts.cached += visit.cached = found.cachedBlocks;
    visit.rounds++;
    const missing = blocks.slice(found.cachedBlocks);
    if (missing.length > 0) {
      await forEachInWindow(missing, playgroundWindowBlocks, (block) =>
        this.#ledger.store(block, lookedUpAt, () => this.#write(visit, block)),
      );
      found = await this.#lookup(visit);
    }
    if (found.cachedBlocks < blocks.length) visit.lastFault = 'written, and then not found by a lookup';
    const reading = blocks.slice(0, found.cachedBlocks).filter((block) => visit.unread.has(block));
    await (this.#run.streams ? this.#readStream(visit, reading, found) : this.#readEach(visit, reading, found));
  }

  async #lookup({ prompt, completionId }: Visit): Promise<LookupResult> {
    const { scope, client, signal } = this.#run;
    const found = await this.#lookups.measure(
      () => client.lookup(scope.partitionKey, completionId, prompt.tokens, prompt.hashes, { signal }),
      (result) => factsOf(result, 0),
    );
    this.#answered = true;
    this.#run.onBlock?.(`prompt ${prompt.index}: lookup found ${found.cachedBlocks} of ${prompt.blocks.length} blocks`);
    return found;
  }

  async #write({ prompt, completionId }: Visit, block: PlaygroundBlock): Promise<void> {
    const { scope, client, bufferBytes, signal } = this.#run;
    await this.#gate.enter(bufferBytes, signal);
    try {
      const { hash, parentHash, tokens } = block;
      const buffer = blockContent(block, bufferBytes);
      const chunk = { hash, parentHash, tokens, buffer, completionId, partitionKey: scope.partitionKey };
      await this.#writes.measure(
        () => client.writeAsync(chunk, { signal }),
        (result) => factsOf(result, bufferBytes),
      );
      this.#counts.written++;
      this.#run.onBlock?.(`${placeOf(prompt, block)}: written`);
    } finally {
      this.#gate.leave(bufferBytes);
    }
  }

  async #readEach(visit: Visit, blocks: readonly PlaygroundBlock[], found: LookupResult): Promise<void> {
    const { client, bufferBytes, signal } = this.#run;
    await forEachInWindow(blocks, playgroundWindowBlocks, async (block) => {
      await this.#gate.enter(bufferBytes, signal);
      try {
        const { location } = found.locations[block.index]!;
        const read = await this.#reads.measure(
          () => client.readAsync(location, visit.completionId, { signal }),
          factsOfRead,
        );
        this.#judge(visit, block, read);
      } finally {
        this.#gate.leave(bufferBytes);
      }
    });
  }

  async #readStream(visit: Visit, blocks: readonly PlaygroundBlock[], found: LookupResult): Promise<void> {
    const { client, bufferBytes, signal } = this.#run;
    const windowBlocks = Math.min(blocks.length, playgroundWindowBlocks);
    if (windowBlocks === 0) return;
    await this.#gate.enter(bufferBytes * windowBlocks, signal);
    const locations = blocks.map((block) => found.locations[block.index]!.location);
    const reads = client.readStream(locations, { signal, windowBlocks });
    try {
      for (const block of blocks) {
        const read = await this.#reads.measure(() => nextOf(reads), factsOfRead);
        this.#judge(visit, block, read);
      }
    } finally {
      await reads.return();
      this.#gate.leave(bufferBytes * windowBlocks);
    }
  }

  #judge(visit: Visit, block: PlaygroundBlock, { found, chunk }: ReadResult): void {
    if (!found || !chunk) {
      visit.lastFault = 'found by a lookup, and then not by a read';
      return;
    }
    visit.unread.delete(block);
    this.#counts.read++;
    const fault = blockFault(block, chunk, this.#run.scope.partitionKey);
    if (fault === undefined) {
      this.#run.onBlock?.(`${placeOf(visit.prompt, block)}: read, ${chunk.buffer.byteLength} bytes as they should be`);
      return;
    }
    this.#counts.mismatched++;
    this.#run.onFault?.(`${placeOf(visit.prompt, block)}: ${fault}`);
  }
}

function factsOf({ serverMetrics }: Pick<ReadResult, 'serverMetrics'>, bytes: number): CallFacts {
  return { bytes, serverUs: Number(serverMetrics?.totalLatencyUs ?? 0n) };
}

function factsOfRead(read: ReadResult): CallFacts {
  return factsOf(read, read.chunk?.buffer.byteLength ?? 0);
}

/** The stream answers every location, or throws. */
async function nextOf(reads: AsyncGenerator<ReadResult>): Promise<ReadResult> {
  const next = await reads.next();
  if (next.done) throw new Error('the stream ended before its last block');
  return next.value;
}
