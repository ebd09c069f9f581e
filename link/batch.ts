/**
 * The packed batch: what one frame of the link carries, commands up or replies down. All numbers are big-endian.
 *
 *   batch      version u8 = 1 · kind u8 (1 commands, 2 replies) · zero u16 · count u32 · items
 *
 *   command    id u32             names the command within its link until it is answered
 *              remaining u32      milliseconds until nobody waits for the answer
 *              epoch u32          the topology epoch by which the shard was chosen, 0xffffffff for none
 *              acknowledgement u8 0 the shard's setting, 1 memory, 2 disk, 3 blob
 *              name               length u8 · ASCII
 *              arguments          count u32 · for each: length u32 · bytes, or 0xffffffff · upload u32 for one that
 *                                 came ahead in pieces (upload-piece.ts)
 *
 *   reply      id u32 · value
 *   value      0 nil
 *              1 integer          f64, exact for safe integers
 *              2 big integer      length u32 · decimal ASCII
 *              3 status           length u32 · UTF-8
 *              4 bytes            length u32 · bytes
 *              5 array            count u32 · values
 *              6 map              count u32 · for each: value · value
 *              7 error            code: length u8 · ASCII; message: length u32 · UTF-8
 *
 * Deadlines travel as time left, so that the clocks of two machines need not agree. Lengths are checked against what is
 * there before anything is kept; a frame that is not well formed is refused with KvcacheError ERR as a whole.
 *
 * Memory. The writer copies small values and hands large ones on as they stand, so its result is a list of parts. The
 * reader gives out views of the frame. Whoever keeps a value makes its memory its own: the hot tier copies small ones
 * into its slabs, and takes a large one as it is where the frame holds hardly anything else, which is why large values
 * travel in frames of their own. Between frame and hot tier a value lives for milliseconds, with its neighbours.
 *
 * Rejected: copying what a write will keep while it is decoded, which costs four times the rest of the decoding and
 * would be done again by the hot tier; protobuf messages for commands and replies, which cost an object and several closures a field; compact
 * varints, which save three bytes where a key alone is fifty.
 */
import { type Acknowledgement, acknowledgements, type Command } from '../commands/command.ts';
import { commandNames, statusNames } from '../commands/known-names.ts';
import { isBytes, type Reply, ReplyError, ReplyMap } from '../commands/reply.ts';
import { type ErrorCode, errorCodes } from '../errors.ts';
import { commandArgumentsMax, linkBigintCharsMax, linkReplyDepthMax, linkReplyItemsMax } from '../limits.ts';
import { type FrameKind, frameKinds, readFrameHead, writeFrameHead } from './frame-head.ts';
import { malformed, PartReader, PartWriter } from './parts.ts';

const countOffset = 4;
const headerBytes = 8;
const noEpoch = 0xffff_ffff;
/** In the place of an argument's length. */
const uploaded = 0xffff_ffff;
const commandHeadBytes = 18;
const replyBytesMin = 5;

const tag = { nil: 0, integer: 1, big: 2, status: 3, bytes: 4, array: 5, map: 6, error: 7 } as const;

/** A command as it came over the link. Serves as the `Command` itself, to save an object for each. */
export interface LinkCommand extends Command {
  readonly id: number;
  readonly remainingMs: number;
  readonly epoch: number | undefined;
  readonly acknowledgement: Acknowledgement | undefined;
}

/** An argument that came ahead: its place in the command, and its name on the link. */
export interface UploadedArgument {
  readonly argument: number;
  readonly id: number;
}

/** Bytes that a command takes in a batch, all its arguments with it. */
export function commandBytes(command: Command): number {
  let bytes = commandHeadBytes + command.name.length;
  for (const argument of command.args) bytes += 4 + argument.byteLength;
  return bytes;
}

/** Collects commands into one batch. */
export class CommandBatch {
  readonly #writer: PartWriter;
  #count = 0;

  constructor(bytesExpected: number) {
    this.#writer = batchWriter(frameKinds.commands, bytesExpected);
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#writer.bytes;
  }

