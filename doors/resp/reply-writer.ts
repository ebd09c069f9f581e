/**
 * Replies as bytes of RESP2 or RESP3. One writer serves all connections of a door (doors/output.ts).
 *
 * Rejected: strings. `socket.write` takes them without a Buffer, but values would become strings and bytes again.
 */
import { isBytes, type Reply, ReplyError, ReplyMap } from '../../commands/reply.ts';
import { Output } from '../output.ts';
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
const minInt64 = -(2n ** 63n);
const maxInt64 = 2n ** 63n - 1n;

export class ReplyWriter extends Output {
  write(reply: RespReply, protocol: Protocol): void {
    if (isBytes(reply)) this.#writeBulk(reply);
    else if (typeof reply === 'string') this.#writeLine(simple, reply);
    else if (typeof reply === 'number') this.#writeNumber(reply, protocol);
    else if (reply === null) this.append(protocol === 2 ? nullBulk : null3);
    else if (Array.isArray(reply)) this.#writeItems(array, reply, protocol);
    else this.#writeRare(reply, protocol);
  }

  #writeRare(reply: Exclude<RespReply, null | string | number | Buffer | RespReply[]>, protocol: Protocol): void {
    if (reply instanceof ReplyError || reply instanceof ErrorLine)
      this.#writeLine(error, `${reply.code} ${reply.message}`);
    else if (reply instanceof ErrorBytes) this.#writeErrorBytes(reply.line);
    else if (reply === nilArray) this.append(protocol === 2 ? nullArray : null3);
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
    this.#writeHeader(bulkString, value.byteLength);
    this.append(value);
    this.#endLine();
  }

  #writeText(text: string, protocol: Protocol): void {
    const bytes = Buffer.from(protocol === 2 ? text : `txt:${text}`, 'utf8');
    if (protocol === 2) {
      this.#writeBulk(bytes);
      return;
    }
    this.#writeHeader(verbatim, bytes.byteLength);
    this.append(bytes);
    this.#endLine();
  }

  #writeErrorBytes(line: Buffer): void {
    this.reserve(line.byteLength + 3);
    this.slab[this.at] = error;
    this.at += 1;
    for (const byte of line) {
      this.slab[this.at] = byte === carriageReturn || byte === lineFeed ? space : byte;
      this.at += 1;
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
    this.reserve(bytesMax + 3);
    this.slab[this.at] = type;
    this.at += 1;
    if (line === 'OK') {
      this.slab[this.at] = 0x4f;
      this.slab[this.at + 1] = 0x4b;
      this.at += 2;
    } else {
      this.at += this.slab.write(line, this.at, bytesMax, 'utf8');
    }
    this.#endLine();
  }

  /** A type, a whole number and a line end. */
  #writeHeader(type: number, value: number): void {
    this.reserve(headerBytesMax);
    const slab = this.slab;
    slab[this.at] = type;
    this.at += 1;
    if (value >= 0 && value < 10) {
      slab[this.at] = zero + value;
      this.at += 1;
    } else {
      this.#writeDigits(value);
    }
    this.#endLine();
  }

  #writeDigits(value: number): void {
    const slab = this.slab;
    let rest = Math.abs(value);
    if (value < 0) {
      slab[this.at] = minus;
      this.at += 1;
    }
    let digits = 1;
    for (let bound = 10; rest >= bound; bound *= 10) digits += 1;
    for (let at = this.at + digits - 1; at >= this.at; at--) {
      const tenth = Math.floor(rest / 10);
      slab[at] = zero + (rest - tenth * 10);
      rest = tenth;
    }
    this.at += digits;
  }

  #endLine(): void {
    this.reserve(2);
    this.slab[this.at] = carriageReturn;
    this.slab[this.at + 1] = lineFeed;
    this.at += 2;
  }
}

/** The bytes of one reply, for tests and tools. */
export function encodedReply(reply: Reply | RespReply, protocol: Protocol): Buffer {
  const writer = new ReplyWriter();
  writer.write(reply, protocol);
  return Buffer.concat(writer.take());
}
