/**
 * A continuous load that keeps books: who wrote what, at which acknowledgement, and whether readers still find it.
 *
 * Every key has one writer, which writes its versions one after the other (values.ts), so that the books need no order
 * among writers. A version that was acknowledged may never be gone: whoever reads the key later finds it or a newer
 * one that was at least sent. The one exception is what `memory` means: a version acknowledged from memory may be
 * missing if its own shard was killed within a moment of the acknowledgement (`noteKill`).
 *
 * Blocks are prompts of a few blocks each, written once, in order; as many as were acknowledged must be found as a
 * prefix, and each must hold its bytes.
 *
 *     const load = new Load({ keys, prompts, shardOf });
 *     load.start();
 *     await load.progress();       // every writer and reader has gone on since
 *     await load.stop();
 *     expect(await load.check()).toEqual([]);
 */
import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { blockContent, type BlockIdentity, isBlockContent } from '../cli/playground/content.ts';
import { forEachInWindow } from '../cli/playground/for-each.ts';
import { chainedHashes } from '../client/hash.ts';
import type { KvcacheClient } from '../client/key-client.ts';
import type { KvStoreClient } from '../client/prompt-client.ts';
import { type Acknowledgement, acknowledgements } from '../commands/command.ts';
import { KvcacheError, messageOf } from '../errors.ts';
import { blockTokens } from '../limits.ts';
import { valueOf, versionOf } from './values.ts';

export interface LoadOptions {
  readonly keys: KvcacheClient;
  readonly prompts: KvStoreClient;
  /** The shard that a key lives on. */
  readonly shardOf: (key: string) => string;
  /** The levels at which writes are acknowledged, in turn. Default: all. */
  readonly levels?: readonly Acknowledgement[];
  /** The pause of a lane between two operations. */
  readonly pauseMs?: number;
  /** Hears of every operation: its fault's code, or undefined if it went well. */
  readonly onOutcome?: (fault: string | undefined) => void;
}

/**
 * A kill takes what `memory` had acknowledged and the log had not yet handed to the system: one turn of the event
 * loop. The clocks of the two processes are compared here, so the bound is generous; what is older must be there.
 */
const lastMomentMs = 1_000;
/** Pace of a lane: many of them share two cores with the cluster that they load. */
const pauseDefaultMs = 4;
const pauseAfterFaultMs = 40;
const keysPerLane = 24;
/** Small ones share batches; the largest travel by the connections for large values. */
const valueBytes = [100, 4_000, 70_000] as const;
const blocksPerPrompt = 3;
const blockBytes = 48 * 1024;
const partition = 'load';

interface Acknowledged {
  readonly version: number;
  readonly level: Acknowledgement;
  readonly atMs: number;
}

interface KeyBook {
  readonly key: string;
  readonly bytes: number;
  /** The newest version that was sent, acknowledged or not. */
  sent: number;
  readonly acknowledged: Acknowledged[];
}

interface PromptBook {
  readonly tokens: readonly number[];
  readonly hashes: readonly bigint[];
  acknowledged: number;
}