  add(
    id: number,
    command: Command,
    remainingMs: number,
    epoch: number | undefined,
    acknowledgement: Acknowledgement | undefined,
    upload?: UploadedArgument,
  ): void {
    const writer = this.#writer;
    writer.u32(id);
    writer.u32(remainingMs);
    writer.u32(epoch ?? noEpoch);
    writer.u8(acknowledgement === undefined ? 0 : acknowledgements.indexOf(acknowledgement) + 1);
    writer.u8(command.name.length);
    writer.latin1(command.name);
    writer.u32(command.args.length);
    for (let index = 0; index < command.args.length; index++) {
      if (index === upload?.argument) {
        writer.u32(uploaded);
        writer.u32(upload.id);
      } else {
        const argument = command.args[index]!;
        writer.u32(argument.byteLength);
        writer.bytesOf(argument);
      }
    }
    this.#count += 1;
  }

  finish(): Buffer[] {
    this.#writer.patchU32(countOffset, this.#count);
    return this.#writer.finish();
  }
}

/** Collects replies into one batch. */
export class ReplyBatch {
  readonly #writer: PartWriter;
  #count = 0;

  constructor(bytesExpected: number) {
    this.#writer = batchWriter(frameKinds.replies, bytesExpected);
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#writer.bytes;
  }

