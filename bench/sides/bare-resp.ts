/**
 * The ceiling: what Node itself can do with Redis' protocol. It parses, keeps values in a Map and answers, and does
 * nothing else: no log, no expiry, no bound, no checks. What a shard loses against it is the price of being a store.
 *
 * It is written to be fast in the ways that a real door may be: replies of one read leave as one write, small ones
 * copied together, and a large value is read into the one buffer that is then kept and sent.
 *
 * Runs as a process of its own, `node bench/sides/bare-resp.ts`, and tells its parent the port.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net';

const largeBytes = 16 * 1024;
const outBytes = 256 * 1024;
const lineEnd = Buffer.from('\r\n');

class Connection {
  readonly #socket: Socket;
  readonly #values: Map<string, Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  /** Arguments of the command that is being read, and how many are still missing. */
  #args: Buffer[] = [];
  #missing = 0;
  /** A large argument on its way, with its line end. */
  #large: Buffer | undefined;
  #largeAt = 0;
  #out = Buffer.allocUnsafeSlow(outBytes);
  #outAt = 0;

  constructor(socket: Socket, values: Map<string, Buffer>) {
    this.#socket = socket;
    this.#values = values;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', () => socket.destroy());
  }

  #read(read: Buffer): void {
    this.#socket.cork();
    let chunk = read;
    if (this.#large !== undefined) chunk = this.#fill(this.#large, chunk);
    if (this.#large === undefined) this.#parse(this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk);
    this.#flush();
    this.#socket.uncork();
  }

  /** What is left of the chunk when the large argument has had its part. */
  #fill(large: Buffer, chunk: Buffer): Buffer {
    const taken = Math.min(large.length - this.#largeAt, chunk.length);
    chunk.copy(large, this.#largeAt, 0, taken);
    this.#largeAt += taken;
    if (this.#largeAt < large.length) return chunk;
    this.#large = undefined;
    this.#argument(large.subarray(0, -2));
    return chunk.subarray(taken);
  }

  #parse(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const end = chunk.indexOf(10, at);
      if (end < 0) break;
      const count = numberAt(chunk, at + 1, end - 1);
      if (chunk[at] === 42) {
        this.#missing = count;
        at = end + 1;
        continue;
      }
      const from = end + 1;
      const until = from + count;
      if (until + 2 <= chunk.length) {
        this.#argument(chunk.subarray(from, until));
        at = until + 2;
      } else if (count < largeBytes) {
        break;
      } else {
        this.#large = Buffer.allocUnsafeSlow(count + 2);
        this.#largeAt = chunk.copy(this.#large, 0, from);
        at = chunk.length;
      }
    }
    this.#rest = chunk.subarray(at);
  }

  #argument(argument: Buffer): void {
    this.#args.push(argument);
    if (--this.#missing > 0) return;
    this.#execute(this.#args);
    this.#args = [];
  }

  #execute([name, key, value]: readonly Buffer[]): void {
    // The first letter is enough to tell GET from SET from all that redis-benchmark asks besides.
    switch (name![0]! | 32) {
      case 103: {
        this.#bulk(this.#values.get(key!.toString('latin1')));
        return;
      }
      case 115: {
        const isOwn = value!.length >= largeBytes && value!.byteOffset === 0;
        this.#values.set(key!.toString('latin1'), isOwn ? value! : Buffer.from(value!));
        this.#text('+OK\r\n');
        return;
      }
      case 112:
        this.#text('+PONG\r\n');
        return;
      default:
        this.#text('*0\r\n');
    }
  }

  #bulk(value: Buffer | undefined): void {
    if (value === undefined) {
      this.#text('$-1\r\n');
      return;
    }
    this.#text(`$${value.length}\r\n`);
    if (value.length >= largeBytes) {
      this.#flush();
      this.#socket.write(value);
      this.#socket.write(lineEnd);
      return;
    }
    this.#reserve(value.length + 2);
    this.#outAt += value.copy(this.#out, this.#outAt);
    this.#text('\r\n');
  }

  #text(text: string): void {
    this.#reserve(text.length);
    this.#outAt += this.#out.write(text, this.#outAt, 'latin1');
  }

  #reserve(bytes: number): void {
    if (this.#outAt + bytes > this.#out.length) this.#flush();
  }

  /** The buffer is free again once its bytes have been copied out; the socket keeps what it is given. */
  #flush(): void {
    if (this.#outAt === 0) return;
    this.#socket.write(Buffer.copyBytesFrom(this.#out, 0, this.#outAt));
    this.#outAt = 0;
  }
}

function numberAt(bytes: Buffer, from: number, until: number): number {
  let number = 0;
  for (let at = from; at < until; at++) number = number * 10 + bytes[at]! - 48;
  return number;
}

const values = new Map<string, Buffer>();
const server = createServer((socket) => new Connection(socket, values));
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit(0));
