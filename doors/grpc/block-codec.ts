/**
 * The messages of kvstore.KVStoreService that carry tokens or buffers, from the server's side, without copying a
 * buffer. Their layout is protos/kvstore.proto's; tests hold them against the generated code.
 *
 * A written block is kept in two pieces, each of them bytes of its message as they came:
 *
 *   meta   the PromptChunk without its buffer field: hash, keys, tokens, and fields that we do not know
 *   body   the buffer
 *
 * so a Read is answered by putting them side by side again, and the body goes from storage to the socket as it lies.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { MessageParts } from '../../grpc/method.ts';
import { lookupTokensMax } from '../../limits.ts';
import { ReadResponse, ServerMetrics } from '../../protos/generated/kvstore.ts';
import { countVarints, TokenBytes } from './token-bytes.ts';

/** A LookupRequest. `tokens` are 8 big-endian bytes each. */
export interface IncomingLookup {
  accountUrl: string;
  containerName: string;
  partitionKey: string;
  completionId: string;
  tokens: Buffer;
  tokenCount: number;
  hashes: bigint[];
}

/** A PromptChunk as it is stored. */
export interface IncomingChunk {
  hash: bigint;
  parentHash: bigint;
  partitionKey: string;
  tokens: Buffer;
  tokenCount: number;
  meta: Buffer;
  body: Buffer;
}

export interface IncomingWrite {
  accountUrl: string;
  containerName: string;
  chunk: IncomingChunk | undefined;
}

/** A ReadResponse; `block` is what was stored, undefined for a miss. With an `error` the read did not succeed. */
export interface OutgoingRead {
  readonly error?: string | undefined;
  readonly block: { readonly meta: Buffer; readonly body: Buffer } | undefined;
  readonly metrics: ServerMetrics;
}

const nothing = Buffer.alloc(0);

/** Beyond `lookupTokensMax` tokens are counted but not kept: the service refuses the request by its count. */
export function decodeLookup(bytes: Buffer): IncomingLookup {
  const lookup: IncomingLookup = {
    accountUrl: '',
    containerName: '',
    partitionKey: '',
    completionId: '',
    tokens: nothing,
    tokenCount: 0,
    hashes: [],
  };
  const tokens = new TokenBytes();
  let tokensLeftOut = 0;
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const delimited = wireType === WireType.LengthDelimited;
    if (field === 1 && delimited) lookup.accountUrl = reader.string();
    else if (field === 2 && delimited) lookup.containerName = reader.string();
    else if (field === 3 && delimited) lookup.partitionKey = reader.string();
    else if (field === 4 && delimited) lookup.completionId = reader.string();
    else if (field === 5 && delimited) {
      const packed = reader.bytes();
      const count = countVarints(packed);
      if (tokens.count + count <= lookupTokensMax) tokens.addPacked(packed, count);
      else tokensLeftOut += count;
    } else if (field === 5 && wireType === WireType.Varint) tokens.addOne(BigInt(reader.int64()));
    else if (field === 6 && delimited) {
      const end = reader.uint32() + reader.pos;
      while (reader.pos < end) lookup.hashes.push(BigInt(reader.uint64()));
    } else if (field === 6 && wireType === WireType.Varint) lookup.hashes.push(BigInt(reader.uint64()));
    else reader.skip(wireType, field);
  }
  lookup.tokens = tokens.bytes;
  lookup.tokenCount = tokens.count + tokensLeftOut;
  return lookup;
}

export function decodeWrite(bytes: Buffer): IncomingWrite {
  const write: IncomingWrite = { accountUrl: '', containerName: '', chunk: undefined };
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const delimited = wireType === WireType.LengthDelimited;
    if (field === 1 && delimited) write.accountUrl = reader.string();
    else if (field === 2 && delimited) write.containerName = reader.string();
    else if (field === 3 && delimited) {
      const length = reader.uint32();
      const from = reader.pos;
      if (from + length > bytes.byteLength) throw new RangeError('a chunk ends before its announced length');
      // A field that comes twice means its parts merged; no client does that, and the last one counts.
      write.chunk = decodeChunk(bytes.subarray(from, from + length));
      reader.pos = from + length;
    } else reader.skip(wireType, field);
  }
  return write;
}

