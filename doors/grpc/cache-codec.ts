/**
 * kvcache.v1.Cache/Execute from the server's side: commands out of bytes, replies as bytes. Layout:
 * protos/kvcache.proto; the caller's side is client/cache-codec.ts.
 *
 * Arguments are views of the message that they came in; storage copies what it keeps, as it does from every door.
 * Replies go out as a gather list: bytes of `joinedBytesMax` and more are parts of their own, uncopied.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { type Acknowledgement, acknowledgements, type Command } from '../../commands/command.ts';
import { type Reply, ReplyMap } from '../../commands/reply.ts';
import type { MessageParts, ServerMethod } from '../../grpc/method.ts';
import { CacheService as service } from '../../protos/generated/kvcache.ts';

export interface IncomingCommand {
  readonly command: Command;
  readonly acknowledgement: Acknowledgement | undefined;
}

export interface OutgoingReply {
  /** Of the command in its request. */
  readonly index: number;
  readonly reply: Reply;
}

export const executeMethod: ServerMethod<IncomingCommand[], readonly OutgoingReply[]> = {
  path: service.execute.path,
  requestDeserialize: decodeExecute,
  responseSerialize: encodeReplies,
};

export function decodeExecute(bytes: Buffer): IncomingCommand[] {
  const commands: IncomingCommand[] = [];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.LengthDelimited) commands.push(decodeCommand(reader));
    else reader.skip(wireType, field);
  }
  return commands;
}

function decodeCommand(reader: BinaryReader): IncomingCommand {
  const end = reader.uint32() + reader.pos;
  if (end > reader.len) throw new RangeError('a command ends before its announced length');
  let name = '';
  let acknowledgement: Acknowledgement | undefined;
  const args: Buffer[] = [];
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.LengthDelimited) name = reader.string();
    else if (field === 2 && wireType === WireType.LengthDelimited) args.push(asBuffer(reader.bytes()));
    // 0, and levels of a newer client, mean the shard's setting.
    else if (field === 3 && wireType === WireType.Varint) acknowledgement = acknowledgements[reader.int32() - 1];
    else reader.skip(wireType, field);
  }
  return { command: { name, args }, acknowledgement };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const joinedBytesMax = 16 * 1024;

/** One-byte tags: (field << 3) | wire type. */
const responseReplyTag = 0x0a;
const indexTag = 0x08;
const replyTag = 0x12;
const nilTag = 0x0a;
const integerTag = 0x10;
const statusTag = 0x1a;
const bytesTag = 0x22;
const arrayTag = 0x2a;
const mapTag = 0x32;
const errorTag = 0x3a;
const itemTag = 0x0a;
const faultCodeTag = 0x0a;
const faultMessageTag = 0x12;

export function encodeReplies(replies: readonly OutgoingReply[]): MessageParts {
  const measured = replies.map(({ index, reply }) => ({ index, reply, bytes: replyMessageBytes(reply) }));
  let joinedBytes = 0;
  for (const { index, reply, bytes } of measured) {
    joinedBytes += lengthDelimitedBytes(indexedBytes(index, bytes)) - separateBytes(reply);
  }
  const writer = new GatherWriter(joinedBytes);
  for (const { index, reply, bytes } of measured) {
    writer.header(responseReplyTag, indexedBytes(index, bytes));
    writer.header(indexTag, index);
    writer.header(replyTag, bytes);
    writeReply(writer, reply);
  }
  return writer.parts();
}

/** Encoded bytes that a reply adds to a response, for filling responses up to their bound. */
export function encodedReplyBytes({ index, reply }: OutgoingReply): number {
  return lengthDelimitedBytes(indexedBytes(index, replyMessageBytes(reply)));
}

function indexedBytes(index: number, replyBytes: number): number {
  return 1 + varintBytes(index) + lengthDelimitedBytes(replyBytes);
}

/** Length of a `Reply` message. */
function replyMessageBytes(reply: Reply): number {
  if (reply === null) return 2;
  if (isSmallInteger(reply)) return 1 + varintBytes(smallZigzag(reply));
  if (typeof reply === 'number' || typeof reply === 'bigint') return 1 + varint64Bytes(zigzag(reply));
  if (typeof reply === 'string') return lengthDelimitedBytes(Buffer.byteLength(reply));
  if (Buffer.isBuffer(reply)) return lengthDelimitedBytes(reply.byteLength);
  if (Array.isArray(reply)) return lengthDelimitedBytes(itemsBytes(reply));
  if (reply instanceof ReplyMap) return lengthDelimitedBytes(itemsBytes(reply.pairs.flat()));
  return lengthDelimitedBytes(faultBytes(reply.code, reply.message));
}

