/**
 * Who may ask: client certificate, then credentials, then where a browser says that the request comes from.
 *
 * A page of another site may make a browser send requests here, and no password protects a cache that has none; what
 * changes something is refused when the browser says that another site sent it (Fetch Metadata, which every browser
 * sends and no page can forge). Other clients send no such header.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type Authenticator, credentialOfHeader, refusalText } from '../../security/authenticator.ts';
import type { Refusals } from '../../security/figures.ts';
import { type ServerTlsSource, shownCertificate } from '../../security/tls.ts';
import { type Answer, json } from './answer.ts';

export interface HttpSecurity {
  readonly tls?: ServerTlsSource | undefined;
  readonly authenticator: Authenticator;
}

export type GateAdmission =
  | { readonly kind: 'admitted'; readonly identity: string | undefined }
  | { readonly kind: 'refused'; readonly answer: Answer };

/** The dashboard asks for credentials itself: the challenge for a password would open the browser's own window. */
export const dashboardHeader = 'kvcache-dashboard';

export class Gatekeeper {
  readonly #security: HttpSecurity | undefined;
  readonly #refusals: Refusals | undefined;

  /** Without security everybody is admitted. */
  constructor(security: HttpSecurity | undefined, refusals: Refusals | undefined) {
    this.#security = security;
    this.#refusals = refusals;
  }

  admit(request: IncomingMessage, isOpen: boolean): GateAdmission {
    if (isForeign(request)) return { kind: 'refused', answer: foreign };
    if (isOpen || this.#security === undefined) return { kind: 'admitted', identity: undefined };
    const { tls, authenticator } = this.#security;
    if (tls !== undefined && !isCertified(request.socket, tls)) {
      this.#refusals?.add('http', 'certificate');
      return { kind: 'refused', answer: withoutCertificate };
    }
    const admission = authenticator.check(credentialOfHeader(request.headers.authorization));
    if (admission.kind === 'admitted') return admission;
    this.#refusals?.add('http', admission.reason);
    const challenges = request.headers[dashboardHeader] === undefined ? authenticator.challenges : ['Form'];
    // The connection is not kept: what is left of a body that nobody wants would have to be read first.
    const headers = { connection: 'close', 'www-authenticate': challenges };
    return { kind: 'refused', answer: json(401, { error: refusalText }, headers) };
  }
}

const foreign = json(403, { error: 'requests of other sites may not change anything here' }, { connection: 'close' });
const withoutCertificate = json(
  403,
  { error: 'this needs a client certificate that is accepted here' },
  { connection: 'close' },
);

function isForeign({ method, headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  return method !== 'GET' && method !== 'HEAD' && (site === 'cross-site' || site === 'same-site');
}

function isCertified(socket: Socket, { clientAuthentication }: ServerTlsSource): boolean {
  if (clientAuthentication === 'none' || !(socket instanceof TLSSocket)) return true;
  const { kind } = shownCertificate(socket);
  return kind === 'verified' || (kind === 'none' && clientAuthentication === 'optional');
}
