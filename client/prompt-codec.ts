/**
 * The messages of kvstore.KVStoreService that carry tokens or buffers, as bytes and back, without copying a buffer.
 *
 * A WriteRequest goes out as a gather list: everything small in one part, then the block's buffer itself. A
 * ReadResponse's buffer is a view of the message that it came in, which the transport allotted to that message alone.
 * Tokens are packed straight from 32-bit halves. The generated code would copy every buffer once more in each
 * direction and make a BigInt of every token; it stays the reference that the tests compare with, and still encodes
 * everything that is small.
 */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { ClientMethod, MessageParts } from '../grpc/method.ts';
import {
  KVStoreServiceService as service,
  LookupRequest,
  LookupResponse,
  PromptChunk,
  ReadRequest,
  ServerMetrics,
  WriteRequest,
  WriteResponse,
} from '../protos/generated/kvstore.ts';
import { highHalfAt, lowHalfAt, tokenHalves } from './tokens.ts';

/** A block on its way to the server; tokens are its 128. */
export interface OutgoingChunk {
  readonly hash: bigint;
  readonly parentHash: bigint;
  readonly partitionKey: string;
  readonly completionId: string;
  readonly tokens: BigInt64Array;
  readonly buffer: Uint8Array;
}

export interface OutgoingWrite {
  readonly accountUrl: string;
  readonly containerName: string;
  readonly chunk: OutgoingChunk;
}

export interface OutgoingLookup {
  readonly accountUrl: string;
  readonly containerName: string;
  readonly partitionKey: string;
  readonly completionId: string;
  readonly tokens: BigInt64Array;
  readonly hashes: readonly bigint[];
}

/** A block as a read gives it. `buffer` belongs to the receiver. */
export interface IncomingChunk {
  hash: bigint;
  parentHash: bigint;
  partitionKey: string;
  completionId: string;
  tokens: BigInt64Array;
  buffer: Buffer;
}

export interface IncomingRead {
  found: boolean;
  chunk: IncomingChunk | undefined;
  error: string;
  success: boolean;
  serverMetrics: ServerMetrics | undefined;
}

export const lookupMethod: ClientMethod<OutgoingLookup, LookupResponse> = {
  path: service.lookup.path,
  requestSerialize: encodeLookup,
  responseDeserialize: (bytes) => LookupResponse.decode(bytes),
};

export const readMethod: ClientMethod<ReadRequest, IncomingRead> = {
  path: service.read.path,
  requestSerialize: (request) => ReadRequest.encode(request).finish(),
  responseDeserialize: decodeRead,
};

export const streamingReadMethod: ClientMethod<ReadRequest, IncomingRead> = {
  ...readMethod,
  path: service.streamingRead.path,
};

export const writeMethod: ClientMethod<OutgoingWrite, WriteResponse> = {
  path: service.write.path,
  requestSerialize: encodeWrite,
  responseDeserialize: (bytes) => WriteResponse.decode(bytes),
};

/** Field numbers as in protos/kvstore.proto. */
const lookupTokensField = 5;
const lookupHashesField = 6;
const writeChunkField = 3;
const chunkBufferField = 4;
const chunkTokensField = 5;

export function encodeLookup(lookup: OutgoingLookup): MessageParts {
  const { tokens, hashes, ...fields } = lookup;
  const head = LookupRequest.encode({ ...fields, tokens: [], precomputedHashes: [] });
  const packed = packTokens(tokens);
  head.uint32(tagOf(lookupTokensField, WireType.LengthDelimited)).uint32(packed.byteLength);
  const tail = new BinaryWriter();
  if (hashes.length > 0) {
    tail.uint32(tagOf(lookupHashesField, WireType.LengthDelimited)).fork();
    for (const hash of hashes) tail.uint64(hash);
    tail.join();
  }
  return hashes.length > 0 ? [head.finish(), packed, tail.finish()] : [head.finish(), packed];
}