  add(id: number, reply: Reply): void {
    this.#writer.u32(id);
    writeReply(this.#writer, reply, 0);
    this.#count += 1;
  }

  finish(): Buffer[] {
    this.#writer.patchU32(countOffset, this.#count);
    return this.#writer.finish();
  }
}

/**
 * The commands of a batch. Throws KvcacheError ERR, and gives none, if any part of it is malformed. `takeUpload` gives
 * the arguments that came ahead.
 */
export function decodeCommands(batch: Buffer, takeUpload: (id: number) => Buffer = noUploads): LinkCommand[] {
  const reader = new PartReader(batch);
  const count = readHeader(reader, frameKinds.commands, commandHeadBytes);
  const commands: LinkCommand[] = [];
  for (let index = 0; index < count; index++) commands.push(readCommand(reader, takeUpload));
  reader.end();
  return commands;
}

/** Hands out the replies of a batch in order. Throws KvcacheError ERR at the first malformed byte. */
export function decodeReplies(batch: Buffer, deliver: (id: number, reply: Reply) => void): void {
  const reader = new PartReader(batch);
  const count = readHeader(reader, frameKinds.replies, replyBytesMin);
  for (let index = 0; index < count; index++) {
    const id = reader.u32();
    deliver(id, readReply(reader, 0));
  }
  reader.end();
}

function noUploads(id: number): never {
  throw malformed(`it refers to upload ${id}, and nothing comes ahead here`);
}

function batchWriter(kind: FrameKind, bytesExpected: number): PartWriter {
  const writer = new PartWriter(headerBytes + bytesExpected);
  writeFrameHead(writer, kind);
  writer.u32(0);
  return writer;
}

function readHeader(reader: PartReader, kind: FrameKind, itemBytesMin: number): number {
  readFrameHead(reader, kind);
  return reader.count(itemBytesMin, Infinity);
}

function readCommand(reader: PartReader, takeUpload: (id: number) => Buffer): LinkCommand {
  const id = reader.u32();
  const remainingMs = reader.u32();
  const epoch = reader.u32();
  const level = reader.u8();
  if (level > acknowledgements.length) throw malformed(`acknowledgement ${level}`);
  const nameBytes = reader.u8();
  const name = reader.nameIn(commandNames, nameBytes) ?? reader.latin1(nameBytes);
  const count = reader.count(4, commandArgumentsMax);
  // An array of just one takes a fifth of the memory of an empty one that is pushed to.
  const args = count === 0 ? [] : [readArgument(reader, takeUpload)];
  for (let index = 1; index < count; index++) args.push(readArgument(reader, takeUpload));
  return {
    name,
    args,
    id,
    remainingMs,
    epoch: epoch === noEpoch ? undefined : epoch,
    acknowledgement: level === 0 ? undefined : acknowledgements[level - 1],
  };
}

function readArgument(reader: PartReader, takeUpload: (id: number) => Buffer): Buffer {
  const length = reader.u32();
  return length === uploaded ? takeUpload(reader.u32()) : reader.view(length);
}

function writeReply(writer: PartWriter, reply: Reply, depth: number): void {
  if (reply === null) writer.u8(tag.nil);
  else if (typeof reply === 'number') {
    writer.u8(tag.integer);
    writer.f64(reply);
  } else if (typeof reply === 'string') {
    writer.u8(tag.status);
    writer.utf8(reply);
  } else if (typeof reply === 'bigint') writeBigint(writer, reply);
  else if (isBytes(reply)) {
    writer.u8(tag.bytes);
    writer.u32(reply.byteLength);
    writer.bytesOf(reply);
  } else if (reply instanceof ReplyError) writeError(writer, reply);
  else if (depth >= linkReplyDepthMax) {
    writeError(writer, new ReplyError('ERR', `the reply is nested deeper than ${linkReplyDepthMax}`));
  } else if (reply instanceof ReplyMap) {
    writer.u8(tag.map);
    writer.u32(reply.pairs.length);
    for (const [key, value] of reply.pairs) {
      writeReply(writer, key, depth + 1);
      writeReply(writer, value, depth + 1);
    }
  } else {
    writer.u8(tag.array);
    writer.u32(reply.length);
    for (const item of reply) writeReply(writer, item, depth + 1);
  }
}

function writeBigint(writer: PartWriter, value: bigint): void {
  const digits = value.toString();
  if (digits.length > linkBigintCharsMax) {
    writeError(writer, new ReplyError('ERR', `an integer of the reply is longer than ${linkBigintCharsMax} digits`));
    return;
  }
  writer.u8(tag.big);
  writer.u32(digits.length);
  writer.latin1(digits);
}

function writeError(writer: PartWriter, error: ReplyError): void {
  writer.u8(tag.error);
  writer.u8(error.code.length);
  writer.latin1(error.code);
  writer.utf8(error.message);
}

function readReply(reader: PartReader, depth: number): Reply {
  const kind = reader.u8();
  switch (kind) {
    case tag.nil:
      return null;
    case tag.integer:
      return reader.f64();
    case tag.big:
      return readBigint(reader);
    case tag.status:
      return readStatus(reader);
    case tag.bytes:
      return reader.view(reader.u32());
    case tag.array:
      return readArray(reader, deeper(depth));
    case tag.map:
      return readMap(reader, deeper(depth));
    case tag.error:
      return readError(reader);
    default:
      throw malformed(`a reply of kind ${kind}`);
  }
}

function readStatus(reader: PartReader): string {
  const length = reader.u32();
  return reader.nameIn(statusNames, length) ?? reader.utf8(length);
}

function deeper(depth: number): number {
  if (depth >= linkReplyDepthMax) throw malformed(`replies nested deeper than ${linkReplyDepthMax}`);
  return depth + 1;
}

function readArray(reader: PartReader, depth: number): Reply[] {
  const count = reader.count(1, linkReplyItemsMax);
  const items: Reply[] = [];
  for (let index = 0; index < count; index++) items.push(readReply(reader, depth));
  return items;
}

function readMap(reader: PartReader, depth: number): ReplyMap {
  const count = reader.count(2, linkReplyItemsMax);
  const pairs: [Reply, Reply][] = [];
  for (let index = 0; index < count; index++) pairs.push([readReply(reader, depth), readReply(reader, depth)]);
  return new ReplyMap(pairs);
}

function readBigint(reader: PartReader): bigint {
  const length = reader.u32();
  if (length > linkBigintCharsMax) throw malformed(`an integer of ${length} digits`);
  const digits = reader.latin1(length);
  if (!/^-?[0-9]+$/.test(digits)) throw malformed('an integer that is not decimal');
  return BigInt(digits);
}

/** A code of a later version becomes ERR; its message still says what happened. */
function readError(reader: PartReader): ReplyError {
  const code = reader.latin1(reader.u8());
  const message = reader.utf8(reader.u32());
  return new ReplyError(Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : 'ERR', message);
}
