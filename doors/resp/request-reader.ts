/**
 * Requests of Redis' protocol out of the chunks of one connection.
 *
 *   *2\r\n $3\r\nGET\r\n $1\r\nk\r\n      an array of bulk strings
 *   GET k\r\n                             inline: a line of words (inline-command.ts)
 *
 * A chunk is handed over with `feed`, and `next` takes one request after the other out of it until it says `more`; what
 * is left of a chunk waits, so a connection can stop in the middle of a pipeline. Every byte is looked at once, however
 * the input is cut:
 * - a request that lies whole in a chunk costs no copy: its arguments are views of the chunk, and whoever keeps one
 *   copies it;
 * - a bulk string that is cut by a chunk's end is gathered in memory of its own (bulk-gatherer.ts), moved twice at most.
 *   A length alone proves nothing: memory is taken in steps, `admit` is asked before each beyond the unbudgeted ones, and
 *   the request waits where it says no;
 * - a line that is cut is gathered too, up to its bound.
 *
 * The first argument is given as a place in memory, not as a Buffer: it is looked up in a table and never kept.
 * Faults have Redis' texts; after one, the rest of the input means nothing any more.
 *
 * Rejected: joining what is left with the next chunk. It is shorter, and quadratic for a peer that sends single bytes.
 */
import {
  commandArgumentsMax,
  linkUploadBytesMin,
  respLineBytesMax,
  respUnauthenticatedItemsMax,
  socketUnauthenticatedBytesMax,
  socketUnbudgetedBytesMax,
  valueBytesMax,
} from '../../limits.ts';
import type { Upload } from '../../commands/command.ts';
import { bufferOver } from '../../buffer-over.ts';
import { collectedMemory, type ReceiveMemory } from '../../receive-memory.ts';
import { BulkGatherer } from './bulk-gatherer.ts';
import { splitInline } from './inline-command.ts';

/** `request`: name and args hold one. `wait`: `admit` said no. `fault`: the connection must end. */
export type ReadOutcome = 'request' | 'more' | 'wait' | 'fault';

const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const star = 0x2a;
const dollar = 0x24;
const minus = 0x2d;
const zero = 0x30;
const nine = 0x39;
const lineEndBytes = 2;
/** Longer texts are no number that is within any bound. */
const lengthCharsMax = 15;
const firstLineBytes = 64;
/** What an argument takes beside its bytes. */
const argumentOverheadBytes = 128;
/** A line's memory is kept for the next line up to this. */
const keptLineBytesMax = 1024;
const nothing = Buffer.alloc(0);
const noArguments: Buffer[] = [];

/** As `Executor.beginUpload`; the name is where the reader has it. */
type BeginUpload = (args: readonly Buffer[], bytes: number) => Upload | undefined;

const noUpload: BeginUpload = () => undefined;

export class RequestReader {
  /** Whether the peer has shown what it must show; smaller bounds hold before. */
  isTrusted = true;
  /** The bytes in which the name of the request lies. */
  nameSource: Buffer = nothing;
  nameFrom = 0;
  nameTo = 0;
  /** What follows the name. */
  args: readonly Buffer[] = noArguments;
  /** Of `args`, the bytes that lie in memory that `admit` was asked for; the caller gives them back. */
  admittedBytes = 0;
  /** Of `args`, the one that was passed on while it came; the caller ends it. */
  upload: Upload | undefined;
  /** The text after `ERR Protocol error: `. */
  fault = '';
  readonly #admit: (bytes: number, isGrowth: boolean) => boolean;
  readonly #beginUpload: BeginUpload;
  readonly #gatherer: BulkGatherer;
  #chunk: Buffer = nothing;
  /** The memory that the chunk is in, and where it begins there. */
  #memory: ArrayBufferLike = nothing.buffer;
  #memoryFrom = 0;
  #at = 0;
  /** Bulk strings of the request in hand that are still to come. */
  #left = 0;
  #hasName = false;
  /** Of the request in hand; `noArguments` itself is never pushed to. */
  #args: Buffer[] = noArguments;
  #admitted = 0;
  /** What arguments hold that nobody was asked for: counted while a request is not complete. */
  #unadmitted = 0;
  /** Length of the bulk string in hand, -1 before its line is read. */
  #bulkLength = -1;
  /** Of the request in hand. */
  #upload: Upload | undefined;
  /** A line that was cut, and its bytes so far. */
  #line: Buffer = nothing;
  #lineFilled = 0;

