/**
 * What the public doors of a process show and ask for, by its settings. The two locks are apart: tls.client_auth
 * refuses connections, auth.* refuses calls, and where both are set a client needs both.
 */
import { passwordPattern } from '../settings/types.ts';
import type { Settings } from '../settings/schema.ts';
import { Authenticator } from './authenticator.ts';
import { Following, isLoopback, type SecurityLog } from './open.ts';
import { serverTlsOf } from './tls-files.ts';
import type { ServerTlsSource } from './tls.ts';

export interface DoorSecurity {
  readonly tls: ServerTlsSource | undefined;
  readonly authenticator: Authenticator;
  /** Seconds since 1970; undefined without a certificate. */
  readonly certificateExpirySeconds: () => number | undefined;
  /** Stops to follow the files. */
  close(): void;
}

/** Throws KvcacheError CONFIG for files that are missing or wrong. */
export function doorSecurity(settings: Settings, log: SecurityLog): DoorSecurity {
  const following = new Following(log);
  try {
    const watched = following.tls(settings, 'tls');
    const authenticator = new Authenticator({
      token: following.secret(settings, 'auth.token'),
      password: following.secret(settings, 'auth.password', passwordPattern),
    });
    if (authenticator.isRequired && !watched && !isLoopback(settings['grpc.host'])) {
      log.warn({}, 'tokens and passwords travel in plain text: set tls.cert_file and tls.key_file');
    }
    return {
      tls: watched && serverTlsOf(watched, settings['tls.client_auth']),
      authenticator,
      certificateExpirySeconds: () => expirySeconds(watched?.value.identity?.validUntilMs),
      close: () => following.close(),
    };
  } catch (error) {
    following.close();
    throw error;
  }
}

export function expirySeconds(validUntilMs: number | undefined): number | undefined {
  return validUntilMs === undefined ? undefined : Math.floor(validUntilMs / 1_000);
}
