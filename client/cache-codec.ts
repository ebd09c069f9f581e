/**
 * kvcache.v1.Cache/Execute from the caller's side: a batch of commands as bytes, and replies out of bytes.
 *
 * Arguments below `joinedArgumentBytesMax` are copied into the batch's one buffer; larger ones go out as parts of a
 * gather list, uncopied. Replies become the plain values of commands/reply.ts in one pass, without the objects that
 * generated code would make in between; a large value is a view of its message, a small one a copy, so that keeping
 * ten bytes does not keep a whole batch. Layout: protos/kvcache.proto.
 */
import { type Acknowledgement, acknowledgements } from '../commands/command.ts';
import { statusNames } from '../commands/known-names.ts';
import { type Reply, ReplyError, ReplyMap } from '../commands/reply.ts';
import { type ErrorCode, errorCodes, KvcacheError } from '../errors.ts';
import type { ClientMethod, MessageParts } from '../grpc/method.ts';
import { replyDepthMax } from '../limits.ts';
import { CacheService as service } from '../protos/generated/kvcache.ts';
import { varintBytes } from '../protos/varint.ts';
import { bytesTag, varintTag, WireReader } from '../protos/wire-reader.ts';
import { ownedBuffer } from './prompt-codec.ts';

export interface OutgoingCommand {
  readonly name: string;
  readonly args: readonly Uint8Array[];
  readonly acknowledgement: Acknowledgement | undefined;
  /** What `commandBytes` says of it, if that was asked before. */
  readonly bytes?: number;
}

export interface IncomingReply {
  readonly index: number;
  readonly reply: Reply;
}

export const executeMethod: ClientMethod<readonly OutgoingCommand[], IncomingReply[]> = {
  path: service.execute.path,
  requestSerialize: encodeExecute,
  responseDeserialize: decodeReplies,
};

const joinedArgumentBytesMax = 16 * 1024;
/** Tags of protos/kvcache.proto, each of one byte. */
const requestCommandTag = bytesTag(1);
const commandNameTag = bytesTag(1);
const commandArgumentTag = bytesTag(2);
const commandAcknowledgementTag = varintTag(3);

/** Bytes that a command adds to a batch, for filling batches up to their bound. */
export function commandBytes(command: OutgoingCommand): number {
  const bytes = innerBytes(command);
  return 1 + varintBytes(bytes) + bytes;
}

export function encodeExecute(commands: readonly OutgoingCommand[]): MessageParts {
  let joinedBytes = 0;
  for (const command of commands) {
    joinedBytes += command.bytes ?? commandBytes(command);
    for (const arg of command.args) if (arg.byteLength > joinedArgumentBytesMax) joinedBytes -= arg.byteLength;
  }
  const joined = Buffer.allocUnsafe(joinedBytes);
  const parts: Uint8Array[] = [];
  let at = 0;
  let from = 0;
  for (const command of commands) {
    joined[at++] = requestCommandTag;
    at = writeVarint(joined, at, innerBytes(command));
    joined[at++] = commandNameTag;
    at = writeVarint(joined, at, command.name.length);
    at += joined.write(command.name, at, 'latin1');
    for (const arg of command.args) {
      joined[at++] = commandArgumentTag;
      at = writeVarint(joined, at, arg.byteLength);
      if (arg.byteLength > joinedArgumentBytesMax) {
        parts.push(joined.subarray(from, at), arg);
        from = at;
      } else {
        joined.set(arg, at);
        at += arg.byteLength;
      }
    }
    if (command.acknowledgement !== undefined) {
      joined[at++] = commandAcknowledgementTag;
      joined[at++] = acknowledgements.indexOf(command.acknowledgement) + 1;
    }
  }
  if (parts.length === 0) return joined;
  if (at > from) parts.push(joined.subarray(from, at));
  return parts;
}

function innerBytes({ name, args, acknowledgement }: OutgoingCommand): number {
  let bytes = 1 + varintBytes(name.length) + name.length + (acknowledgement === undefined ? 0 : 2);
  for (const arg of args) bytes += 1 + varintBytes(arg.byteLength) + arg.byteLength;
  return bytes;
}

function writeVarint(into: Buffer, from: number, value: number): number {
  let at = from;
  let rest = value;
  while (rest > 0x7f) {
    into[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  into[at++] = rest;
  return at;
}

/** Tags of protos/kvcache.proto. */
const responseReplies = bytesTag(1);
const indexedIndex = varintTag(1);
const indexedReply = bytesTag(2);
const replyInteger = varintTag(2);
const replyStatus = bytesTag(3);
const replyBytes = bytesTag(4);
const replyArray = bytesTag(5);
const replyMap = bytesTag(6);
const replyError = bytesTag(7);
const listItems = bytesTag(1);
const faultCode = bytesTag(1);
const faultMessage = bytesTag(2);

/** Throws KvcacheError ERR for bytes that are no such message. */
export function decodeReplies(bytes: Buffer): IncomingReply[] {
  const replies: IncomingReply[] = [];
  const reader = new WireReader(bytes);
  while (!reader.isAtEnd) {
    const tag = reader.u32();
    if (tag === responseReplies) replies.push(decodeIndexed(reader));
    else reader.skip(tag);
  }
  return replies;
}

function decodeIndexed(reader: WireReader): IncomingReply {
  let index = 0;
  let reply: Reply = null;
  const end = reader.end();
  while (reader.at < end) {
    const tag = reader.u32();
    if (tag === indexedIndex) index = reader.u32();
    else if (tag === indexedReply) reply = decodeReply(reader, 0);
    else reader.skip(tag);
  }
  return { index, reply };
}

function decodeReply(reader: WireReader, depth: number): Reply {
  if (depth > replyDepthMax) throw new KvcacheError('ERR', `a reply nests deeper than ${replyDepthMax} levels`);
  let reply: Reply = null;
  const end = reader.end();
  while (reader.at < end) {
    const tag = reader.u32();
    if (tag === replyBytes) reply = ownedBuffer(reader.view());
    else if (tag === replyStatus) reply = reader.textIn(statusNames);
    else if (tag === replyInteger) reply = reader.sint64();
    else if (tag === replyArray) reply = decodeList(reader, depth);
    else if (tag === replyMap) reply = mapOf(decodeList(reader, depth));
    else if (tag === replyError) reply = decodeFault(reader);
    else reader.skip(tag);
  }
  return reply;
}

function decodeList(reader: WireReader, depth: number): Reply[] {
  const items: Reply[] = [];
  const end = reader.end();
  while (reader.at < end) {
    const tag = reader.u32();
    if (tag === listItems) items.push(decodeReply(reader, depth + 1));
    else reader.skip(tag);
  }
  return items;
}

function mapOf(items: Reply[]): ReplyMap {
  const pairs: [Reply, Reply][] = [];
  for (let index = 0; index + 1 < items.length; index += 2) pairs.push([items[index]!, items[index + 1]!]);
  return new ReplyMap(pairs);
}

function decodeFault(reader: WireReader): ReplyError {
  let code: ErrorCode = 'ERR';
  let message = '';
  const end = reader.end();
  while (reader.at < end) {
    const tag = reader.u32();
    if (tag === faultCode) code = errorCodeOf(reader.text());
    else if (tag === faultMessage) message = reader.text();
    else reader.skip(tag);
  }
  return new ReplyError(code, message);
}

/** A newer server may know codes that this client does not. */
function errorCodeOf(text: string): ErrorCode {
  return Object.hasOwn(errorCodes, text) ? (text as ErrorCode) : 'ERR';
}