function itemsBytes(items: readonly Reply[]): number {
  return items.reduce<number>((sum, item) => sum + lengthDelimitedBytes(replyMessageBytes(item)), 0);
}

function faultBytes(code: string, message: string): number {
  return lengthDelimitedBytes(Buffer.byteLength(code)) + lengthDelimitedBytes(Buffer.byteLength(message));
}

/** Bytes of a reply that become parts of their own. */
function separateBytes(reply: Reply): number {
  if (Buffer.isBuffer(reply)) return reply.byteLength > joinedBytesMax ? reply.byteLength : 0;
  const items = Array.isArray(reply) ? reply : reply instanceof ReplyMap ? reply.pairs.flat() : [];
  return items.reduce<number>((sum, item) => sum + separateBytes(item), 0);
}

function writeReply(writer: GatherWriter, reply: Reply): void {
  if (reply === null) writer.header(nilTag, 0);
  else if (isSmallInteger(reply)) writer.header(integerTag, smallZigzag(reply));
  else if (typeof reply === 'number' || typeof reply === 'bigint') writer.integer(integerTag, zigzag(reply));
  else if (typeof reply === 'string') writer.text(statusTag, reply);
  else if (Buffer.isBuffer(reply)) writer.bytes(bytesTag, reply);
  else if (Array.isArray(reply)) writeItems(writer, arrayTag, reply);
  else if (reply instanceof ReplyMap) writeItems(writer, mapTag, reply.pairs.flat());
  else {
    writer.header(errorTag, faultBytes(reply.code, reply.message));
    writer.text(faultCodeTag, reply.code);
    writer.text(faultMessageTag, reply.message);
  }
}

function writeItems(writer: GatherWriter, tag: number, items: readonly Reply[]): void {
  writer.header(tag, itemsBytes(items));
  for (const item of items) {
    writer.header(itemTag, replyMessageBytes(item));
    writeReply(writer, item);
  }
}

/** Writes into one buffer of a size known before, and puts large bytes between its pieces. */
class GatherWriter {
  readonly #joined: Buffer;
  readonly #parts: Uint8Array[] = [];
  #at = 0;
  #from = 0;

  constructor(joinedBytes: number) {
    this.#joined = Buffer.allocUnsafe(joinedBytes);
  }

  /** A tag and a number below 2^32: a length or a small integer. */
  header(tag: number, value: number): void {
    this.#joined[this.#at++] = tag;
    let rest = value;
    while (rest > 0x7f) {
      this.#joined[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#joined[this.#at++] = rest;
  }

  integer(tag: number, value: bigint): void {
    this.#joined[this.#at++] = tag;
    let rest = value;
    while (rest > 0x7fn) {
      this.#joined[this.#at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#joined[this.#at++] = Number(rest);
  }

  text(tag: number, text: string): void {
    this.header(tag, Buffer.byteLength(text));
    this.#at += this.#joined.write(text, this.#at, 'utf8');
  }

  bytes(tag: number, bytes: Buffer): void {
    this.header(tag, bytes.byteLength);
    if (bytes.byteLength > joinedBytesMax) {
      this.#parts.push(this.#joined.subarray(this.#from, this.#at), bytes);
      this.#from = this.#at;
    } else {
      this.#at += bytes.copy(this.#joined, this.#at);
    }
  }

  parts(): MessageParts {
    if (this.#parts.length === 0) return this.#joined;
    if (this.#at > this.#from) this.#parts.push(this.#joined.subarray(this.#from, this.#at));
    return this.#parts;
  }
}

/** Nearly every integer reply: encoded without a BigInt. */
function isSmallInteger(reply: Reply): reply is number {
  return typeof reply === 'number' && Math.abs(reply) < 2 ** 30;
}

function smallZigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

/** sint64: small numbers of either sign become small. */
function zigzag(value: number | bigint): bigint {
  const integer = BigInt(value);
  return integer >= 0n ? integer << 1n : (-integer << 1n) - 1n;
}

function lengthDelimitedBytes(bytes: number): number {
  return 1 + varintBytes(bytes) + bytes;
}

function varintBytes(value: number): number {
  return Math.max(1, Math.ceil((32 - Math.clz32(value)) / 7));
}

function varint64Bytes(value: bigint): number {
  const high = Number(value >> 32n);
  return high === 0 ? varintBytes(Number(value)) : Math.ceil((64 - Math.clz32(high)) / 7);
}
