/**
 * kvstore.KVStoreService: prompt blocks.
 *
 *   Lookup          digests of the prompt's blocks → one BLOCK.VERSIONS for all of them → the longest chain → locations
 *   Read            location → BLOCK.GET
 *   Write           chunk → BLOCK.PUT
 *   StreamingRead   the same as Read, many at once, answered in the order of the requests
 *
 * A request that is wrong ends with INVALID_ARGUMENT; inside StreamingRead, where one bad location should not end the
 * others, with success=false and the text in its response.
 */
import { type ChainLink, longestPrefix } from '../../commands/block-chain.ts';
import { blockDigestOfBytes, blockKey, scopeBytes } from '../../commands/block-key.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import type { GrpcDuplex } from '../../grpc/duplex.ts';
import type { ServerMethod } from '../../grpc/method.ts';
import type { ServerCall } from '../../grpc/server-call.ts';
import { grpcErrorOf } from '../../grpc/server-unary.ts';
import {
  blockTokens,
  grpcStreamingReadsMax,
  lookupBlocksPerTurnMax,
  lookupTokensMax,
  partitionKeyBytesMax,
} from '../../limits.ts';
import {
  KVStoreServiceService as definition,
  LookupResponse,
  ReadRequest,
  WriteResponse,
} from '../../protos/generated/kvstore.ts';
import { settle } from '../settle.ts';
import {
  decodeLookup,
  decodeWrite,
  encodeRead,
  type IncomingLookup,
  type IncomingWrite,
  type OutgoingRead,
} from './block-codec.ts';
import { decodeLocation, LocationEncoder, locationScope } from './location.ts';
import { cancellableContextOf, echoRequestId, logFailure, type Serving, serveUnary } from './serving.ts';
import { grpcErrorOfReply, invalidArgument } from './status-of-error.ts';
import { Timing } from './timing.ts';

const lookupMethod: ServerMethod<IncomingLookup, LookupResponse> = {
  path: definition.lookup.path,
  requestDeserialize: decodeLookup,
  responseSerialize: (response) => LookupResponse.encode(response).finish(),
};

const readMethod: ServerMethod<ReadRequest, OutgoingRead> = {
  path: definition.read.path,
  requestDeserialize: (bytes) => ReadRequest.decode(bytes),
  responseSerialize: encodeRead,
};

const writeMethod: ServerMethod<IncomingWrite, WriteResponse> = {
  path: definition.write.path,
  requestDeserialize: decodeWrite,
  responseSerialize: (response) => WriteResponse.encode(response).finish(),
};

export function addBlockService(serving: Serving): void {
  serveUnary(serving, lookupMethod, (request, call) => lookup(serving, request, call));
  serveUnary(serving, readMethod, (request, call) => read(serving, request, call));
  // Of a Write nothing is left but the block when it is in the cache.
  const { memory } = serving;
  serveUnary(serving, { ...writeMethod, memory }, (request, call) => write(serving, request, call));
  serving.server.addBidi({ ...readMethod, path: definition.streamingRead.path }, (stream, call) =>
    streamingRead(serving, stream, call),
  );
}

async function lookup({ executor }: Serving, request: IncomingLookup, call: ServerCall): Promise<LookupResponse> {
  const timing = new Timing();
  checkScope(request);
  checkPartition(request.partitionKey);
  const { tokens, tokenCount, hashes } = request;
  if (tokenCount === 0) throw invalidArgument('tokens list cannot be empty');
  if (tokenCount > lookupTokensMax) {
    throw invalidArgument(`tokens list has ${tokenCount} tokens; at most ${lookupTokensMax} are allowed`);
  }
  const fullBlocks = Math.floor(tokenCount / blockTokens);
  const blocks = hashes.length > 0 ? Math.min(fullBlocks, hashes.length) : fullBlocks;
  if (blocks === 0) return lookupResponse([], [], timing);
  const digests = await digestsOf(scopeBytes(request), tokens, blocks);
  const args = digests.flatMap((digest, block) => [digest, decimal(block)]);
  const reply = await timing.execute(executor, { name: 'BLOCK.VERSIONS', args }, cancellableContextOf(call));
  const chain = longestPrefix(versionsOf(reply), hashes);
  const scope = locationScope(request.accountUrl, request.containerName);
  const encoder = new LocationEncoder(scope, request.partitionKey);
  const locations = chain.map(({ hash, parent }, block) => ({
    hash,
    location: encoder.encode({ digest: digests[block]!, hash, parent }),
  }));
  return lookupResponse(chain, locations, timing);
}

function lookupResponse(
  chain: readonly ChainLink[],
  locations: LookupResponse['locations'],
  timing: Timing,
): LookupResponse {
  return {
    cachedBlocks: chain.length,
    lastHash: chain.at(-1)?.hash ?? 0n,
    locations,
    error: '',
    success: true,
    serverMetrics: timing.metrics(),
  };
}

