/** Certificates, keys and authorities in files: checked when they are read, followed while the process runs. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { KvcacheError, messageOf } from '../errors.ts';
import type { ChannelTls, ClientAuthentication, ServerTls, ServerTlsSource } from './tls.ts';
import { type NamedFile, WatchedFiles } from './watched-files.ts';

/** Where the texts lie, each with the setting that says so. */
export interface TlsFiles {
  readonly cert?: NamedFile | undefined;
  readonly key?: NamedFile | undefined;
  readonly ca?: NamedFile | undefined;
}

/** What files say at one time. */
export interface TlsTexts {
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  /** Of the certificate. */
  readonly identity?: CertificateIdentity;
}

export interface CertificateIdentity {
  readonly subject: string;
  readonly fingerprint: string;
  readonly validUntilMs: number;
}

export type WatchedTls = WatchedFiles<TlsTexts>;

/** Throws KvcacheError CONFIG for a file that is missing or no PEM, and for a key that is another certificate's. */
export function watchTls(files: TlsFiles, onFault: (message: string) => void, pollIntervalMs?: number): WatchedTls {
  const kinds = (['cert', 'key', 'ca'] as const).filter((kind) => files[kind] !== undefined);
  return new WatchedFiles({
    files: kinds.map((kind) => files[kind]!),
    parse: (texts) => checked(files, Object.fromEntries(kinds.map((kind, index) => [kind, texts[index]!]))),
    onFault,
    pollIntervalMs,
  });
}

/** For a listener. The files must have a certificate and a key. */
export function serverTlsOf(watched: WatchedTls, clientAuthentication: ClientAuthentication): ServerTlsSource {
  return {
    clientAuthentication,
    get current() {
      return serverTls(watched.value);
    },
    onChange: (listener) => watched.onChange((texts) => listener(serverTls(texts))),
  };
}

/** For a client: what it shows and trusts at its next connection. */
export function channelTlsOf(watched: WatchedTls, serverName: string | undefined): () => ChannelTls {
  return () => ({ ...watched.value, serverName });
}

function serverTls({ cert, key, ca }: TlsTexts): ServerTls {
  if (cert === undefined || key === undefined) throw new Error('a listener has a certificate and a key');
  return { cert, key, ca };
}

function checked(files: TlsFiles, texts: Partial<Record<'cert' | 'key' | 'ca', string>>): TlsTexts {
  const { cert, key, ca } = texts;
  if (ca !== undefined) for (const text of certificatesIn(files.ca!, ca)) certificateOf(files.ca!, text);
  if (cert === undefined || key === undefined) return texts;
  // The first is the process's own; what follows is the chain up to an authority that others know.
  const own = certificatesIn(files.cert!, cert).map((text) => certificateOf(files.cert!, text))[0]!;
  const { name, path } = files.key!;
  let privateKey;
  try {
    privateKey = createPrivateKey(key);
  } catch (error) {
    // OpenSSL's text tells what it expected and nothing of the key.
    throw new KvcacheError('CONFIG', `${name} is '${path}', which is no private key in PEM (${messageOf(error)})`);
  }
  if (!own.checkPrivateKey(privateKey)) {
    throw new KvcacheError(
      'CONFIG',
      `${name} ('${path}') is not the key of ${files.cert!.name} ('${files.cert!.path}')`,
    );
  }
  try {
    // What only OpenSSL's policy refuses: keys that are too short, digests that are too weak.
    createSecureContext({ cert, key, ...(ca !== undefined && { ca }) });
  } catch (error) {
    throw new KvcacheError(
      'CONFIG',
      `${files.cert!.name} is '${files.cert!.path}', which TLS refuses (${messageOf(error)})`,
    );
  }
  const { subject, fingerprint256, validToDate } = own;
  const identity = {
    subject: subject?.replaceAll('\n', ', ') ?? '',
    fingerprint: fingerprint256,
    validUntilMs: validToDate.getTime(),
  };
  return { ...texts, identity };
}

const certificatePattern = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function certificatesIn({ name, path }: NamedFile, text: string): string[] {
  const found = text.match(certificatePattern);
  if (found) return [...found];
  throw new KvcacheError('CONFIG', `${name} is '${path}', which has no certificate in PEM`);
}

function certificateOf({ name, path }: NamedFile, text: string): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch (error) {
    throw new KvcacheError('CONFIG', `${name} is '${path}', which has a broken certificate (${messageOf(error)})`);
  }
}
