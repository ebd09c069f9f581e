/**
 * The socket under a connection of a channel: plain TCP, or TLS that agreed on HTTP/2. A connection to a peer that did not
 * agree would talk to who knows what, so nothing is sent before it has.
 */
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type ChannelTls, tlsVersionMin } from '../security/tls.ts';
import { SocketReads } from '../socket-reads.ts';

/** What became of an attempt, as far as it went. */
export interface Dialled {
  readonly socket: Socket;
  /** Whoever takes what it reads has to be named here; of TLS it comes as the socket's `data`. */
  readonly reads: SocketReads;
  /** Whether the TCP connection stood. */
  readonly isDialled: () => boolean;
}

/**
 * `target`: host:port. Throws where certificate, key or authorities are no PEM or do not belong together.
 * `connected` is called when the socket may be written to, and not before this has returned.
 */
export function dial(target: string, tls: ChannelTls | undefined, connected: () => void): Dialled {
  const { hostname, port } = new URL(`http://${target}`);
  const host = hostname.replace(/^\[|\]$/g, '');
  const address = { host, port: Number(port === '' ? (tls === undefined ? 80 : 443) : port), noDelay: true };
  let isDialled = false;
  const reads = new SocketReads();
  const socket = tls === undefined ? connect({ ...address, onread: reads.onread }) : connectSecurely(address, tls);
  socket.once('connect', () => (isDialled = true));
  if (tls === undefined) {
    socket.once('connect', connected);
  } else {
    socket.once('secureConnect', () => {
      if ((socket as TLSSocket).alpnProtocol === 'h2') connected();
      else socket.destroy(Object.assign(new Error('no HTTP/2 by ALPN'), { code: 'ALERT_NO_APPLICATION_PROTOCOL' }));
    });
  }
  return { socket, reads, isDialled: () => isDialled };
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
