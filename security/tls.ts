/**
 * TLS as listeners and clients take it: PEM texts and who must show what. Where the texts come from is nobody's
 * business here (security/tls-files.ts follows files); that they change while a process runs is.
 *
 * Session tickets are off. They save a client that comes back half a handshake, and would let one whose certificate is
 * no longer accepted come back without showing it: connections live for half an hour and are few.
 */
import { constants } from 'node:crypto';
import type { SecureContextOptions, TlsOptions, TLSSocket } from 'node:tls';
import { tlsHandshakeTimeoutMs } from '../limits.ts';

/** What a client shows and trusts; each field in PEM. */
export interface ChannelTls {
  /** The authorities that servers are believed by. Undefined: those that the system trusts. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name that the server's certificate must have, in place of the host that was dialled. */
  readonly serverName?: string | undefined;
}

/** As it stands, or asked for at every new connection. */
export type ChannelTlsSource = ChannelTls | (() => ChannelTls);

/** What a listener shows and asks for; texts in PEM. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string | undefined;
}

/** Whether clients must show a certificate: `optional` refuses calls of those that show one that is not good. */
export type ClientAuthentication = 'none' | 'optional' | 'required';

export interface ServerTlsSource {
  readonly current: ServerTls;
  readonly clientAuthentication: ClientAuthentication;
  /** Calls back after every change; answers how to stop that. */
  onChange(listener: (tls: ServerTls) => void): () => void;
}

export const tlsVersionMin = 'TLSv1.2';

export function channelTlsOf(source: ChannelTlsSource): ChannelTls {
  return typeof source === 'function' ? source() : source;
}

/** What `setSecureContext` takes, and `createServer` at first. */
export function secureContextOf({ cert, key, ca }: ServerTls): SecureContextOptions {
  return {
    cert,
    key,
    ...(ca !== undefined && { ca }),
    minVersion: tlsVersionMin,
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** Of a listener that leaves clients without a good certificate to the handshake, or (`isLenient`) to its routes. */
export function listenerTlsOf(source: ServerTlsSource, isLenient = false): TlsOptions & SecureContextOptions {
  const { current, clientAuthentication } = source;
  return {
    ...secureContextOf(current),
    requestCert: clientAuthentication !== 'none',
    rejectUnauthorized: clientAuthentication === 'required' && !isLenient,
    handshakeTimeout: tlsHandshakeTimeoutMs,
  };
}

/** What the client showed: nothing, something that no authority of ours has signed, or its verified name. */
export type ShownCertificate =
  | { readonly kind: 'none' }
  | { readonly kind: 'unverified' }
  | { readonly kind: 'verified'; readonly name: string };

export function shownCertificate(socket: TLSSocket): ShownCertificate {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { kind: 'none' };
  if (!socket.authorized) return { kind: 'unverified' };
  return { kind: 'verified', name: certificate.subject.replaceAll('\n', ', ') };
}

/** Why a handshake failed, as far as it is worth counting apart. */
export type HandshakeFault = 'certificate' | 'handshake';

export function handshakeFaultOf(error: NodeJS.ErrnoException, socket: TLSSocket): HandshakeFault {
  const isMissing = error.code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE';
  // Typed as an Error, it is the code of the verification's failure, or null.
  return isMissing || Boolean(socket.authorizationError) ? 'certificate' : 'handshake';
}
