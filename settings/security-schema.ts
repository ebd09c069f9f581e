/**
 * Settings of who may talk to whom: TLS, passwords and tokens of the public doors, TLS and secret of the internal port.
 *
 * The two are apart on purpose. A public certificate names the Service and may come from an authority that signs for
 * half the world; the internal port needs names of pods and an authority that signs for this cluster alone.
 */
import { optional, type ProcessRole, setting } from './setting.ts';
import { boolean, choice, host, password, path, token } from './types.ts';

const servers: readonly ProcessRole[] = ['shard', 'router', 'dev'];

/** Whether the other side of TLS must show a certificate. */
export const clientAuthentications = ['none', 'optional', 'required'] as const;
export type ClientAuthentication = (typeof clientAuthentications)[number];

export const securitySettings = {
  // docs/security.md explains how they play together. Files are followed: a new content is in force without a restart.
  'tls.cert_file': optional(
    path(),
    servers,
    'The certificate of the gRPC, HTTP, RESP and TCP doors, with its chain, in PEM. With it and tls.key_file they speak TLS only.',
  ),
  'tls.key_file': optional(path(), servers, 'The private key of tls.cert_file, in PEM.'),
  'tls.ca_file': optional(
    path(),
    servers,
    'The authorities, in PEM, that sign the certificates of clients. For tls.client_auth.',
  ),
  'tls.client_auth': setting(
    choice(clientAuthentications),
    'none',
    servers,
    'Whether clients must show a certificate that tls.ca_file has signed. `optional` checks those that are shown. HTTP health and readiness need none.',
  ),
  'auth.password': optional(
    password(),
    servers,
    'The password that calls of gRPC and HTTP must carry (`authorization: Basic`, with any user name), and clients of Redis’ and the binary protocol show by AUTH. Better in a file.',
    { secret: true, aliases: { environment: ['KV_PASSWORD'] } },
  ),
  'auth.password_file': optional(
    path(),
    servers,
    'A file with the passwords that are accepted, one a line: two of them while one takes the other’s place.',
  ),
  'auth.token': optional(
    token(),
    servers,
    'The token that calls of gRPC and HTTP must carry (`authorization: Bearer`); AUTH takes it too. Better in a file.',
    { secret: true },
  ),
  'auth.token_file': optional(
    path(),
    servers,
    'A file with the tokens that are accepted, one a line: two of them while one takes the other’s place.',
  ),
  'auth.metrics_open': setting(
    boolean(),
    false,
    servers,
    'Serve metrics without credentials or client certificate, as health and readiness always are.',
  ),
  'link.tls.cert_file': optional(
    path(),
    servers,
    'The certificate of this process on the internal port, in PEM, as server and as client. With it and link.tls.key_file links speak TLS only; all processes of a cluster must agree on that.',
  ),
  'link.tls.key_file': optional(path(), servers, 'The private key of link.tls.cert_file, in PEM.'),
  'link.tls.ca_file': optional(
    path(),
    servers,
    'The authorities, in PEM, that sign the certificates of the internal port. Without it those that the system trusts.',
  ),
  'link.tls.server_name': optional(
    host(),
    servers,
    'The name that certificates of the internal port must have, in place of the host in a shard’s address.',
  ),
  'link.tls.client_auth': setting(
    choice(clientAuthentications),
    'none',
    servers,
    'Whether the other end of a link must show a certificate that link.tls.ca_file has signed.',
  ),
  'link.secret': optional(
    token(),
    servers,
    'The secret that the processes of a cluster show each other on the internal port. Better in a file.',
    { secret: true },
  ),
  'link.secret_file': optional(
    path(),
    servers,
    'A file with the secrets of the internal port, one a line: all are accepted, and the first is shown to others.',
  ),
} as const;
