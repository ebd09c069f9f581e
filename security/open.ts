/** Opens what settings name: certificates and secrets, from files that are followed or as they were given. */
import { KvcacheError } from '../errors.ts';
import type { SettingName, Settings } from '../settings/schema.ts';
import { tokenPattern } from '../settings/types.ts';
import { fixedSecret, type SecretLines, type SecretSource, watchSecrets } from './secrets.ts';
import { type CertificateIdentity, type WatchedTls, watchTls } from './tls-files.ts';
import type { NamedFile, WatchedFiles } from './watched-files.ts';

/** pino's loggers fit. */
export interface SecurityLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Whatever follows files, until it is closed. */
export class Following {
  readonly log: SecurityLog;
  readonly #watched: { close(): void }[] = [];

  constructor(log: SecurityLog) {
    this.log = log;
  }

  /** Undefined where the settings name no certificate and no authority. */
  tls(settings: Settings, prefix: 'tls' | 'link.tls'): WatchedTls | undefined {
    const cert = namedFile(settings, `${prefix}.cert_file`);
    if (cert === undefined) return undefined;
    const files = {
      cert,
      key: namedFile(settings, `${prefix}.key_file`),
      ca: namedFile(settings, `${prefix}.ca_file`),
    };
    const watched = watchTls(files, (message) => this.#fault(message));
    this.#watched.push(watched);
    watched.onChange(({ identity }) => this.#certificateInForce(cert, identity));
    this.#certificateInForce(cert, watched.value.identity);
    return watched;
  }

  /** A secret that was given, or a file of them. */
  secret(
    settings: Settings,
    name: 'auth.password' | 'auth.token' | 'link.secret',
    pattern = tokenPattern,
  ): SecretSource | undefined {
    const given = settings[name];
    if (given !== undefined) return fixedSecret(given);
    const file = namedFile(settings, `${name}_file`);
    if (file === undefined) return undefined;
    const watched: WatchedFiles<SecretLines> = watchSecrets(file, pattern, (message) => this.#fault(message));
    this.#watched.push(watched);
    watched.onChange(() => this.log.info({ file: file.path }, `what ${file.name} says now is in force`));
    return watched;
  }

  close(): void {
    for (const watched of this.#watched.splice(0)) watched.close();
  }

  #fault(message: string): void {
    this.log.warn({}, `${message}; what it said before stays in force`);
  }

  #certificateInForce({ name, path }: NamedFile, identity: CertificateIdentity | undefined): void {
    if (identity === undefined) return;
    const { subject, fingerprint, validUntilMs } = identity;
    const fields = { file: path, subject, fingerprint, validUntil: new Date(validUntilMs).toISOString() };
    if (validUntilMs > Date.now()) this.log.info(fields, `the certificate of ${name} is in force`);
    else this.log.warn(fields, `the certificate of ${name} has expired: clients will refuse it`);
  }
}

function namedFile(settings: Settings, name: SettingName): NamedFile | undefined {
  const path = settings[name];
  if (path === undefined) return undefined;
  if (typeof path !== 'string') throw new KvcacheError('CONFIG', `${name} must be a path`);
  return { name, path };
}

/** Whether only this machine can reach an address, so that what travels there is seen by nobody else. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