function decodeChunk(bytes: Buffer): IncomingChunk {
  const chunk: IncomingChunk = {
    hash: 0n,
    parentHash: 0n,
    partitionKey: '',
    tokens: nothing,
    tokenCount: 0,
    meta: nothing,
    body: nothing,
  };
  const tokens = new TokenBytes();
  const kept: Buffer[] = [];
  let keptFrom = 0;
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const at = reader.pos;
    const [field, wireType] = reader.tag();
    const delimited = wireType === WireType.LengthDelimited;
    if (field === 1 && wireType === WireType.Varint) chunk.hash = BigInt(reader.uint64());
    else if (field === 2 && delimited) chunk.partitionKey = reader.string();
    else if (field === 3 && wireType === WireType.Varint) chunk.parentHash = BigInt(reader.uint64());
    else if (field === 4 && delimited) {
      chunk.body = viewOf(reader.bytes());
      kept.push(bytes.subarray(keptFrom, at));
      keptFrom = reader.pos;
    } else if (field === 5 && delimited) {
      const packed = reader.bytes();
      tokens.addPacked(packed, countVarints(packed));
    } else if (field === 5 && wireType === WireType.Varint) tokens.addOne(BigInt(reader.int64()));
    else reader.skip(wireType, field);
  }
  kept.push(bytes.subarray(keptFrom));
  chunk.meta = ownedConcat(kept);
  chunk.tokens = tokens.bytes;
  chunk.tokenCount = tokens.count;
  return chunk;
}

/** A few hundred bytes that are kept: of their own, not a view that holds the whole message. */
function ownedConcat(parts: readonly Buffer[]): Buffer {
  const all = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) at += part.copy(all, at);
  return all;
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** One-byte tags: (field << 3) | wire type. */
const foundTag = 0x08;
const chunkTag = 0x12;
const successTag = 0x20;
const metricsTag = 0x2a;
const bufferTag = 0x22;
const lengthBytesMax = 5;

/** success, metrics, found, and last the chunk, whose last field is the buffer: [everything else, body]. */
export function encodeRead({ block, metrics, error }: OutgoingRead): MessageParts {
  if (error !== undefined) {
    const failed = { found: false, chunk: undefined, error, success: false, serverMetrics: metrics };
    return ReadResponse.encode(failed).finish();
  }
  const timings = ServerMetrics.encode(metrics).finish();
  const meta = block?.meta ?? nothing;
  const head = Buffer.allocUnsafe(6 + 2 * (1 + lengthBytesMax) + lengthBytesMax + timings.byteLength + meta.byteLength);
  let at = 0;
  head[at++] = successTag;
  head[at++] = 1;
  head[at++] = metricsTag;
  at = writeLength(head, at, timings.byteLength);
  head.set(timings, at);
  at += timings.byteLength;
  if (!block) return head.subarray(0, at);
  const { body } = block;
  head[at++] = foundTag;
  head[at++] = 1;
  head[at++] = chunkTag;
  const bufferField = body.byteLength === 0 ? 0 : 1 + lengthOfLength(body.byteLength) + body.byteLength;
  at = writeLength(head, at, meta.byteLength + bufferField);
  at += meta.copy(head, at);
  if (body.byteLength === 0) return head.subarray(0, at);
  head[at++] = bufferTag;
  at = writeLength(head, at, body.byteLength);
  return [head.subarray(0, at), body];
}

function writeLength(target: Buffer, from: number, length: number): number {
  let at = from;
  let rest = length;
  while (rest > 0x7f) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

function lengthOfLength(length: number): number {
  let bytes = 1;
  for (let rest = length >>> 7; rest > 0; rest >>>= 7) bytes++;
  return bytes;
}
