/**
 * A peer that says exactly what a test tells it to, right or wrong, and notes what it hears: frames by hand over a real
 * socket, without any code of the parser under test.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { clientPreface, errorCode, frameFlag, frameType } from '../protocol.ts';

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

const headBytes = 9;

export function rawFrame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUIntBE(payload.byteLength, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
  return bytes;
}

/** Literals without indexing: each block stands by itself (RFC 7541, 6.2.2). */
export function rawFields(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  const text = (bytes: string): Buffer => {
    if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), Buffer.from(bytes, 'latin1')]);
    const rest = bytes.length - 127;
    const length = [127, (rest & 0x7f) | 0x80, ((rest >> 7) & 0x7f) | 0x80, rest >> 14];
    return Buffer.concat([Buffer.from(length), Buffer.from(bytes, 'latin1')]);
  };
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

export const requestFields = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/echo'],
] as const;

/** The frames that a peer may send, as bytes. */
export const raw = {
  settings: (...settings: readonly (readonly [id: number, value: number])[]): Buffer => {
    const payload = Buffer.alloc(6 * settings.length);
    for (const [index, [id, value]] of settings.entries()) {
      payload.writeUInt16BE(id, 6 * index);
      payload.writeUInt32BE(value, 6 * index + 2);
    }
    return rawFrame(frameType.settings, 0, 0, payload);
  },
  settingsAnswer: (): Buffer => rawFrame(frameType.settings, frameFlag.acknowledgement, 0),
  headers: (stream: number, fields: readonly (readonly [string, string])[], isEnd = false): Buffer =>
    rawFrame(frameType.headers, frameFlag.endHeaders | (isEnd ? frameFlag.endStream : 0), stream, rawFields(fields)),
  request: (stream: number, isEnd = false): Buffer => raw.headers(stream, requestFields, isEnd),
  data: (stream: number, bytes: Uint8Array, isEnd = false): Buffer =>
    rawFrame(frameType.data, isEnd ? frameFlag.endStream : 0, stream, bytes),
  reset: (stream: number, code: number = errorCode.cancel): Buffer => rawFrame(frameType.reset, 0, stream, u32(code)),
  window: (stream: number, bytes: number): Buffer => rawFrame(frameType.windowUpdate, 0, stream, u32(bytes)),
  ping: (text = 'are-you?'): Buffer => rawFrame(frameType.ping, 0, 0, Buffer.from(text)),
  goAway: (last: number, code: number = errorCode.noError): Buffer => rawFrame(frameType.goAway, 0, 0, u32(last, code)),
};

/** What a client says first. */
export const rawOpening: Buffer = Buffer.concat([clientPreface, raw.settings()]);

export class RawPeer {
  readonly socket: Socket;
  readonly frames: RawFrame[] = [];
  isClosed = false;
  answersPings = false;
  #unread: Buffer = Buffer.alloc(0);
  /** Of a client, before its first frame. */
  #skip: number;
  readonly #waiting = new Set<() => void>();

  constructor(socket: Socket, skip = 0) {
    this.socket = socket;
    this.#skip = skip;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  static async connect(port: number): Promise<RawPeer> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new RawPeer(socket);
  }

  send(...frames: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** Resolves with the first frame, of those heard so far or to come, of which this is true; undefined: closed before. */
  async heard(isWanted: (frame: RawFrame) => boolean): Promise<RawFrame | undefined> {
    for (;;) {
      const frame = this.frames.find(isWanted);
      if (frame !== undefined || this.isClosed) return frame;
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
  }

  async closed(): Promise<void> {
    await this.heard(() => false);
  }

  /** The code of the peer's last GOAWAY, once the connection is gone. */
  async farewell(): Promise<number | undefined> {
    await this.closed();
    return this.frames.findLast(({ type }) => type === frameType.goAway)?.payload.readUInt32BE(4);
  }

  /** The code that the stream is reset with; undefined: the connection is gone instead. */
  async resetOf(stream: number): Promise<number | undefined> {
    const frame = await this.heard((item) => item.type === frameType.reset && item.stream === stream);
    return frame?.payload.readUInt32BE(0);
  }

  /** Resolves when everything sent before has been handled. */
  async settle(text = `${Math.random()}`.padEnd(8).slice(2, 10).padEnd(8)): Promise<void> {
    this.send(raw.ping(text));
    await this.heard(
      ({ type, flags, payload }) => type === frameType.ping && flags === 1 && payload.toString() === text,
    );
  }

  #take(chunk: Buffer): void {
    const skipped = Math.min(this.#skip, chunk.byteLength);
    this.#skip -= skipped;
    let bytes: Buffer = Buffer.concat([this.#unread, chunk.subarray(skipped)]);
    while (bytes.byteLength >= headBytes && bytes.byteLength >= headBytes + bytes.readUIntBE(0, 3)) {
      const end = headBytes + bytes.readUIntBE(0, 3);
      const payload = bytes.subarray(headBytes, end);
      this.frames.push({ type: bytes[3]!, flags: bytes[4]!, stream: bytes.readUInt32BE(5), payload });
      if (this.answersPings && bytes[3] === frameType.ping && bytes[4] === 0) this.#answerPing(payload);
      bytes = bytes.subarray(end);
    }
    this.#unread = bytes;
    this.#wake();
  }

  #answerPing(payload: Buffer): void {
    this.send(rawFrame(frameType.ping, frameFlag.acknowledgement, 0, payload));
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** A server for one client, that says what the test tells it to. */
export async function rawServer(onPeer: (peer: RawPeer) => void): Promise<{ server: Server; port: number }> {
  const server = createServer({ noDelay: true }, (socket) => onPeer(new RawPeer(socket, clientPreface.byteLength)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as { port: number }).port };
}
