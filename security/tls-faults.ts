/**
 * Why a connection could not be made, in words that say what to change.
 *
 * OpenSSL's own texts name a source file and a line. What people get wrong is little, and each has its code: TLS on one
 * side only, an authority that is not trusted, a name, a date, a certificate that is missing.
 */
import { messageOf } from '../errors.ts';

/** Codes of a chain that does not end at an authority that we trust. */
const untrusted: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
]);

/** Alerts by which a server refuses the certificate that it was shown. */
const refusedAlert = /ALERT_(BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_(REVOKED|EXPIRED|UNKNOWN)|ACCESS_DENIED)$/;

export interface ConnectAttempt {
  readonly target: string;
  readonly isTls: boolean;
  /** Whether the TCP connection stood. */
  readonly isDialled: boolean;
  /** Whether we have a certificate to show. */
  readonly showsCertificate: boolean;
}

/** The sentence for a connection on which HTTP/2 never began. `error` is undefined where it just closed. */
export function connectFault(error: unknown, attempt: ConnectAttempt): string {
  if (!attempt.isDialled) return error === undefined ? `no connection to ${attempt.target}` : messageOf(error);
  return attempt.isTls ? tlsFault(error, attempt) : plainFault(error, attempt);
}

function plainFault(error: unknown, { target }: ConnectAttempt): string {
  const how = error === undefined ? '' : ` (${messageOf(error)})`;
  return `${target} ended the connection before HTTP/2 began${how}; if it speaks TLS, connect with TLS`;
}

function tlsFault(error: unknown, { target, showsCertificate }: ConnectAttempt): string {
  const code = codeOf(error);
  if (code === 'CERT_HAS_EXPIRED') return `the certificate of ${target} has expired`;
  if (code === 'CERT_NOT_YET_VALID') return `the certificate of ${target} is not valid yet; compare the clocks`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `the certificate of ${target} is for another name (${reasonOf(error)}); connect by a name that it has, or say which name to expect`;
  }
  if (untrusted.has(code)) {
    return `the certificate of ${target} is signed by no authority that is trusted here (${code}); name the right CA file`;
  }
  if (code.endsWith('WRONG_VERSION_NUMBER')) return `${target} does not speak TLS; connect without it`;
  if (code.endsWith('ALERT_PROTOCOL_VERSION') || code.endsWith('UNSUPPORTED_PROTOCOL')) {
    return `${target} and this side have no version of TLS in common; 1.2 and 1.3 are spoken here`;
  }
  if (code.endsWith('ALERT_NO_APPLICATION_PROTOCOL')) return `${target} speaks TLS, but not HTTP/2 (ALPN h2)`;
  if (code.endsWith('ALERT_CERTIFICATE_REQUIRED')) return `${target} asks for a client certificate`;
  if (refusedAlert.test(code)) return `${target} does not accept this client’s certificate (${code})`;
  // Before TLS 1.3 a missing certificate has no alert of its own, and a refused one may end as a broken connection.
  const meant = showsCertificate ? 'may not accept this client’s certificate' : 'may ask for a client certificate';
  const what = error === undefined || code === 'ECONNRESET' ? 'closed the connection' : `refused TLS (${code})`;
  return `${target} ${what}; it ${meant}`;
}

function codeOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === 'string' ? code : 'unknown';
}

/** Node's sentence on names without its beginning, which ours says already. */
function reasonOf(error: unknown): string {
  return messageOf(error).replace("Hostname/IP does not match certificate's altnames: ", '');
}
