/** A client of the binary protocol that sends any bytes, and gives the responses one by one, for tests. */
import { connect, type Socket } from 'node:net';
import { FrameReader } from '../frame-reader.ts';
import { frameHead } from '../protocol.ts';

export class RawClient {
  readonly socket: Socket;
  readonly #reader = new FrameReader();
  readonly #responses: [status: number, payload: Buffer][] = [];
  #waiting: (() => void) | undefined;
  #hasEnded = false;

  constructor(socket: Socket) {
    this.socket = socket;
    this.#reader.payloadBytesMax = 2 ** 32;
    socket.on('data', (chunk) => this.#onData(chunk as Buffer));
    socket.on('error', () => this.#onEnd());
    socket.on('close', () => this.#onEnd());
  }

  static async open(address: string): Promise<RawClient> {
    const [host, port] = address.split(':') as [string, string];
    const socket = connect({ host, port: Number(port), noDelay: true });
    const client = new RawClient(socket);
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return client;
  }

  send(...parts: readonly Buffer[]): void {
    for (const part of parts) this.socket.write(part);
  }

  /** The next response; undefined when the connection has ended. */
  async response(): Promise<[status: number, payload: Buffer] | undefined> {
    while (this.#responses.length === 0 && !this.#hasEnded) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    return this.#responses.shift();
  }

  ask(code: number, payload: Buffer | string = ''): Promise<[status: number, payload: Buffer] | undefined> {
    this.send(frame(code, payload));
    return this.response();
  }

  close(): void {
    this.socket.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#reader.feed(chunk);
    while (this.#reader.next() === 'frame') {
      this.#responses.push([this.#reader.code, Buffer.from(this.#reader.payload)]);
    }
    this.#wake();
  }

  #onEnd(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  #wake(): void {
    this.#waiting?.();
    this.#waiting = undefined;
  }
}

export function frame(code: number, payload: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(payload as string);
  return Buffer.concat([frameHead(code, bytes.byteLength), bytes]);
}

/** Fields of payloads. */
export const u16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
};
export const u64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value));
  return bytes;
};
export const key = (text: string | Buffer): Buffer => {
  const bytes = Buffer.from(text as string);
  return Buffer.concat([u16(bytes.byteLength), bytes]);
};
const behindLength = (tag: number, bytes: Buffer): Buffer => {
  const head = Buffer.alloc(5);
  head[0] = tag;
  head.writeUInt32BE(bytes.byteLength, 1);
  return Buffer.concat([head, bytes]);
};
export const value = {
  null: Buffer.from([0]),
  int: (number: bigint): Buffer => Buffer.concat([Buffer.from([1]), u64(number)]),
  float: (number: number): Buffer => {
    const bytes = Buffer.alloc(9);
    bytes[0] = 2;
    bytes.writeDoubleBE(number, 1);
    return bytes;
  },
  decimal: (text: string): Buffer => Buffer.concat([Buffer.from([3]), key(text)]),
  text: (text: string): Buffer => behindLength(4, Buffer.from(text)),
  bytes: (bytes: Buffer | string): Buffer => behindLength(5, Buffer.from(bytes as string)),
  list: (...items: Buffer[]): Buffer => Buffer.concat([Buffer.from([6, 0, 0, 0, items.length]), ...items]),
  map: (...members: [string, Buffer][]): Buffer =>
    Buffer.concat([Buffer.from([7, 0, 0, 0, members.length]), ...members.flatMap(([name, item]) => [key(name), item])]),
  bool: (bool: boolean): Buffer => Buffer.from([8, bool ? 1 : 0]),
};
export const setPayload = (name: string | Buffer, item: Buffer, ttlMs = 0n): Buffer =>
  Buffer.concat([key(name), u64(ttlMs), item]);