  /** `admit` is asked before memory is taken for a bulk string that has not arrived; its bytes are the caller's to count. */
  constructor(
    admit: (bytes: number, isGrowth: boolean) => boolean,
    beginUpload: BeginUpload = noUpload,
    memory: ReceiveMemory = collectedMemory,
  ) {
    this.#admit = admit;
    this.#beginUpload = beginUpload;
    this.#gatherer = new BulkGatherer((bytes) => this.#admitBytes(bytes), memory);
  }

  /** True in the middle of a request. */
  get isPartial(): boolean {
    return this.#left > 0 || this.#lineFilled > 0;
  }

  /** True if not all of the last chunk has been looked at. */
  get hasInput(): boolean {
    return this.#at < this.#chunk.byteLength;
  }

  /** Bytes that were admitted for a request that is not complete. */
  get gatheringBytes(): number {
    return this.#admitted;
  }

  /** The next chunk; only after `next` said `more`. */
  feed(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#memory = chunk.buffer;
    this.#memoryFrom = chunk.byteOffset;
    this.#at = 0;
  }

  /** Where what is to come of a large bulk string belongs. */
  whereNext(): Buffer | undefined {
    return this.#gatherer.whereNext();
  }

  /** No more requests will come. */
  close(): void {
    this.#upload?.end();
    this.#upload = undefined;
  }

