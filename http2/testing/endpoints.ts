/** A server and clients of our own HTTP/2 over real sockets, that note what becomes of their streams and bytes. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Http2Options } from '../connection-options.ts';
import { Http2Connection } from '../connection.ts';
import type { HeaderFields, OutgoingFields } from '../header-fields.ts';
import type { ByteAccount } from '../outbox.ts';
import type { Http2Stream, StreamListener } from '../stream.ts';

export const MiB = 1024 * 1024;

/** Throws where more is released than was added. */
export class CountingAccount implements ByteAccount {
  bytes = 0;
  bytesMost = 0;

  add(bytes: number): void {
    this.bytes += bytes;
    this.bytesMost = Math.max(this.bytesMost, this.bytes);
  }

  release(bytes: number): void {
    this.bytes -= bytes;
    if (this.bytes < 0) throw new Error(`${-this.bytes} bytes released that were never held`);
  }
}

export interface ClosedWith {
  readonly code: number;
  readonly isLost: boolean;
}

/** What a stream brings, put together; nothing may come after its end, and that only once. */
export class Received implements StreamListener {
  readonly closed: Promise<ClosedWith>;
  headers: HeaderFields | undefined;
  trailers: HeaderFields | undefined;
  readonly chunks: Buffer[] = [];
  hasEnded = false;
  isClosed = false;
  onChunk: ((chunk: Buffer) => void) | undefined;
  whenEnded: (() => void) | undefined;
  whenDrained: (() => void) | undefined;
  #settle: (with_: ClosedWith) => void = () => undefined;

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }

  onHeaders(fields: HeaderFields, isEnd: boolean): void {
    this.#expectOpen();
    if (this.headers === undefined) this.headers = fields;
    else if (isEnd) this.trailers = fields;
    else throw new Error('headers came twice');
  }

  onData(chunk: Buffer): void {
    this.#expectOpen();
    this.chunks.push(Buffer.from(chunk));
    this.onChunk?.(chunk);
  }

  onEnd(): void {
    this.#expectOpen();
    this.hasEnded = true;
    this.whenEnded?.();
  }

  onDrain(): void {
    this.whenDrained?.();
  }

  onClose(code: number, isLost: boolean): void {
    if (this.isClosed) throw new Error('closed twice');
    this.isClosed = true;
    this.#settle({ code, isLost });
  }

  #expectOpen(): void {
    if (this.hasEnded || this.isClosed) throw new Error('something came behind the end');
  }
}

/** Writes as fast as the other side reads. */
export async function writeAll(stream: Http2Stream, received: Received, parts: readonly Uint8Array[]): Promise<void> {
  for (const part of parts) {
    if (stream.isClosed) return;
    if (stream.write([part])) continue;
    await Promise.race([
      received.closed,
      new Promise<void>((resolve) => {
        received.whenDrained = resolve;
      }),
    ]);
  }
}

export interface ServedStream {
  readonly stream: Http2Stream;
  readonly fields: HeaderFields;
  readonly received: Received;
}

export type Serve = (served: ServedStream) => void;

/** Answers with what was sent, when all of it has come. */
export const echo: Serve = ({ stream, received }) => {
  received.whenEnded = (): void => {
    stream.sendHeaders({ ':status': '200' });
    stream.write([received.body]);
    stream.end({ 'x-bytes': String(received.body.byteLength) });
  };
};

/** Answers with what comes while it comes, and takes no more than it can write. */
export function relayAll(stream: Http2Stream, received: Received): void {
  stream.sendHeaders({ ':status': '200' });
  received.onChunk = (chunk): void => {
    if (!stream.write([Buffer.from(chunk)])) stream.pause();
  };
  received.whenDrained = (): void => stream.resume();
  received.whenEnded = (): void => stream.end({ 'x-end': 'yes' });
}

export interface Connection {
  readonly http2: Http2Connection;
  /** Resolves with the error when the connection is gone. */
  readonly closed: Promise<unknown>;
  goAways: number;
}

export class TestServer {
  readonly account = new CountingAccount();
  readonly connections: Connection[] = [];
  readonly streams: ServedStream[] = [];
  readonly #serve: Serve;
  readonly #options: Partial<Http2Options>;
  readonly server: Server;

  constructor(serve: Serve, options: Partial<Http2Options> = {}) {
    this.#serve = serve;
    this.#options = options;
    this.server = createServer({ noDelay: true }, (socket) => this.take(socket));
  }

  static async listen(serve: Serve = echo, options: Partial<Http2Options> = {}): Promise<TestServer> {
    const server = new TestServer(serve, options);
    server.server.listen(0, '127.0.0.1');
    await once(server.server, 'listening');
    return server;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  take(socket: Duplex): void {
    this.connections.push(
      connectionOver(
        socket,
        { role: 'server', streamsMax: 100, account: this.account, ...this.#options },
        (stream, fields) => {
          const received = new Received();
          received.headers = fields;
          stream.listener = received;
          const served = { stream, fields, received };
          this.streams.push(served);
          this.#serve(served);
        },
      ),
    );
  }

  /** Resolves when everything is closed; the accounts must be even then. */
  async close(): Promise<void> {
    for (const { http2 } of this.connections) http2.destroy();
    await Promise.all(this.connections.map(({ closed }) => closed));
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export function connectionOver(
  socket: Duplex,
  options: Pick<Http2Options, 'role'> & Partial<Http2Options>,
  onStream?: (stream: Http2Stream, fields: HeaderFields) => void,
): Connection {
  let settle: (error: unknown) => void = () => undefined;
  const closed = new Promise<unknown>((resolve) => {
    settle = resolve;
  });
  const http2 = new Http2Connection(
    socket,
    { streamWindowBytes: 8 * MiB, connectionWindowBytes: 32 * MiB, ...options },
    {
      ...(onStream !== undefined && { stream: onStream }),
      goAway: () => {
        connection.goAways += 1;
      },
      closed: settle,
    },
  );
  const connection: Connection = { http2, closed, goAways: 0 };
  http2.open();
  return connection;
}

export async function openClient(port: number, options: Partial<Http2Options> = {}): Promise<Connection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return connectionOver(socket, { role: 'client', ...options });
}

export const postFields: OutgoingFields = {
  ':method': 'POST',
  ':scheme': 'http',
  ':authority': 'here',
  ':path': '/echo',
};

export function request(
  { http2 }: Connection,
  fields: OutgoingFields = postFields,
): { stream: Http2Stream; received: Received } {
  const stream = http2.request(fields);
  const received = new Received();
  stream.listener = received;
  return { stream, received };
}

/** Sends a body and resolves when the stream is over. */
export async function exchange(
  connection: Connection,
  body: Uint8Array,
): Promise<{ received: Received; closed: ClosedWith }> {
  const { stream, received } = request(connection);
  stream.write([body], true);
  return { received, closed: await received.closed };
}
