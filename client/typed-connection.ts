/**
 * One connection of the binary protocol, from the client's side: requests go out as they come, and responses belong to
 * them in order. It is made with the first request, and made anew with the next one after it was lost; what was under
 * way then fails with UNAVAILABLE, and may or may not have been done.
 */
import { readFileSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectSecure } from 'node:tls';
import { commandCodes, frameHead, statusCodes } from '../doors/tcp/protocol.ts';
import { FrameReader } from '../doors/tcp/frame-reader.ts';
import { messageOf } from '../errors.ts';
import { tcpConnectTimeoutMs, tcpPayloadBytesMax } from '../limits.ts';
import { tlsVersionMin } from '../security/tls.ts';
import { CallError } from './call-error.ts';
import type { ClientTls } from './options.ts';

export interface TypedTarget {
  readonly host: string;
  readonly port: number;
  readonly tls: ClientTls | undefined;
  readonly password: string | undefined;
}

export interface TypedResponse {
  readonly status: number;
  readonly payload: Buffer;
}

interface Waiting {
  readonly resolve: (response: TypedResponse) => void;
  readonly reject: (error: CallError) => void;
}

export class TypedConnection {
  readonly #target: TypedTarget;
  #socket: Socket | undefined;
  #waiting: Waiting[] = [];
  #isClosed = false;

  constructor(target: TypedTarget) {
    this.#target = target;
  }

  /** Requests that are not answered. */
  get load(): number {
    return this.#waiting.length;
  }

  request(code: number, payload: readonly Uint8Array[]): Promise<TypedResponse> {
    const bytes = payload.reduce((sum, part) => sum + part.byteLength, 0);
    if (bytes > tcpPayloadBytesMax) {
      const text = `the request has ${bytes} bytes; at most ${tcpPayloadBytesMax} are allowed`;
      return Promise.reject(new CallError('TOOLARGE', text, true));
    }
    if (this.#isClosed) return Promise.reject(new CallError('CANCELLED', 'the client is closed', true));
    const socket = (this.#socket ??= this.#open());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      send(socket, code, bytes, payload);
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#socket?.destroy();
  }

  #open(): Socket {
    const { host, port, tls, password } = this.#target;
    const socket =
      tls === undefined
        ? connectPlain({ host, port, noDelay: true })
        : connectSecure({ host, port, ...tlsOf(tls, host) });
    socket.setNoDelay(true);
    const reader = new FrameReader();
    let cause = 'the connection was closed';
    socket.setTimeout(tcpConnectTimeoutMs, () => socket.destroy(new Error('no connection in time')));
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => socket.setTimeout(0));
    socket.on('error', (error) => {
      cause = messageOf(error);
    });
    socket.on('close', () => this.#lost(socket, `${host}:${port}: ${cause}`));
    socket.on('data', (chunk) => {
      reader.feed(chunk as Buffer);
      let outcome = reader.next();
      for (; outcome === 'frame'; outcome = reader.next()) this.#answered(reader.code, reader.payload);
      if (outcome === 'too-large') socket.destroy(new Error(`a response claims ${reader.claimedBytes} bytes`));
    });
    if (password !== undefined) this.#authenticate(socket, password);
    return socket;
  }

  /** The first request; a password that is not taken ends the connection, with all that was sent behind it. */
  #authenticate(socket: Socket, password: string): void {
    const bytes = Buffer.from(password, 'utf8');
    this.#waiting.push({
      resolve: ({ status, payload }) => {
        if (status === statusCodes.OK) return;
        const refused = new CallError('NOAUTH', payload.toString('utf8'), true);
        for (const { reject } of this.#waiting.splice(0)) reject(refused);
        socket.destroy();
      },
      // Whoever waits behind it is told.
      reject: () => undefined,
    });
    send(socket, commandCodes.AUTH, bytes.byteLength, [bytes]);
  }

  #answered(status: number, payload: Buffer): void {
    this.#waiting.shift()?.resolve({ status, payload });
  }

  #lost(socket: Socket, reason: string): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    const error = this.#isClosed
      ? new CallError('CANCELLED', 'the client was closed', false)
      : new CallError('UNAVAILABLE', reason, false);
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

function send(socket: Socket, code: number, bytes: number, payload: readonly Uint8Array[]): void {
  socket.cork();
  socket.write(frameHead(code, bytes));
  for (const part of payload) socket.write(part);
  process.nextTick(() => socket.uncork());
}

/** Files are read for every connection: a new one takes what they say by then. */
function tlsOf({ caFile, certFile, keyFile, serverName }: ClientTls, host: string): object {
  return {
    minVersion: tlsVersionMin,
    servername: serverName ?? host,
    ...(caFile !== undefined && { ca: readFileSync(caFile) }),
    ...(certFile !== undefined && { cert: readFileSync(certFile) }),
    ...(keyFile !== undefined && { key: readFileSync(keyFile) }),
  };
}
