/**
 * Replies as bytes of RESP2 or RESP3, small ones side by side in shared memory, large values as they stand.
 *
 *   slab   [ … sent … | piece in hand → | free ]     a piece is sent as a view of its slab and never written again
 *
 * One writer serves all connections of a door, for one after the other writes what it has and takes it away (`take`):
 * between two takes, everything belongs to one connection. So a tick of replies is one buffer and one write, whatever
 * the number of commands, and a value above `respJoinedBytesMax` is a buffer of its own in the middle, not copied.
 *
 * Rejected: strings. `socket.write` takes them without a Buffer, but values would become strings and bytes again.
 */
import { isBytes, type Reply, ReplyError, ReplyMap } from '../../commands/reply.ts';
import { respJoinedBytesMax, respReplySlabBytes } from '../../limits.ts';
import {
  DoubleReply,
  ErrorBytes,
  ErrorLine,
  nilArray,
  PushReply,
  RespMap,
  type RespReply,
  SetReply,
  TextReply,
} from './resp-reply.ts';

export type Protocol = 2 | 3;

const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const space = 0x20;
const zero = 0x30;
const simple = 0x2b;
const error = 0x2d;
const minus = 0x2d;
const integer = 0x3a;
const bulkString = 0x24;
const array = 0x2a;
const map = 0x25;
const set = 0x7e;
const push = 0x3e;
const double = 0x2c;
const bigNumber = 0x28;
const verbatim = 0x3d;
/** A type, a sign, sixteen digits and a line end. */
const headerBytesMax = 24;
const nullBulk = Buffer.from('$-1\r\n');
const nullArray = Buffer.from('*-1\r\n');
const null3 = Buffer.from('_\r\n');
/** Copying fewer bytes one by one is faster than a call. */
const byteWiseMax = 24;
const minInt64 = -(2n ** 63n);
const maxInt64 = 2n ** 63n - 1n;

export class ReplyWriter {
  #slab = Buffer.allocUnsafeSlow(respReplySlabBytes);
  #from = 0;
  #at = 0;
  /** Pieces before the one in hand, and their bytes. */
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** Bytes written and not taken. */
  get bytes(): number {
    return this.#bytes + this.#at - this.#from;
  }

  write(reply: RespReply, protocol: Protocol): void {
    if (isBytes(reply)) this.#writeBulk(reply);
    else if (typeof reply === 'string') this.#writeLine(simple, reply);
    else if (typeof reply === 'number') this.#writeNumber(reply, protocol);
    else if (reply === null) this.#writeShort(protocol === 2 ? nullBulk : null3);
    else if (Array.isArray(reply)) this.#writeItems(array, reply, protocol);
    else this.#writeRare(reply, protocol);
  }

  /** Everything written since the last time, in order. */
  take(): Buffer[] {
    this.#cut();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#bytes = 0;
    return pieces;
  }

