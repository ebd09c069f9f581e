/**
 * An HTTP/2 client of bytes: what a load generator must do and no more, so that it costs a fraction of any server.
 *
 *   call = HEADERS frame (always the same, but for the stream's id) + DATA frames of a message that was encoded once
 *   reply: frames are counted by their nine-byte heads; their payloads are skipped, header blocks are not decoded
 *
 * It keeps to what servers insist on: both flow-control windows, PING, SETTINGS. A call has succeeded when its stream
 * ends and brought data: a gRPC server that refuses a call sends none. Rejected as generators: grpc-js and node:http2,
 * which cost as much a call as the servers that they would measure.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const frameHead = 9;
const frame = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;
const endStream = 0x1;
const endHeaders = 0x4;
const acknowledged = 0x1;
const windowMax = 2 ** 31 - 1;
const initialWindow = 65_535;
const dataBytesMax = 16_384;
/** Room is given back once so much was read: seldom, and long before the server could run out of it. */
const returnedBytes = 2 ** 28;
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export interface Ended {
  readonly ok: boolean;
  /** Of data, gRPC's prefix included. */
  readonly bytes: number;
}

interface Call {
  readonly ended: (how: Ended) => void;
  readonly body: Buffer;
  sentAt: number;
  window: number;
  bytes: number;
}

export class H2Connection {
  readonly #socket: Socket;
  readonly #head: Buffer;
  readonly #calls = new Map<number, Call>();
  /** Calls whose message waits for a window. */
  readonly #unsent = new Set<number>();
  #nextStream = 1;
  #window = initialWindow;
  #streamWindow = initialWindow;
  #unreturned = 0;
  /** A frame's head that came in pieces, or a payload that must be read. */
  #rest: Buffer = Buffer.alloc(0);
  #skip = 0;
  #writes: Buffer[] = [];

