/**
 * Prompt blocks, for programs: the client of kvstore.KVStoreService, with the names that its users know.
 *
 *     const client = new KvStoreClient();
 *     client.initialize('https://account.blob.core.windows.net', 'prompts');
 *     const hashes = chainedHashes(tokens);
 *     const found = await client.lookup('model-a', 'completion-1', tokens, hashes);
 *     for await (const { chunk } of client.readStream(found.locations.map((item) => item.location))) use(chunk);
 *
 * Everything here may be tried again after a fault: a read changes nothing, and a block written twice is the block
 * written once. Lookups, reads and writes have connections of their own, so that a lookup of a few microseconds never
 * waits behind megabytes. A buffer that was handed over must not be changed until its call has ended.
 */
import type { Acknowledgement } from '../commands/command.ts';
import { KvcacheError } from '../errors.ts';
import type { ClientMethod } from '../grpc/method.ts';
import type { GrpcMetadata } from '../grpc/status.ts';
import {
  blockTokens,
  clientInFlightBytesMax,
  clientStreamWindowBlocks,
  grpcMessageBytesMax,
  linkLargeConnections,
} from '../limits.ts';
import type { BlockLocation, ServerMetrics } from '../protos/generated/kvstore.ts';
import { CallError, callErrorOf, mayRepeatRead } from './call-error.ts';
import type { Channels } from './channels.ts';
import { Endpoint } from './endpoint.ts';
import { Gate } from './gate.ts';
import { type CallOptions, type ClientOptions, deadlineMsOf, retryPolicyOf, type WriteOptions } from './options.ts';
import { type IncomingChunk, type IncomingRead, lookupMethod, readMethod, writeMethod } from './prompt-codec.ts';
import { readInOrder } from './read-stream.ts';
import { withRetry } from './retry.ts';
import { tokensOf, type TokenInput } from './tokens.ts';

/** A block to write: its 128 tokens, its hash and that of the block before it (0 or absent for the first). */
export interface PromptChunk {
  readonly hash: bigint;
  readonly parentHash?: bigint | undefined;
  readonly partitionKey: string;
  readonly tokens: TokenInput;
  readonly buffer: Uint8Array;
  readonly completionId?: string | undefined;
}

/** The longest prefix of a prompt that is cached, in whole blocks. */
export interface LookupResult {
  readonly cachedBlocks: number;
  /** Hash of the last block found, 0 where there is none. */
  readonly lastHash: bigint;
  /** One a block, in order. A location is opaque and good for `readAsync` and `readStream`. */
  readonly locations: BlockLocation[];
  readonly serverMetrics: ServerMetrics | undefined;
}

export interface ReadResult {
  readonly found: boolean;
  /** Present where found. */
  readonly chunk: IncomingChunk | undefined;
  readonly serverMetrics: ServerMetrics | undefined;
}

export interface WriteResult {
  readonly serverMetrics: ServerMetrics | undefined;
}

export interface ReadStreamOptions extends CallOptions {
  /** Blocks asked for and not yet taken by the caller. Default and most: 16. */
  readonly windowBlocks?: number | undefined;
}

/** Accepted as the source's clients pass it, and ignored: there is one transport. */
export type HttpTransportProtocol = string | number;

export class KvStoreClient {
  /** host:port, or several with commas between them. */
  readonly server: string;
  readonly #options: ClientOptions;
  readonly #endpoint: Endpoint;
  readonly #lookups: Channels;
  readonly #blocks: Channels;
  readonly #writing = new Gate(clientInFlightBytesMax);
  readonly #requestIdPrefix = `${process.pid.toString(36)}-${Date.now().toString(36)}`;
  #requests = 0;
  #accountUrl = '';
  #containerName = '';

  constructor(options: ClientOptions = {}) {
    this.#endpoint = new Endpoint(options);
    this.server = this.#endpoint.server;
    this.#options = options;
    this.#lookups = this.#endpoint.channels();
    this.#blocks = this.#endpoint.channels({ connections: linkLargeConnections });
  }

  /** Chooses the account and container that every further call is about. */
  initialize(accountUrl: string, container: string, _transport?: HttpTransportProtocol): void {
    if (accountUrl === '') throw new KvcacheError('ERR', 'account_url is required');
    if (container === '') throw new KvcacheError('ERR', 'container_name is required');
    this.#accountUrl = accountUrl;
    this.#containerName = container;
  }