  #writeRare(reply: Exclude<RespReply, null | string | number | Buffer | RespReply[]>, protocol: Protocol): void {
    if (reply instanceof ReplyError || reply instanceof ErrorLine)
      this.#writeLine(error, `${reply.code} ${reply.message}`);
    else if (reply instanceof ErrorBytes) this.#writeErrorBytes(reply.line);
    else if (reply === nilArray) this.#writeShort(protocol === 2 ? nullArray : null3);
    else if (typeof reply === 'bigint') this.#writeBigint(reply, protocol);
    else if (reply instanceof ReplyMap || reply instanceof RespMap) this.#writePairs(reply.pairs, protocol);
    else if (reply instanceof SetReply) this.#writeItems(protocol === 2 ? array : set, reply.items, protocol);
    else if (reply instanceof PushReply) this.#writeItems(protocol === 2 ? array : push, reply.items, protocol);
    else if (reply instanceof DoubleReply) this.#writeDouble(reply.text, protocol);
    else if (reply instanceof TextReply) this.#writeText(reply.text, protocol);
  }

  #writeItems(type: number, items: readonly RespReply[], protocol: Protocol): void {
    this.#writeHeader(type, items.length);
    for (const item of items) this.write(item, protocol);
  }

  #writePairs(pairs: readonly (readonly [RespReply, RespReply])[], protocol: Protocol): void {
    if (protocol === 2) this.#writeHeader(array, pairs.length * 2);
    else this.#writeHeader(map, pairs.length);
    for (const [key, value] of pairs) {
      this.write(key, protocol);
      this.write(value, protocol);
    }
  }

  #writeBulk(value: Buffer): void {
    const { byteLength } = value;
    this.#writeHeader(bulkString, byteLength);
    if (byteLength > respJoinedBytesMax) {
      this.#cut();
      this.#pieces.push(value);
      this.#bytes += byteLength;
    } else {
      this.#reserve(byteLength + 2);
      this.#copy(value);
    }
    this.#endLine();
  }

  #writeText(text: string, protocol: Protocol): void {
    const bytes = Buffer.from(protocol === 2 ? text : `txt:${text}`, 'utf8');
    if (protocol === 2) {
      this.#writeBulk(bytes);
      return;
    }
    this.#writeHeader(verbatim, bytes.byteLength);
    this.#reserve(bytes.byteLength);
    this.#copy(bytes);
    this.#endLine();
  }

  #writeErrorBytes(line: Buffer): void {
    this.#reserve(line.byteLength + 3);
    this.#slab[this.#at] = error;
    this.#at += 1;
    for (const byte of line) {
      this.#slab[this.#at] = byte === carriageReturn || byte === lineFeed ? space : byte;
      this.#at += 1;
    }
    this.#endLine();
  }

  #writeDouble(text: Buffer, protocol: Protocol): void {
    if (protocol === 2) this.#writeBulk(text);
    else this.#writeLine(double, text.toString('latin1'));
  }

  #writeNumber(value: number, protocol: Protocol): void {
    if (Number.isSafeInteger(value)) this.#writeHeader(integer, value);
    else this.#writeDouble(Buffer.from(String(value)), protocol);
  }

  #writeBigint(value: bigint, protocol: Protocol): void {
    if (value >= minInt64 && value <= maxInt64) this.#writeLine(integer, String(value));
    else if (protocol === 3) this.#writeLine(bigNumber, String(value));
    else this.#writeBulk(Buffer.from(String(value)));
  }

  /** A line cannot hold a line end. */
  #writeLine(type: number, text: string): void {
    const line = /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]/g, ' ') : text;
    const bytesMax = line.length * 3;
    this.#reserve(bytesMax + 3);
    this.#slab[this.#at] = type;
    this.#at += 1;
    if (line === 'OK') {
      this.#slab[this.#at] = 0x4f;
      this.#slab[this.#at + 1] = 0x4b;
      this.#at += 2;
    } else {
      this.#at += this.#slab.write(line, this.#at, bytesMax, 'utf8');
    }
    this.#endLine();
  }

  /** A type, a whole number and a line end. */
  #writeHeader(type: number, value: number): void {
    this.#reserve(headerBytesMax);
    const slab = this.#slab;
    slab[this.#at] = type;
    this.#at += 1;
    if (value >= 0 && value < 10) {
      slab[this.#at] = zero + value;
      this.#at += 1;
    } else {
      this.#writeDigits(value);
    }
    this.#endLine();
  }

  #writeDigits(value: number): void {
    const slab = this.#slab;
    let rest = Math.abs(value);
    if (value < 0) {
      slab[this.#at] = minus;
      this.#at += 1;
    }
    let digits = 1;
    for (let bound = 10; rest >= bound; bound *= 10) digits += 1;
    for (let at = this.#at + digits - 1; at >= this.#at; at--) {
      const tenth = Math.floor(rest / 10);
      slab[at] = zero + (rest - tenth * 10);
      rest = tenth;
    }
    this.#at += digits;
  }

  #writeShort(bytes: Buffer): void {
    this.#reserve(bytes.byteLength);
    this.#copy(bytes);
  }

  #copy(bytes: Buffer): void {
    const { byteLength } = bytes;
    const slab = this.#slab;
    if (byteLength > byteWiseMax) slab.set(bytes, this.#at);
    else for (let index = 0; index < byteLength; index++) slab[this.#at + index] = bytes[index]!;
    this.#at += byteLength;
  }

  #endLine(): void {
    this.#reserve(2);
    this.#slab[this.#at] = carriageReturn;
    this.#slab[this.#at + 1] = lineFeed;
    this.#at += 2;
  }

  /** Room for so many bytes in a row. */
  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#slab.byteLength) return;
    this.#cut();
    this.#slab = Buffer.allocUnsafeSlow(Math.max(respReplySlabBytes, bytes));
    this.#from = 0;
    this.#at = 0;
  }

  /** Ends the piece in hand. */
  #cut(): void {
    if (this.#at === this.#from) return;
    this.#pieces.push(this.#slab.subarray(this.#from, this.#at));
    this.#bytes += this.#at - this.#from;
    this.#from = this.#at;
  }
}

/** The bytes of one reply, for tests and tools. */
export function encodedReply(reply: Reply | RespReply, protocol: Protocol): Buffer {
  const writer = new ReplyWriter();
  writer.write(reply, protocol);
  return Buffer.concat(writer.take());
}