  next(): ReadOutcome {
    if (this.#unadmitted > socketUnbudgetedBytesMax && !this.#admitArguments()) return 'wait';
    for (;;) {
      if (this.#left === 0) {
        const outcome = this.#begin();
        if (outcome !== undefined) return outcome;
      } else {
        const outcome = this.#takeBulk();
        if (outcome !== undefined) return outcome;
        if (this.#left === 0) return this.#complete();
      }
    }
  }

  /** Many small arguments are as much memory as a large one. */
  #admitArguments(): boolean {
    if (!this.#admitBytes(this.#unadmitted)) return false;
    this.#unadmitted = 0;
    return true;
  }

  #admitBytes(bytes: number): boolean {
    if (!this.#admit(bytes, this.#admitted > 0)) return false;
    this.#admitted += bytes;
    return true;
  }

  /** The first line of a request. Undefined: go on. */
  #begin(): ReadOutcome | undefined {
    if (this.#at >= this.#chunk.byteLength) return this.#more();
    if (this.#lineFilled === 0 && this.#chunk[this.#at] === star) {
      const count = this.#lengthInChunk();
      if (count > 0) return this.#beginArray(count);
    }
    const isArray = (this.#lineFilled > 0 ? this.#line : this.#chunk.subarray(this.#at))[0] === star;
    if (!(isArray ? this.#takeHeader() : this.#takeLine())) {
      if (this.#lineFilled <= respLineBytesMax) return this.#more();
      return this.#fail(this.#line[0] === star ? 'too big mbulk count string' : 'too big inline request');
    }
    const line = this.#lineTaken();
    if (line[0] !== star) return this.#inline(line);
    const count = lengthOf(line);
    return count === undefined ? this.#fail('invalid multibulk length') : this.#beginArray(count);
  }

  #beginArray(count: number): ReadOutcome | undefined {
    if (count > commandArgumentsMax + 1) return this.#fail('invalid multibulk length');
    if (!this.isTrusted && count > respUnauthenticatedItemsMax) return this.#fail('unauthenticated multibulk length');
    // Redis passes over arrays of nothing, and of less.
    if (count <= 0) return undefined;
    this.#left = count;
    this.#hasName = false;
    return undefined;
  }

  #inline(line: Buffer): ReadOutcome | undefined {
    const end = line.byteLength - (line.at(-2) === carriageReturn ? lineEndBytes : 1);
    const words = splitInline(line.subarray(0, end));
    if (words === undefined) return this.#fail('unbalanced quotes in request');
    if (words.length === 0) return undefined;
    const [name, ...args] = words;
    this.nameSource = name!;
    this.nameFrom = 0;
    this.nameTo = name!.byteLength;
    this.args = args;
    this.admittedBytes = 0;
    this.upload = undefined;
    return 'request';
  }

  /** Undefined once the bulk string in hand is there. */
  #takeBulk(): ReadOutcome | undefined {
    if (this.#bulkLength < 0) {
      const outcome = this.#beginBulk();
      if (outcome !== undefined) return outcome;
    }
    const length = this.#bulkLength;
    const whole = length + lineEndBytes;
    const chunk = this.#chunk;
    const at = this.#at;
    if (this.#gatherer.isEmpty && at + whole <= chunk.byteLength) {
      this.#at = at + whole;
      this.#unadmitted += length + argumentOverheadBytes;
      if (this.#hasName) this.#addArgument(bufferOver(this.#memory, this.#memoryFrom + at, length));
      else this.#takeName(chunk, at, at + length);
      this.#bulkLength = -1;
      this.#left -= 1;
      return undefined;
    }
    return this.#gather(whole);
  }

  /** Arrays of one and of two take just their memory; V8 gives one that is pushed to room for seventeen. */
  #addArgument(argument: Buffer): void {
    const args = this.#args;
    if (args.length === 0) this.#args = [argument];
    else if (args.length === 1) this.#args = [args[0]!, argument];
    else args.push(argument);
  }

  #takeName(source: Buffer, from: number, to: number): void {
    this.#hasName = true;
    this.nameSource = source;
    this.nameFrom = from;
    this.nameTo = to;
  }

  #beginBulk(): ReadOutcome | undefined {
    let length: number | undefined = -1;
    if (this.#lineFilled === 0 && this.#chunk[this.#at] === dollar) length = this.#lengthInChunk();
    if (length < 0) {
      if (!this.#takeHeader()) {
        return this.#lineFilled <= respLineBytesMax ? this.#more() : this.#fail('too big bulk count string');
      }
      const line = this.#lineTaken();
      if (line[0] !== dollar) return this.#fail(`expected '$', got '${String.fromCharCode(line[0]!)}'`);
      length = lengthOf(line);
    }
    if (length === undefined || length < 0 || length > valueBytesMax) return this.#fail('invalid bulk length');
    if (!this.isTrusted && length > socketUnauthenticatedBytesMax) return this.#fail('unauthenticated bulk length');
    this.#bulkLength = length;
    return undefined;
  }

  /** Takes what the chunk has of a bulk string and its line end into memory of its own. */
  #gather(whole: number): ReadOutcome | undefined {
    const gatherer = this.#gatherer;
    if (gatherer.isEmpty && whole > linkUploadBytesMin) this.#passOn();
    this.#at = gatherer.take(this.#chunk, this.#at, whole);
    if (gatherer.isHeld) return 'wait';
    const bulk = gatherer.finish(whole);
    if (bulk === undefined) return this.#more();
    if (this.#hasName) this.#addArgument(bulk);
    else this.#takeName(bulk, 0, bulk.byteLength);
    this.#unadmitted += argumentOverheadBytes + (whole > socketUnbudgetedBytesMax ? 0 : whole);
    this.#bulkLength = -1;
    this.#left -= 1;
    return undefined;
  }

  /** Has what will come of the bulk string in hand passed on, if that is of use. */
  #passOn(): void {
    if (this.#upload !== undefined || !this.#hasName) return;
    this.#upload = this.#beginUpload(this.#args, this.#bulkLength);
    if (this.#upload !== undefined) this.#gatherer.passOnTo(this.#upload);
  }

  #complete(): ReadOutcome {
    this.args = this.#args;
    this.#args = noArguments;
    this.admittedBytes = this.#admitted;
    this.upload = this.#upload;
    this.#upload = undefined;
    this.#admitted = 0;
    this.#unadmitted = 0;
    return 'request';
  }

  #more(): ReadOutcome {
    // Views keep their chunk alive; nothing else should.
    this.feed(nothing);
    // A name must not lie in a chunk that is gone: it is short, and its memory small.
    if (this.#left > 0 && this.#hasName && this.nameFrom !== 0) {
      this.nameSource = Buffer.from(this.nameSource.subarray(this.nameFrom, this.nameTo));
      this.nameFrom = 0;
      this.nameTo = this.nameSource.byteLength;
    }
    return 'more';
  }