  /**
   * Finds the longest cached prefix. With `hashes` (client/hash.ts) every block matches only its hash, and none of
   * another chain is ever found; without, the server follows the stored parents.
   */
  async lookup(
    partitionKey: string,
    completionId: string,
    tokens: TokenInput,
    hashes: readonly bigint[] = [],
    options?: CallOptions,
  ): Promise<LookupResult> {
    const request = { ...this.#scope(), partitionKey, completionId, tokens: tokensOf(tokens), hashes };
    const response = await this.#call(this.#lookups, lookupMethod, request, options);
    const { cachedBlocks, lastHash, locations, serverMetrics } = response;
    return { cachedBlocks, lastHash, locations, serverMetrics };
  }

  /** Reads one block at a location of `lookup`. */
  async readAsync(location: string, completionId = '', options?: CallOptions): Promise<ReadResult> {
    const request = { ...this.#scope(), location, completionId };
    return readResult(await this.#call(this.#blocks, readMethod, request, options));
  }

  /**
   * Reads many blocks in the order of their locations, a window of them ahead of the caller. A stream that breaks is
   * opened again where it broke; the timeout is for each block.
   */
  async *readStream(
    locations: Iterable<string>,
    options: ReadStreamOptions = {},
  ): AsyncGenerator<ReadResult & { readonly location: string }, void, undefined> {
    const scope = this.#scope();
    const windowBlocks = Math.min(options.windowBlocks ?? clientStreamWindowBlocks, clientStreamWindowBlocks);
    const reads = readInOrder(this.#blocks, locations, {
      windowBlocks,
      policy: retryPolicyOf(this.#options),
      requestOf: (location) => ({ ...scope, location, completionId: '' }),
      deadlineMs: () => deadlineMsOf(this.#options, options),
      metadata: this.#metadata(undefined),
      signal: options.signal,
    });
    for await (const { location, read } of reads) {
      // A failure of one block travels in its place, without a code: asking for that block alone gives both.
      yield { location, ...(read.success ? readResult(read) : await this.readAsync(location, '', options)) };
    }
  }

  /** All blocks of `readStream` at once: for prompts whose blocks fit into memory together. */
  async streamingReadAsync(locations: Iterable<string>, options?: ReadStreamOptions): Promise<ReadResult[]> {
    return Array.fromAsync(this.readStream(locations, options));
  }

  /** Stores one block. The same (tokens, hash, parent hash) again changes nothing. */
  async writeAsync(chunk: PromptChunk, options?: WriteOptions): Promise<WriteResult> {
    const { hash, parentHash = 0n, partitionKey, buffer, completionId = '' } = chunk;
    const tokens = tokensOf(chunk.tokens);
    if (tokens.length !== blockTokens) {
      throw new KvcacheError('ERR', `a block has ${blockTokens} tokens, not ${tokens.length}`);
    }
    if (buffer.byteLength > grpcMessageBytesMax) {
      throw new KvcacheError('TOOLARGE', `a block of ${buffer.byteLength} bytes: at most ${grpcMessageBytesMax}`);
    }
    const outgoing = { hash, parentHash, partitionKey, completionId, tokens, buffer };
    await this.#writing.enter(buffer.byteLength, options?.signal);
    try {
      const request = { ...this.#scope(), chunk: outgoing };
      const { serverMetrics } = await this.#call(this.#blocks, writeMethod, request, options);
      return { serverMetrics };
    } finally {
      this.#writing.leave(buffer.byteLength);
    }
  }

  /** Fails what is under way and ends the connections. */
  close(): void {
    this.#lookups.close();
    this.#blocks.close();
    this.#endpoint.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #scope(): { accountUrl: string; containerName: string } {
    if (this.#containerName === '') {
      throw new KvcacheError('ERR', 'initialize(accountUrl, container) comes before every other call');
    }
    return { accountUrl: this.#accountUrl, containerName: this.#containerName };
  }

  /** The request id is the same for all attempts of a call, so that logs of server and client can be joined. */
  #metadata(acknowledgement: Acknowledgement | undefined): GrpcMetadata {
    const requestId = `${this.#requestIdPrefix}-${this.#requests++}`;
    return acknowledgement
      ? { 'request-id': requestId, 'kvcache-acknowledgement': acknowledgement }
      : { 'request-id': requestId };
  }

  #call<Request, Response extends { readonly success: boolean; readonly error: string }>(
    channels: Channels,
    method: ClientMethod<Request, Response>,
    request: Request,
    options: WriteOptions | undefined,
  ): Promise<Response> {
    const deadlineMs = deadlineMsOf(this.#options, options);
    const metadata = this.#metadata(options?.acknowledgement ?? this.#options.acknowledgement);
    const signal = options?.signal;
    const attempt = async (): Promise<Response> => {
      const channel = channels.choose();
      let response: Response;
      try {
        response = await channel.unary(method, request, { deadlineMs, metadata, signal });
      } catch (cause) {
        throw callErrorOf(cause, channel.target);
      }
      refuseFailure(response, channel.target);
      return response;
    };
    return withRetry(attempt, { policy: retryPolicyOf(this.#options), deadlineMs, signal, mayRetry: mayRepeatRead });
  }
}

/** Servers of this contract may also answer OK and tell of the failure in the body. */
function refuseFailure(response: { readonly success: boolean; readonly error: string }, server: string): void {
  if (!response.success) throw new CallError('ERR', response.error || `${server} answered without success`, false);
}

function readResult({ found, chunk, serverMetrics }: IncomingRead): ReadResult {
  return { found, chunk: found ? chunk : undefined, serverMetrics };
}
