/**
 * The socket under a connection of a channel: plain TCP, or TLS that agreed on HTTP/2. A connection to a peer that did not
 * agree would talk to who knows what, so nothing is sent before it has.
 */
import { connect, isIP, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { ReadMemory } from '../http2/read-memory.ts';
import { type ChannelTls, tlsVersionMin } from '../security/tls.ts';

/** Whose socket it is. */
export interface SocketUser {
  /** The socket may be written to. */
  connected(): void;
  /** What it has read. Of TLS it comes as the socket's `data`. */
  receive(chunk: Buffer): void;
  /** Where its next bytes belong, if that is known. */
  whereNext(): Buffer | undefined;
}

/** What became of an attempt, as far as it went. */
export interface Dialled {
  readonly socket: Socket;
  /** Whether the TCP connection stood. */
  readonly isDialled: () => boolean;
}

/**
 * `target`: host:port. Throws where certificate, key or authorities are no PEM or do not belong together. The user hears
 * of nothing before this has returned.
 */
export function dial(target: string, tls: ChannelTls | undefined, user: SocketUser): Dialled {
  const { hostname, port } = new URL(`http://${target}`);
  const host = hostname.replace(/^\[|\]$/g, '');
  const address = { host, port: Number(port === '' ? (tls === undefined ? 80 : 443) : port), noDelay: true };
  let isDialled = false;
  const socket = tls === undefined ? connect({ ...address, onread: readsFor(user) }) : connectSecurely(address, tls);
  socket.once('connect', () => (isDialled = true));
  if (tls === undefined) {
    socket.once('connect', () => user.connected());
  } else {
    socket.once('secureConnect', () => {
      if ((socket as TLSSocket).alpnProtocol === 'h2') user.connected();
      else socket.destroy(Object.assign(new Error('no HTTP/2 by ALPN'), { code: 'ALERT_NO_APPLICATION_PROTOCOL' }));
    });
  }
  return { socket, isDialled: () => isDialled };
}

function readsFor(user: SocketUser): OnReadOpts {
  // The first memory is asked for before anybody can know where bytes belong.
  let hasRead = false;
  const memory = new ReadMemory(() => (hasRead ? user.whereNext() : undefined));
  return {
    buffer: () => memory.next(),
    callback: (bytes) => {
      hasRead = true;
      user.receive(memory.take(bytes));
      return true;
    },
  };
}

function connectSecurely(
  address: { readonly host: string; readonly port: number; readonly noDelay: boolean },
  { ca, cert, key, serverName }: ChannelTls,
): TLSSocket {
  const name = serverName ?? (isIP(address.host) === 0 ? address.host : undefined);
  return connectTls({
    ...address,
    ALPNProtocols: ['h2'],
    minVersion: tlsVersionMin,
    ...(name !== undefined && { servername: name }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  });
}
