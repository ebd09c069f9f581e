/**
 * Where a client's calls go and what they show there: address, TLS, credentials. The same for all channels of a client.
 *
 * Certificates and credentials may lie in files, as pods have them mounted. They are followed: a new connection takes
 * the certificate that is there by then, and the next call the token.
 */
import { KvcacheError } from '../errors.ts';
import { GrpcChannel, type GrpcChannelOptions } from '../grpc/client.ts';
import type { GrpcMetadata } from '../grpc/status.ts';
import { headerOfCredential } from '../security/authenticator.ts';
import { fixedSecret, type SecretSource, watchSecrets } from '../security/secrets.ts';
import type { ChannelTlsSource } from '../security/tls.ts';
import { channelTlsOf, watchTls } from '../security/tls-files.ts';
import type { NamedFile } from '../security/watched-files.ts';
import { passwordPattern, tokenPattern } from '../settings/types.ts';
import type { ClientCredentials, ClientOptions, ClientTls } from './options.ts';

const defaultServer = 'localhost:50051';

export class Endpoint {
  /** host:port */
  readonly server: string;
  readonly #tls: ChannelTlsSource | undefined;
  readonly #metadata: (() => GrpcMetadata) | undefined;
  readonly #watched: { close(): void }[] = [];

  /** Throws KvcacheError CONFIG for an address that is none, and for files that are missing or wrong. */
  constructor(options: ClientOptions) {
    const { server, scheme } = parseServer(serverOf(options));
    if (scheme === 'http' && options.tls !== undefined && options.tls !== false) {
      throw new KvcacheError('CONFIG', `the server is 'http://${server}' and TLS is asked for; write https://`);
    }
    if (scheme === 'https' && options.tls === false) {
      throw new KvcacheError('CONFIG', `the server is 'https://${server}' and TLS is turned off; write http://`);
    }
    this.server = server;
    this.#tls = this.#tlsSource(options.tls ?? scheme === 'https');
    this.#metadata = this.#metadataSource(options.credentials);
  }

  channel(options: GrpcChannelOptions = {}): GrpcChannel {
    return new GrpcChannel(this.server, { ...options, tls: this.#tls, metadata: this.#metadata });
  }

  /** Stops to follow files. Channels are closed by who made them. */
  close(): void {
    for (const watched of this.#watched.splice(0)) watched.close();
  }

  #tlsSource(tls: boolean | ClientTls): ChannelTlsSource | undefined {
    if (typeof tls === 'boolean') return tls ? {} : undefined;
    const { caFile, certFile, keyFile, serverName } = tls;
    if ((certFile === undefined) !== (keyFile === undefined)) {
      throw new KvcacheError('CONFIG', 'a client certificate needs both certFile and keyFile');
    }
    if (caFile === undefined && certFile === undefined) return { serverName };
    const watched = watchTls(
      { ca: named('caFile', caFile), cert: named('certFile', certFile), key: named('keyFile', keyFile) },
      warn,
    );
    this.#watched.push(watched);
    return channelTlsOf(watched, serverName);
  }

  #metadataSource(credentials: ClientCredentials | undefined): (() => GrpcMetadata) | undefined {
    if (credentials === undefined) return undefined;
    const { kind, secret } = this.#secretSource(credentials);
    // Made again only when the file says something else.
    let made: { readonly of: string; readonly metadata: GrpcMetadata } | undefined;
    return () => {
      const { first } = secret.value;
      if (made?.of !== first) made = { of: first, metadata: { authorization: headerOfCredential(kind, first) } };
      return made.metadata;
    };
  }

  #secretSource(credentials: ClientCredentials): { kind: 'token' | 'password'; secret: SecretSource } {
    if ('token' in credentials) {
      if (!tokenPattern.test(credentials.token)) {
        throw new KvcacheError('CONFIG', 'the token has characters that no token has; printable ASCII without spaces');
      }
      return { kind: 'token', secret: fixedSecret(credentials.token) };
    }
    if ('password' in credentials) return { kind: 'password', secret: fixedSecret(credentials.password) };
    const [kind, name, path, pattern] =
      'tokenFile' in credentials
        ? (['token', 'tokenFile', credentials.tokenFile, tokenPattern] as const)
        : (['password', 'passwordFile', credentials.passwordFile, passwordPattern] as const);
    const watched = watchSecrets({ name, path }, pattern, warn);
    this.#watched.push(watched);
    return { kind, secret: watched };
  }
}

/** As it was given: host:port or a URL. */
function serverOf(options: ClientOptions): string {
  const server = options.server ?? process.env['KVSTORE_GRPC_SERVER'] ?? '';
  return server === '' ? defaultServer : server;
}

function parseServer(given: string): { readonly server: string; readonly scheme: 'http' | 'https' | undefined } {
  const [, scheme, server] = /^(?:(https?):\/\/)?([^/\s]+)\/?$/.exec(given) ?? [];
  if (server === undefined || !/:\d{1,5}$/.test(server)) {
    throw new KvcacheError('CONFIG', `the server is '${given}'; it must be host:port or https://host:port`);
  }
  return { server, scheme: scheme as 'http' | 'https' | undefined };
}

function named(name: string, path: string | undefined): NamedFile | undefined {
  return path === undefined ? undefined : { name, path };
}

/** A library has no log of its own. */
function warn(message: string): void {
  process.emitWarning(`${message}; what it said before stays in force`, 'KvcacheWarning');
}
