/**
 * What both ends of the links of a process show and ask for, by its settings: shards and routers serve the internal
 * port and dial it, with the same certificate and the same secret.
 */
import type { Settings } from '../settings/schema.ts';
import { expirySeconds } from './door-security.ts';
import { Following, isLoopback, type SecurityLog } from './open.ts';
import { channelTlsOf, serverTlsOf } from './tls-files.ts';
import type { ChannelTls, ServerTlsSource } from './tls.ts';

export interface LinkSecurity {
  /** For the server of the internal port; undefined: plain text. */
  readonly tls: ServerTlsSource | undefined;
  /** For LinkServer; undefined: none is asked for. */
  readonly secrets: { accepts(shown: string): boolean } | undefined;
  /** For ShardLink and LinkSet. */
  readonly client: {
    readonly tls: (() => ChannelTls) | undefined;
    readonly secret: (() => string) | undefined;
  };
  /** Seconds since 1970; undefined without a certificate. */
  readonly certificateExpirySeconds: () => number | undefined;
  /** Stops to follow the files. */
  close(): void;
}

/** Throws KvcacheError CONFIG for files that are missing or wrong. */
export function linkSecurity(settings: Settings, log: SecurityLog): LinkSecurity {
  const following = new Following(log);
  try {
    const watched = following.tls(settings, 'link.tls');
    const secret = following.secret(settings, 'link.secret');
    const isGuarded = secret !== undefined || settings['link.tls.client_auth'] === 'required';
    if (!isGuarded && !isLoopback(settings['link.host'])) {
      log.warn(
        {},
        'the internal port asks for nothing: whoever reaches it may read and write everything; set link.secret_file or link.tls.client_auth',
      );
    }
    return {
      tls: watched && serverTlsOf(watched, settings['link.tls.client_auth']),
      secrets: secret && { accepts: (shown) => secret.value.accepted.accepts(shown) },
      client: {
        tls: watched && channelTlsOf(watched, settings['link.tls.server_name']),
        secret: secret && (() => secret.value.first),
      },
      certificateExpirySeconds: () => expirySeconds(watched?.value.identity?.validUntilMs),
      close: () => following.close(),
    };
  } catch (error) {
    following.close();
    throw error;
  }
}
