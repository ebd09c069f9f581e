/**
 * Where a client's calls go and what they show there: addresses, TLS, credentials. The same for all channels of a client.
 *
 * Certificates and credentials may lie in files, as pods have them mounted. They are followed: a new connection takes
 * the certificate that is there by then, and the next call the token.
 */
import { KvcacheError } from '../errors.ts';
import { GrpcChannel, type GrpcChannelOptions } from '../grpc/client.ts';
import type { GrpcMetadata } from '../grpc/status.ts';
import { clientServersMax } from '../limits.ts';
import { headerOfCredential } from '../security/authenticator.ts';
import { fixedSecret, type SecretSource, watchSecrets } from '../security/secrets.ts';
import type { ChannelTlsSource } from '../security/tls.ts';
import { channelTlsOf, watchTls } from '../security/tls-files.ts';
import type { NamedFile } from '../security/watched-files.ts';
import { passwordPattern, tokenPattern } from '../settings/types.ts';
import { Channels } from './channels.ts';
import type { ClientCredentials, ClientOptions, ClientTls } from './options.ts';

const defaultServer = 'localhost:50051';

export class Endpoint {
  /** host:port, or several with commas between them. */
  readonly server: string;
  readonly #targets: readonly string[];
  readonly #tls: ChannelTlsSource | undefined;
  readonly #metadata: (() => GrpcMetadata) | undefined;
  readonly #watched: { close(): void }[] = [];

  /** Throws KvcacheError CONFIG for an address that is none, and for files that are missing or wrong. */
  constructor(options: ClientOptions) {
    const { targets, scheme } = parseServers(serversOf(options));
    const server = targets.join(',');
    if (scheme === 'http' && options.tls !== undefined && options.tls !== false) {
      throw new KvcacheError('CONFIG', `the server is 'http://${server}' and TLS is asked for; write https://`);
    }
    if (scheme === 'https' && options.tls === false) {
      throw new KvcacheError('CONFIG', `the server is 'https://${server}' and TLS is turned off; write http://`);
    }
    this.server = server;
    this.#targets = targets;
    this.#tls = this.#tlsSource(options.tls ?? scheme === 'https');
    this.#metadata = this.#metadataSource(options.credentials);
  }

  channels(options: GrpcChannelOptions = {}): Channels {
    const shared = { ...options, tls: this.#tls, metadata: this.#metadata };
    return new Channels(this.#targets.map((target) => new GrpcChannel(target, shared)));
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

/** As they were given: host:port or URLs. */
function serversOf({ server = process.env['KVSTORE_GRPC_SERVER'] ?? '' }: ClientOptions): readonly string[] {
  const servers = typeof server === 'string' ? server.split(',') : server;
  return servers.length === 1 && servers[0] === '' ? [defaultServer] : servers;
}

type Scheme = 'http' | 'https' | undefined;

function parseServers(given: readonly string[]): { readonly targets: readonly string[]; readonly scheme: Scheme } {
  if (given.length === 0 || given.length > clientServersMax) {
    throw new KvcacheError('CONFIG', `${given.length} servers are given; it must be 1 to ${clientServersMax}`);
  }
  const parsed = given.map(parseServer);
  // One scheme is for all: they are one cluster.
  const schemes = new Set(parsed.flatMap(({ scheme }) => scheme ?? []));
  if (schemes.size > 1) {
    throw new KvcacheError('CONFIG', `the servers are '${given.join(',')}'; write https:// or http://, not both`);
  }
  const targets = [...new Set(parsed.map(({ server }) => server))];
  return { targets, scheme: [...schemes][0] };
}

function parseServer(given: string): { readonly server: string; readonly scheme: Scheme } {
  const [, scheme, server] = /^(?:(https?):\/\/)?([^/\s]+)\/?$/.exec(given.trim()) ?? [];
  if (server === undefined || !/:\d{1,5}$/.test(server)) {
    throw new KvcacheError('CONFIG', `the server is '${given}'; it must be host:port or https://host:port`);
  }
  return { server, scheme: scheme as Scheme };
}

function named(name: string, path: string | undefined): NamedFile | undefined {
  return path === undefined ? undefined : { name, path };
}

/** A library has no log of its own. */
function warn(message: string): void {
  process.emitWarning(`${message}; what it said before stays in force`, 'KvcacheWarning');
}