export function encodeWrite({ accountUrl, containerName, chunk }: OutgoingWrite): MessageParts {
  const { buffer, tokens, ...fields } = chunk;
  const chunkHead = PromptChunk.encode({ ...fields, buffer: Buffer.alloc(0), tokens: [] });
  const packed = packTokens(tokens);
  chunkHead.uint32(tagOf(chunkTokensField, WireType.LengthDelimited)).bytes(packed);
  // An empty buffer is the field's default and not written, but a tag with length 0 means the same.
  chunkHead.uint32(tagOf(chunkBufferField, WireType.LengthDelimited)).uint32(buffer.byteLength);
  const chunkBytes = chunkHead.finish();
  const head = WriteRequest.encode({ accountUrl, containerName, chunk: undefined });
  head.uint32(tagOf(writeChunkField, WireType.LengthDelimited)).uint32(chunkBytes.byteLength + buffer.byteLength);
  return [Buffer.concat([head.finish(), chunkBytes]), buffer];
}

export function decodeRead(bytes: Buffer): IncomingRead {
  const read: IncomingRead = { found: false, chunk: undefined, error: '', success: false, serverMetrics: undefined };
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.Varint) read.found = reader.bool();
    else if (field === 2 && wireType === WireType.LengthDelimited) read.chunk = decodeChunk(reader.bytes());
    else if (field === 3 && wireType === WireType.LengthDelimited) read.error = reader.string();
    else if (field === 4 && wireType === WireType.Varint) read.success = reader.bool();
    else if (field === 5 && wireType === WireType.LengthDelimited) {
      read.serverMetrics = ServerMetrics.decode(reader.bytes());
    } else reader.skip(wireType, field);
  }
  return read;
}

function decodeChunk(bytes: Uint8Array): IncomingChunk {
  const chunk: IncomingChunk = {
    hash: 0n,
    parentHash: 0n,
    partitionKey: '',
    completionId: '',
    tokens: new BigInt64Array(0),
    buffer: Buffer.alloc(0),
  };
  const reader = new BinaryReader(bytes);
  const tokens: bigint[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.Varint) chunk.hash = BigInt(reader.uint64());
    else if (field === 2 && wireType === WireType.LengthDelimited) chunk.partitionKey = reader.string();
    else if (field === 3 && wireType === WireType.Varint) chunk.parentHash = BigInt(reader.uint64());
    else if (field === 4 && wireType === WireType.LengthDelimited) chunk.buffer = ownedBuffer(reader.bytes());
    else if (field === 5) decodeTokens(reader, wireType, tokens);
    else if (field === 6 && wireType === WireType.LengthDelimited) chunk.completionId = reader.string();
    else reader.skip(wireType, field);
  }
  chunk.tokens = BigInt64Array.from(tokens);
  return chunk;
}

/** Packed or one by one: a decoder of repeated numbers must take both. */
function decodeTokens(reader: BinaryReader, wireType: WireType, into: bigint[]): void {
  if (wireType === WireType.Varint) {
    into.push(BigInt(reader.int64()));
    return;
  }
  const packed = new BinaryReader(reader.bytes());
  while (packed.pos < packed.len) into.push(BigInt(packed.int64()));
}

/** The tokens as varints, one after the other. */
function packTokens(tokens: BigInt64Array): Buffer {
  const halves = tokenHalves(tokens);
  let bytes = 0;
  for (let index = 0; index < tokens.length; index++) {
    bytes += varintBytes(halves[lowHalfAt(index)]!, halves[highHalfAt(index)]!);
  }
  const packed = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (let index = 0; index < tokens.length; index++) {
    let low = halves[lowHalfAt(index)]!;
    let high = halves[highHalfAt(index)]!;
    while (high > 0 || low > 0x7f) {
      packed[at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    packed[at++] = low;
  }
  return packed;
}

/** How long the varint of a 64-bit number is: one byte for each seven bits, 1 to 10. */
function varintBytes(low: number, high: number): number {
  const bits = high > 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(low);
  return Math.max(1, Math.ceil(bits / 7));
}

function tagOf(field: number, wireType: WireType): number {
  return (field << 3) | wireType;
}

/** A view where nearly all of the memory behind it is the value; else a copy, so that a small value pins nothing. */
export function ownedBuffer(bytes: Uint8Array): Buffer {
  const spare = bytes.buffer.byteLength - bytes.byteLength;
  return spare <= bytes.byteLength ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) : Buffer.from(bytes);
}
