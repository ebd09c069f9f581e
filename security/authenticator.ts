/**
 * Who may speak at the public doors: the one place that says whether a password or a token is good. Each door takes
 * what its protocol shows (a header, a command) as a `Credential`, asks here, and refuses in its own words.
 *
 * A refusal says the same whether credentials were missing, wrong or known to nobody; which it was is counted by door.
 */
import type { SecretSource } from './secrets.ts';

export type Credential =
  | { readonly kind: 'none' }
  /** Something was shown that is no credential. */
  | { readonly kind: 'malformed' }
  | { readonly kind: 'token' | 'password'; readonly secret: string };

export type RefusalReason = 'missing' | 'malformed' | 'wrong' | 'certificate' | 'handshake';

export type Admission =
  /** `identity` is undefined where nothing is asked for. */
  | { readonly kind: 'admitted'; readonly identity: string | undefined }
  | { readonly kind: 'refused'; readonly reason: RefusalReason };

/** What a refusal says, whatever was wrong. */
export const refusalText = 'credentials are missing or not accepted';

const anybody: Admission = { kind: 'admitted', identity: undefined };

export class Authenticator {
  readonly #token: SecretSource | undefined;
  readonly #password: SecretSource | undefined;

  /** Without token and password, everybody is admitted. */
  constructor(
    accepted: { readonly token?: SecretSource | undefined; readonly password?: SecretSource | undefined } = {},
  ) {
    this.#token = accepted.token;
    this.#password = accepted.password;
  }

  get isRequired(): boolean {
    return this.#token !== undefined || this.#password !== undefined;
  }

  /** Kinds of credentials that are taken, of which one is asked for. */
  get kinds(): ('token' | 'password')[] {
    return [
      ...(this.#token === undefined ? [] : ['token' as const]),
      ...(this.#password === undefined ? [] : ['password' as const]),
    ];
  }

  /** Values of WWW-Authenticate, one for each kind of credential that is taken. */
  get challenges(): string[] {
    return [
      ...(this.#token === undefined ? [] : ['Bearer realm="kvcache"']),
      ...(this.#password === undefined ? [] : ['Basic realm="kvcache", charset="UTF-8"']),
    ];
  }

  check(credential: Credential): Admission {
    if (!this.isRequired) return anybody;
    if (credential.kind === 'none') return { kind: 'refused', reason: 'missing' };
    if (credential.kind === 'malformed') return { kind: 'refused', reason: 'malformed' };
    const accepted = credential.kind === 'token' ? this.#token : this.#password;
    if (accepted?.value.accepted.accepts(credential.secret) !== true) return { kind: 'refused', reason: 'wrong' };
    return { kind: 'admitted', identity: credential.kind };
  }
}

/** What an `authorization` header shows (RFC 9110, 11.6.2): a Bearer token, or Basic with any user name. */
export function credentialOfHeader(header: string | undefined): Credential {
  if (header === undefined) return { kind: 'none' };
  const [, scheme, shown] = /^(\S+) +(\S+)$/.exec(header) ?? [];
  if (scheme === undefined || shown === undefined) return { kind: 'malformed' };
  if (scheme.toLowerCase() === 'bearer') return { kind: 'token', secret: shown };
  if (scheme.toLowerCase() !== 'basic') return { kind: 'malformed' };
  const decoded = Buffer.from(shown, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  return colon < 0 ? { kind: 'malformed' } : { kind: 'password', secret: decoded.slice(colon + 1) };
}

/** The `authorization` header of a client. */
export function headerOfCredential(kind: 'token' | 'password', secret: string): string {
  return kind === 'token' ? `Bearer ${secret}` : `Basic ${Buffer.from(`kvcache:${secret}`, 'utf8').toString('base64')}`;
}