/** Long prompts in several turns, so that they hold up no one else. */
async function digestsOf(scope: Buffer, tokens: Buffer, blocks: number): Promise<Buffer[]> {
  const digests: Buffer[] = [];
  for (let block = 0; block < blocks; block++) {
    if (block > 0 && block % lookupBlocksPerTurnMax === 0) await new Promise((resolve) => setImmediate(resolve));
    digests.push(blockDigestOfBytes(scope, tokens, block));
  }
  return digests;
}

function versionsOf(reply: Reply): (Buffer | null)[] {
  if (reply instanceof ReplyError) throw grpcErrorOfReply(reply);
  return (reply as Reply[]).map((item) => {
    if (item instanceof ReplyError) throw grpcErrorOfReply(item);
    return item as Buffer | null;
  });
}

function read({ executor }: Serving, request: ReadRequest, call: ServerCall): OutgoingRead | Promise<OutgoingRead> {
  const timing = new Timing();
  checkScope(request);
  if (request.location === '') throw invalidArgument('location is required');
  const decoded = decodeLocation(request.location, locationScope(request.accountUrl, request.containerName));
  if ('fault' in decoded) throw invalidArgument(decoded.fault);
  const command = { name: 'BLOCK.GET', args: [decoded.key] };
  return settle(timing.execute(executor, command, cancellableContextOf(call)), (reply) => {
    if (reply instanceof ReplyError) throw grpcErrorOfReply(reply);
    const metrics = timing.metrics();
    if (reply === null) return { block: undefined, metrics };
    const [meta, body] = reply as [Buffer, Buffer];
    return { block: { meta, body }, metrics };
  });
}

function write(
  { executor }: Serving,
  request: IncomingWrite,
  call: ServerCall,
): WriteResponse | Promise<WriteResponse> {
  const timing = new Timing();
  checkScope(request);
  const { chunk } = request;
  if (!chunk) throw invalidArgument('chunk is required');
  checkPartition(chunk.partitionKey);
  if (chunk.tokenCount === 0) throw invalidArgument('tokens list cannot be empty');
  if (chunk.tokenCount !== blockTokens) {
    throw invalidArgument(`a chunk has ${blockTokens} tokens, not ${chunk.tokenCount}`);
  }
  const { accountUrl, containerName } = request;
  const scope = scopeBytes({ accountUrl, containerName, partitionKey: chunk.partitionKey });
  const key = blockKey(blockDigestOfBytes(scope, chunk.tokens, 0), chunk.hash, chunk.parentHash);
  const command = { name: 'BLOCK.PUT', args: [key, chunk.meta, chunk.body] };
  return settle(timing.execute(executor, command, cancellableContextOf(call)), (reply) => {
    if (reply instanceof ReplyError) throw grpcErrorOfReply(reply);
    return { success: true, error: '', serverMetrics: timing.metrics() };
  });
}

async function streamingRead(
  serving: Serving,
  stream: GrpcDuplex<OutgoingRead, ReadRequest>,
  call: ServerCall,
): Promise<void> {
  echoRequestId(call);
  const answers = new AnswersInOrder(stream);
  for await (const request of stream) {
    answers.add(readInStream(serving, request, call));
    await answers.room();
  }
  await answers.sent();
}

/** Up to `grpcStreamingReadsMax` reads at once, answered in the order of their requests, no faster than they are read. */
class AnswersInOrder {
  readonly #stream: GrpcDuplex<OutgoingRead, ReadRequest>;
  #under = 0;
  #last = Promise.resolve();
  #wake: (() => void) | undefined;

  constructor(stream: GrpcDuplex<OutgoingRead, ReadRequest>) {
    this.#stream = stream;
  }

  add(answer: Promise<OutgoingRead>): void {
    this.#under++;
    this.#last = this.#send(answer, this.#last);
  }

  /** Resolves when one more may begin. */
  room(): Promise<void> {
    if (this.#under < grpcStreamingReadsMax) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  sent(): Promise<void> {
    return this.#last;
  }

  async #send(answer: Promise<OutgoingRead>, before: Promise<void>): Promise<void> {
    const response = await answer;
    await before;
    if (!this.#stream.write(response)) await this.#stream.drained();
    this.#under--;
    this.#wake?.();
  }
}

async function readInStream(serving: Serving, request: ReadRequest, call: ServerCall): Promise<OutgoingRead> {
  try {
    return await read(serving, request, call);
  } catch (error) {
    if (serving.log) logFailure(serving.log, call, error);
    return { block: undefined, metrics: new Timing().metrics(), error: grpcErrorOf(error).details };
  }
}

function checkScope(request: { readonly accountUrl: string; readonly containerName: string }): void {
  if (request.accountUrl === '') throw invalidArgument('account_url is required');
  if (request.containerName === '') throw invalidArgument('container_name is required');
}

function checkPartition(partitionKey: string): void {
  const bytes = Buffer.byteLength(partitionKey);
  if (bytes > partitionKeyBytesMax) {
    throw invalidArgument(`partition_key has ${bytes} bytes; at most ${partitionKeyBytesMax} are allowed`);
  }
}

/** Places in a chain as arguments; the first thousand are made once. */
const decimals = Array.from({ length: 1024 }, (_, number) => Buffer.from(String(number)));

function decimal(number: number): Buffer {
  return decimals[number] ?? Buffer.from(String(number));
}