export class Load {
  readonly #options: LoadOptions;
  readonly #books = new Map<string, KeyBook>();
  readonly #prompts: PromptBook[] = [];
  readonly #kills: { readonly shard: string; readonly atMs: number }[] = [];
  readonly #events = new EventEmitter();
  /** Operations done, by lane. */
  readonly #done: number[] = [];
  #lanes: Promise<void>[] = [];
  #isStopping = false;
  /** Calls that failed, by code. */
  readonly faults: Record<string, number> = {};
  /** Sentences about what readers should not have seen. */
  readonly violations: string[] = [];

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  /** Acknowledged writes, blocks among them. */
  get acknowledged(): number {
    let sum = 0;
    for (const { acknowledged } of this.#books.values()) sum += acknowledged.length;
    for (const { acknowledged } of this.#prompts) sum += acknowledged;
    return sum;
  }

  start(): void {
    for (const level of this.#options.levels ?? acknowledgements) {
      for (const lane of ['a', 'b'])
        this.#run((turn) => this.#writeKey(`${level}-${lane}-${turn % keysPerLane}`, level));
      if (level !== 'memory') this.#run(() => this.#writePrompt(level));
    }
    this.#run(() => this.#readKey());
    this.#run(() => this.#readKey());
    this.#run(() => this.#readPrompt());
  }

  /** Resolves when every lane has done a few more operations, begun and ended after the call. */
  async progress(operations = 3): Promise<void> {
    const before = [...this.#done];
    while (this.#done.some((done, lane) => done - before[lane]! < operations)) {
      await once(this.#events, 'done');
    }
  }

  /** To be called when a shard is about to be killed. */
  noteKill(shard: string): void {
    this.#kills.push({ shard, atMs: performance.now() });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#lanes);
  }

  /** Reads everything back; the sentences about what is not as it should be, those of the readers before among them. */
  async check(): Promise<string[]> {
    const found = [...this.violations];
    const books = [...this.#books.values()];
    await forEachInWindow(books, 16, async (book) => {
      const fault = this.#faultOf(book, await this.#options.keys.get(book.key), book.acknowledged.length);
      if (fault !== undefined) found.push(fault);
    });
    await forEachInWindow(this.#prompts, 4, async (prompt) => {
      found.push(...(await this.#faultsOfPrompt(prompt, prompt.acknowledged)));
    });
    return found;
  }

  #run(operation: (turn: number) => Promise<void>): void {
    const lane = this.#done.push(0) - 1;
    this.#lanes.push(this.#lane(lane, operation));
  }

  async #lane(lane: number, operation: (turn: number) => Promise<void>): Promise<void> {
    for (let turn = 0; !this.#isStopping; turn++) {
      try {
        await operation(turn);
        this.#done[lane]! += 1;
        this.#events.emit('done');
        this.#options.onOutcome?.(undefined);
        await delay(this.#options.pauseMs ?? pauseDefaultMs);
      } catch (error) {
        if (!(error instanceof KvcacheError)) throw error;
        this.faults[error.code] = (this.faults[error.code] ?? 0) + 1;
        this.#options.onOutcome?.(error.code);
        await delay(pauseAfterFaultMs);
      }
    }
  }

  async #writeKey(key: string, level: Acknowledgement): Promise<void> {
    let book = this.#books.get(key);
    if (book === undefined) {
      book = { key, bytes: valueBytes[this.#books.size % valueBytes.length]!, sent: 0, acknowledged: [] };
      this.#books.set(key, book);
    }
    const version = ++book.sent;
    await this.#options.keys.set(key, valueOf(key, version, book.bytes), { acknowledgement: level });
    book.acknowledged.push({ version, level, atMs: performance.now() });
  }

  async #readKey(): Promise<void> {
    const books = [...this.#books.values()];
    const book = books[Math.floor(Math.random() * books.length)];
    if (book === undefined) return;
    const acknowledgedBefore = book.acknowledged.length;
    const value = await this.#options.keys.get(book.key);
    const fault = this.#faultOf(book, value, acknowledgedBefore);
    if (fault !== undefined) this.violations.push(fault);
  }

  /** What is wrong with a value that was read when the first `count` acknowledgements had been given. */
  #faultOf(book: KeyBook, value: Buffer | null, count: number): string | undefined {
    const safe = this.#safeVersion(book, count);
    if (value === null) return safe === 0 ? undefined : `${book.key} is gone; version ${safe} was acknowledged`;
    try {
      const version = versionOf(book.key, value);
      if (version > book.sent) return `${book.key} has version ${version}; only ${book.sent} were sent`;
      if (version < safe) return `${book.key} has version ${version}; version ${safe} was acknowledged`;
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** The newest version that must be there; 0 for none. */
  #safeVersion({ key, acknowledged }: KeyBook, count: number): number {
    const shard = this.#options.shardOf(key);
    const kills = this.#kills.filter((kill) => kill.shard === shard);
    for (const { version, level, atMs } of acknowledged.slice(0, count).reverse()) {
      if (level !== 'memory') return version;
      if (!kills.some((kill) => Math.abs(kill.atMs - atMs) < lastMomentMs)) return version;
    }
    return 0;
  }

  async #writePrompt(level: 'disk' | 'blob'): Promise<void> {
    const number = this.#prompts.length;
    const tokens = Array.from({ length: blocksPerPrompt * blockTokens }, (_, index) => number * 1_000 + index);
    const prompt: PromptBook = { tokens, hashes: chainedHashes(tokens), acknowledged: 0 };
    this.#prompts.push(prompt);
    for (let block = 0; block < blocksPerPrompt; block++) {
      const chunk = {
        hash: prompt.hashes[block]!,
        parentHash: prompt.hashes[block - 1],
        partitionKey: partition,
        tokens: tokens.slice(block * blockTokens, (block + 1) * blockTokens),
        buffer: contentOf(prompt, block),
      };
      await this.#options.prompts.writeAsync(chunk, { acknowledgement: level });
      prompt.acknowledged += 1;
    }
  }

  async #readPrompt(): Promise<void> {
    const prompt = this.#prompts[Math.floor(Math.random() * this.#prompts.length)];
    if (prompt === undefined) return;
    this.violations.push(...(await this.#faultsOfPrompt(prompt, prompt.acknowledged)));
  }

  async #faultsOfPrompt(prompt: PromptBook, acknowledged: number): Promise<string[]> {
    const { prompts } = this.#options;
    const name = `the prompt that begins with ${prompt.tokens[0]}`;
    const { cachedBlocks, locations } = await prompts.lookup(partition, '', prompt.tokens, prompt.hashes);
    if (cachedBlocks < acknowledged) return [`of ${name}, ${cachedBlocks} of ${acknowledged} blocks are found`];
    const faults: string[] = [];
    let block = 0;
    for await (const { found, chunk } of prompts.readStream(locations.map(({ location }) => location))) {
      if (!found) faults.push(`block ${block} of ${name} was found and cannot be read`);
      else if (!isBlockContent(identityOf(prompt, block), chunk!.buffer)) {
        faults.push(`block ${block} of ${name} has wrong bytes`);
      }
      block++;
    }
    return faults;
  }
}

function identityOf({ hashes }: PromptBook, block: number): BlockIdentity {
  return { scope: Buffer.from(partition), chainedHash: hashes[block]!, chainedParent: hashes[block - 1] ?? 0n };
}

function contentOf(prompt: PromptBook, block: number): Buffer {
  return blockContent(identityOf(prompt, block), blockBytes);
}
