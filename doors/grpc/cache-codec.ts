/**
 * kvcache.v1.Cache/Execute from the server's side: commands out of bytes, replies as bytes. Layout:
 * protos/kvcache.proto; the caller's side is client/cache-codec.ts.
 *
 * Arguments are views of the message that they came in; storage copies what it keeps, as it does from every door.
 * Replies go out as a gather list (gather.ts), so that large values are not copied.
 */
import { type Acknowledgement, acknowledgements, type Command } from '../../commands/command.ts';
import { commandNames } from '../../commands/known-names.ts';
import { OK, type Reply, type ReplyError, ReplyMap } from '../../commands/reply.ts';
import type { MessageParts, ServerMethod } from '../../grpc/method.ts';
import { CacheService as service } from '../../protos/generated/kvcache.ts';
import { varintBytes } from '../../protos/varint.ts';
import { bytesTag, varintTag, WireReader } from '../../protos/wire-reader.ts';
import { fieldBytes, Gather, partBytesMin } from './gather.ts';

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

/** Tags of protos/kvcache.proto. */
const requestCommands = bytesTag(1);
const commandName = bytesTag(1);
const commandArguments = bytesTag(2);
const commandAcknowledgement = varintTag(3);

/** Throws KvcacheError ERR for bytes that are no such message. */
export function decodeExecute(bytes: Buffer): IncomingCommand[] {
  const commands: IncomingCommand[] = [];
  const reader = new WireReader(bytes);
  while (!reader.isAtEnd) {
    const tag = reader.u32();
    if (tag === requestCommands) commands.push(decodeCommand(reader));
    else reader.skip(tag);
  }
  return commands;
}

function decodeCommand(reader: WireReader): IncomingCommand {
  const end = reader.end();
  let name = '';
  let acknowledgement: Acknowledgement | undefined;
  let args: Buffer[] | undefined;
  while (reader.at < end) {
    const tag = reader.u32();
    if (tag === commandName) name = reader.textIn(commandNames);
    else if (tag === commandArguments) {
      // An array of just one takes a fifth of the memory of an empty one that is pushed to.
      if (args === undefined) args = [reader.view()];
      else args.push(reader.view());
    }
    // 0, and levels of a newer client, mean the shard's setting.
    else if (tag === commandAcknowledgement) acknowledgement = acknowledgements[reader.u32() - 1];
    else reader.skip(tag);
  }
  return { command: { name, args: args ?? [] }, acknowledgement };
}

/** Field numbers of protos/kvcache.proto. */
const responseReplies = 1;
const indexedIndex = 1;
const indexedReply = 2;
const replyNil = 1;
const replyInteger = 2;
const replyStatus = 3;
const replyBytes = 4;
const replyArray = 5;
const replyMap = 6;
const replyError = 7;
const listItems = 1;
const faultCode = 1;
const faultMessage = 2;

const okBytes = Buffer.from(OK);
/** Room for a reply of a few bytes with its tags, lengths and index. */
const smallReplyBytes = 24;

export function encodeReplies(replies: readonly OutgoingReply[]): MessageParts {
  const gather = new Gather(expectedBytes(replies));
  for (const { index, reply } of replies) {
    const bytes = messageBytes(reply);
    gather.length(responseReplies, indexedBytes(index, bytes)).varint(indexedIndex, index).length(indexedReply, bytes);
    writeReply(gather, reply);
  }
  return gather.finish();
}

/** About what is written that is not a part of its own: one memory for all of it. */
function expectedBytes(replies: readonly OutgoingReply[]): number {
  let bytes = 0;
  for (const { reply } of replies) {
    bytes += smallReplyBytes;
    if (Buffer.isBuffer(reply) && reply.byteLength < partBytesMin) bytes += reply.byteLength;
  }
  return bytes;
}

/** Encoded bytes that a reply adds to a response, for filling responses up to their bound. */
export function encodedReplyBytes({ index, reply }: OutgoingReply): number {
  return fieldBytes(indexedBytes(index, messageBytes(reply)));
}

function indexedBytes(index: number, bytes: number): number {
  return integerFieldBytes(index) + fieldBytes(bytes);
}

/** Length of a `Reply` message. */
function messageBytes(reply: Reply): number {
  if (reply === null) return fieldBytes(0);
  if (typeof reply === 'number' || typeof reply === 'bigint') return integerFieldBytes(zigzag(reply));
  if (typeof reply === 'string') return fieldBytes(reply === OK ? okBytes.byteLength : Buffer.byteLength(reply));
  if (Buffer.isBuffer(reply)) return fieldBytes(reply.byteLength);
  if (Array.isArray(reply)) return fieldBytes(itemsBytes(reply));
  if (reply instanceof ReplyMap) return fieldBytes(itemsBytes(reply.pairs.flat()));
  return fieldBytes(faultBytes(reply));
}

function itemsBytes(items: readonly Reply[]): number {
  return items.reduce<number>((sum, item) => sum + fieldBytes(messageBytes(item)), 0);
}

function faultBytes({ code, message }: ReplyError): number {
  return fieldBytes(Buffer.byteLength(code)) + fieldBytes(Buffer.byteLength(message));
}

function writeReply(gather: Gather, reply: Reply): void {
  if (reply === null) gather.length(replyNil, 0);
  else if (typeof reply === 'number' || typeof reply === 'bigint') gather.varint(replyInteger, zigzag(reply));
  else if (typeof reply === 'string') gather.bytes(replyStatus, reply === OK ? okBytes : Buffer.from(reply, 'utf8'));
  else if (Buffer.isBuffer(reply)) gather.bytes(replyBytes, reply);
  else if (Array.isArray(reply)) writeItems(gather, replyArray, reply);
  else if (reply instanceof ReplyMap) writeItems(gather, replyMap, reply.pairs.flat());
  else {
    gather.length(replyError, faultBytes(reply));
    gather.bytes(faultCode, Buffer.from(reply.code, 'utf8')).bytes(faultMessage, Buffer.from(reply.message, 'utf8'));
  }
}

function writeItems(gather: Gather, field: number, items: readonly Reply[]): void {
  gather.length(field, itemsBytes(items));
  for (const item of items) {
    gather.length(listItems, messageBytes(item));
    writeReply(gather, item);
  }
}

/** sint64: small numbers of either sign become small. Nearly every integer reply needs no BigInt for it. */
function zigzag(value: number | bigint): number | bigint {
  if (typeof value === 'number' && Math.abs(value) < 2 ** 31) return value >= 0 ? value * 2 : -value * 2 - 1;
  const integer = BigInt(value);
  return integer >= 0n ? integer << 1n : (-integer << 1n) - 1n;
}

/** Bytes of an integer field: one of tag, one for each seven bits. */
function integerFieldBytes(value: number | bigint): number {
  if (value < 2 ** 32) return 1 + varintBytes(Number(value));
  let bytes = 2;
  for (let rest = BigInt(value) >> 7n; rest > 0n; rest >>= 7n) bytes++;
  return bytes;
}
