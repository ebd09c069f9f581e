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

const advice = 'set tls.cert_file and tls.key_file';
const doors = ['grpc', 'http', 'resp', 'tcp'] as const;

/** Throws KvcacheError CONFIG for files that are missing or wrong. */
export function doorSecurity(settings: Settings, log: SecurityLog): DoorSecurity {
  const following = new Following(log);
  try {
    const watched = following.tls(settings, 'tls');
    const authenticator = new Authenticator({
      token: following.secret(settings, 'auth.token'),
      password: following.secret(settings, 'auth.password', passwordPattern),
    });
    const open = authenticator.isRequired && !watched ? doorsOnTheNetwork(settings) : [];
    if (open.length > 0) {
      log.warn({ doors: open }, `tokens and passwords travel in plain text (${open.join(', ')}): ${advice}`);
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

/** Those that others than this machine can reach. */
function doorsOnTheNetwork(settings: Settings): readonly string[] {
  return doors.filter((door) => settings[`${door}.enabled`] && !isLoopback(settings[`${door}.host`]));
}

export function expirySeconds(validUntilMs: number | undefined): number | undefined {
  return validUntilMs === undefined ? undefined : Math.floor(validUntilMs / 1_000);
}