  private constructor(socket: Socket, path: string, contentType: string) {
    this.#socket = socket;
    this.#head = headerBlock(path, contentType);
    socket.setNoDelay(true);
    const settings = Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]);
    socket.write(Buffer.concat([preface, frameOf(frame.settings, 0, 0, settings)]));
    socket.write(windowUpdate(0, windowMax - initialWindow));
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      for (const [stream] of this.#calls) this.#end(stream, false);
    });
  }

  static async open(port: number, path: string, contentType = 'application/grpc+proto'): Promise<H2Connection> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new H2Connection(socket, path, contentType);
  }

  /** Begins a call; what calls of one turn write leaves together. */
  call(body: Buffer, ended: (how: Ended) => void): void {
    if (this.#socket.destroyed) {
      ended({ ok: false, bytes: 0 });
      return;
    }
    const stream = this.#nextStream;
    this.#nextStream += 2;
    const flags = body.length === 0 ? endHeaders | endStream : endHeaders;
    this.#write(frameOf(frame.headers, flags, stream, this.#head));
    const call: Call = { ended, body, sentAt: 0, window: this.#streamWindow, bytes: 0 };
    this.#calls.set(stream, call);
    if (body.length > 0) this.#send(stream, call);
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(stream: number, call: Call): void {
    const { body } = call;
    while (call.sentAt < body.length) {
      const bytes = Math.min(dataBytesMax, body.length - call.sentAt, call.window, this.#window);
      if (bytes <= 0) {
        this.#unsent.add(stream);
        return;
      }
      const isLast = call.sentAt + bytes === body.length;
      this.#write(headOf(frame.data, isLast ? endStream : 0, stream, bytes));
      this.#write(body.subarray(call.sentAt, call.sentAt + bytes));
      call.sentAt += bytes;
      call.window -= bytes;
      this.#window -= bytes;
    }
    this.#unsent.delete(stream);
  }

  /** Small frames of one turn leave as one buffer. */
  #write(bytes: Buffer): void {
    if (this.#writes.length === 0) queueMicrotask(() => this.#flush());
    this.#writes.push(bytes);
  }

  #flush(): void {
    const writes = this.#writes;
    this.#writes = [];
    if (this.#socket.destroyed) return;
    const total = writes.reduce((sum, { length }) => sum + length, 0);
    if (total <= dataBytesMax) {
      this.#socket.write(Buffer.concat(writes, total));
      return;
    }
    this.#socket.cork();
    for (const bytes of writes) this.#socket.write(bytes);
    this.#socket.uncork();
  }

  #read(read: Buffer): void {
    let at = Math.min(this.#skip, read.length);
    this.#skip -= at;
    if (this.#skip > 0) return;
    const chunk = this.#rest.length > 0 ? Buffer.concat([this.#rest, read.subarray(at)]) : read;
    if (this.#rest.length > 0) at = 0;
    while (at + frameHead <= chunk.length) {
      const length = chunk.readUIntBE(at, 3);
      const type = chunk[at + 3]!;
      const isSkipped = type === frame.data || type === frame.headers;
      if (!isSkipped && at + frameHead + length > chunk.length) break;
      const stream = chunk.readUInt32BE(at + 5) & windowMax;
      this.#frame(type, chunk[at + 4]!, stream, length, chunk.subarray(at + frameHead, at + frameHead + length));
      at += frameHead + length;
    }
    this.#skip = Math.max(0, at - chunk.length);
    this.#rest = Buffer.from(chunk.subarray(at));
  }

  /** `payload` is whole except for those of data and headers, which nobody reads. */
  #frame(type: number, flags: number, stream: number, length: number, payload: Buffer): void {
    switch (type) {
      case frame.data:
        this.#received(stream, length);
        if (flags & endStream) this.#end(stream, true);
        break;
      case frame.headers:
        if (flags & endStream) this.#end(stream, true);
        break;
      case frame.reset:
        this.#end(stream, false);
        break;
      case frame.settings:
        if (!(flags & acknowledged)) this.#settings(payload);
        break;
      case frame.ping:
        if (!(flags & acknowledged)) this.#write(frameOf(frame.ping, acknowledged, 0, Buffer.from(payload)));
        break;
      case frame.windowUpdate:
        this.#opened(stream, payload.readUInt32BE(0) & windowMax);
        break;
      case frame.goAway:
        this.#socket.end();
        break;
      default:
    }
  }

  #received(stream: number, length: number): void {
    const call = this.#calls.get(stream);
    if (call !== undefined) call.bytes += length;
    this.#unreturned += length;
    if (this.#unreturned < returnedBytes) return;
    this.#write(windowUpdate(0, this.#unreturned));
    this.#unreturned = 0;
  }

  #settings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== 4) continue;
      const window = payload.readUInt32BE(at + 2);
      for (const call of this.#calls.values()) call.window += window - this.#streamWindow;
      this.#streamWindow = window;
    }
    this.#write(frameOf(frame.settings, acknowledged, 0, Buffer.alloc(0)));
    this.#sendMore();
  }

  #opened(stream: number, bytes: number): void {
    const call = this.#calls.get(stream);
    if (stream === 0) this.#window += bytes;
    else if (call !== undefined) call.window += bytes;
    this.#sendMore();
  }

  #sendMore(): void {
    for (const stream of this.#unsent) {
      if (this.#window <= 0) return;
      this.#send(stream, this.#calls.get(stream)!);
    }
  }

  /** A refused gRPC call ends without data. */
  #end(stream: number, isEnded: boolean): void {
    const call = this.#calls.get(stream);
    if (call === undefined) return;
    this.#calls.delete(stream);
    this.#unsent.delete(stream);
    call.ended({ ok: isEnded && call.bytes > 0, bytes: call.bytes });
  }
}

function headOf(type: number, flags: number, stream: number, length: number): Buffer {
  const head = Buffer.allocUnsafe(frameHead);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return head;
}

function frameOf(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  return Buffer.concat([headOf(type, flags, stream, payload.length), payload]);
}

function windowUpdate(stream: number, bytes: number): Buffer {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32BE(bytes);
  return frameOf(frame.windowUpdate, 0, stream, payload);
}

/** HPACK (RFC 7541) without its dynamic table: literals, and the static table's names. */
function headerBlock(path: string, contentType: string): Buffer {
  const text = (value: string): Buffer => {
    if (value.length > 126) throw new Error(`a header of ${value.length} bytes`);
    return Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  };
  const method = Buffer.from([0x83]);
  const scheme = Buffer.from([0x86]);
  return Buffer.concat([
    method,
    scheme,
    Buffer.from([0x04]),
    text(path),
    Buffer.from([0x01]),
    text('127.0.0.1'),
    Buffer.from([0x0f, 0x10]),
    text(contentType),
    Buffer.from([0x00]),
    text('te'),
    text('trailers'),
  ]);
}

/** A message as gRPC frames it: not compressed, four bytes of length. */
export function grpcMessage(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}