  #fail(text: string): ReadOutcome {
    this.fault = text;
    this.feed(nothing);
    return 'fault';
  }

  /** A length whose line lies whole in the chunk, and steps over it; -1 for any other, which the slow way looks at. */
  #lengthInChunk(): number {
    const chunk = this.#chunk;
    const end = chunk.byteLength;
    const first = this.#at + 1;
    let at = first;
    let value = 0;
    while (at < end) {
      const byte = chunk[at]!;
      if (byte < zero || byte > nine) break;
      value = value * 10 + (byte - zero);
      at += 1;
    }
    const digits = at - first;
    if (digits === 0 || digits > lengthCharsMax || (digits > 1 && chunk[first] === zero)) return -1;
    // Like Redis, take whatever stands behind the carriage return for the line feed.
    if (at + 1 >= end || chunk[at] !== carriageReturn) return -1;
    this.#at = at + lineEndBytes;
    return value;
  }

  /** An inline command up to its line feed; false if that has not come or the line is too long. */
  #takeLine(): boolean {
    return this.#takeThrough(lineFeed);
  }

  /** The line before an array or a bulk string: up to a carriage return, and the byte behind it. */
  #takeHeader(): boolean {
    const isReturned = this.#lineFilled > 0 && this.#line[this.#lineFilled - 1] === carriageReturn;
    if (!isReturned && !this.#takeThrough(carriageReturn)) return false;
    return this.#take(this.#at + 1) && this.#lineFilled <= respLineBytesMax;
  }

  #takeThrough(byte: number): boolean {
    const found = this.#chunk.indexOf(byte, this.#at);
    return this.#take(found < 0 ? Infinity : found + 1) && this.#lineFilled <= respLineBytesMax;
  }

  /** Moves bytes of the chunk into the line; false if the chunk or the line's bound ends before. */
  #take(end: number): boolean {
    const chunk = this.#chunk;
    // One byte beyond the bound tells that it is exceeded; the rest need not be kept.
    const taken = Math.min(Math.min(end, chunk.byteLength) - this.#at, respLineBytesMax + 1 - this.#lineFilled);
    this.#makeRoom(this.#lineFilled + taken);
    chunk.copy(this.#line, this.#lineFilled, this.#at, this.#at + taken);
    this.#lineFilled += taken;
    this.#at += taken;
    return this.#at === end;
  }

  /** The line, until the next one is taken. */
  #lineTaken(): Buffer {
    const line = this.#line.subarray(0, this.#lineFilled);
    this.#lineFilled = 0;
    if (this.#line.byteLength > keptLineBytesMax) this.#line = nothing;
    return line;
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#line.byteLength) return;
    const larger = Buffer.allocUnsafe(Math.max(bytes, this.#line.byteLength * 2, firstLineBytes));
    this.#line.copy(larger, 0, 0, this.#lineFilled);
    this.#line = larger;
  }
}

/** The number in a line such as `*-1\r\n`, exactly as Redis writes one; undefined for anything else. */
function lengthOf(line: Buffer): number | undefined {
  if (line.at(-2) !== carriageReturn) return undefined;
  const isNegative = line[1] === minus;
  const first = isNegative ? 2 : 1;
  const end = line.byteLength - lineEndBytes;
  const digits = end - first;
  if (digits <= 0 || digits > lengthCharsMax) return undefined;
  if (line[first] === zero && (digits > 1 || isNegative)) return undefined;
  let value = 0;
  for (let at = first; at < end; at++) {
    const byte = line[at]!;
    if (byte < zero || byte > nine) return undefined;
    value = value * 10 + (byte - zero);
  }
  return isNegative ? -value : value;
}
