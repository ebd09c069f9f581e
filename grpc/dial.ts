/**
 * The session under a connection of a channel: plain HTTP/2, or TLS that agreed on HTTP/2.
 *
 * With TLS the socket is ours rather than http2's own. When a server refuses a client after the handshake, as TLS 1.3
 * does, http2's session is destroyed without ever saying so, because its socket is left open; and a session on a peer
 * that did not agree on HTTP/2 would talk to who knows what.
 */
import { type ClientHttp2Session, type ClientSessionOptions, connect } from 'node:http2';
import { isIP } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type ChannelTls, tlsVersionMin } from '../security/tls.ts';

/** What became of an attempt, as far as it went. */
export interface Dialled {
  readonly session: ClientHttp2Session;
  /** Whether the TCP connection stood. */
  readonly isDialled: () => boolean;
}

/** Throws where certificate, key or authorities are no PEM or do not belong together. */
export function dial(target: string, options: ClientSessionOptions, tls: ChannelTls | undefined): Dialled {
  if (tls === undefined) return dialPlain(target, options);
  const socket = connectSocket(target, tls);
  let isDialled = false;
  socket.once('connect', () => (isDialled = true));
  const session = connect(`https://${target}`, { ...options, createConnection: () => socket });
  // After http2's own listener: it takes the socket's handle, which a destroyed socket has not, and Node would abort.
  socket.once('secureConnect', () => requireHttp2(socket));
  return { session, isDialled: () => isDialled };
}

function dialPlain(target: string, options: ClientSessionOptions): Dialled {
  let isDialled = false;
  const session = connect(`http://${target}`, options, (_, socket) => {
    isDialled = socket.remoteAddress !== undefined;
  });
  return { session, isDialled: () => isDialled };
}

function connectSocket(target: string, { ca, cert, key, serverName }: ChannelTls): TLSSocket {
  const { hostname, port } = new URL(`https://${target}`);
  const host = hostname.replace(/^\[|\]$/g, '');
  const name = serverName ?? (isIP(host) === 0 ? host : undefined);
  const socket = connectTls({
    host,
    port: port === '' ? 443 : Number(port),
    ALPNProtocols: ['h2'],
    minVersion: tlsVersionMin,
    ...(name !== undefined && { servername: name }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  });
  socket.on('error', (error) => socket.destroy(error));
  return socket;
}

function requireHttp2(socket: TLSSocket): void {
  if (socket.alpnProtocol === 'h2') return;
  socket.destroy(Object.assign(new Error('no HTTP/2 by ALPN'), { code: 'ALERT_NO_APPLICATION_PROTOCOL' }));
}
