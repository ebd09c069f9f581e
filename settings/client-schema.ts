/** Settings of commands that talk to a cluster: where it is, how they prove who they are and whom they trust. */
import { commandDeadlineDefaultMs } from '../limits.ts';
import { derived, optional, setting } from './setting.ts';
import { boolean, duration, host, password, path, text, token } from './types.ts';

export const clientSettings = {
  'client.server': optional(
    text(
      'host:port',
      'an address such as localhost:50051, or with TLS https://cache.example:50051, or several such as a:50051,b:50051',
      /^(https?:\/\/)?((\[[\da-fA-F:.%]+\]|[\w.-]+):\d{1,5}(,(?=.)|\/?$))+$/,
    ),
    ['client'],
    'The cluster that commands talk to, as host:port or as a URL; several routers of it, with commas between them, take calls in turn. Without it: dev.port_base, else localhost:50051.',
    { aliases: { flags: ['server'], environment: ['KVSTORE_GRPC_SERVER'] } },
  ),
  'client.timeout': setting(
    duration({ min: 1 }),
    commandDeadlineDefaultMs,
    ['client'],
    'How long a command waits for its answer.',
    {
      aliases: { flags: ['timeout'] },
    },
  ),
  'client.tls': derived(
    boolean(),
    'true where client.server begins with https:// or one of the files below is given',
    ['client'],
    'Whether commands speak TLS with the cluster.',
    { aliases: { flags: ['tls'] } },
  ),
  'client.ca_file': optional(
    path(),
    ['client'],
    'The authorities, in PEM, that the cluster’s certificate must be signed by. Without it those that the system trusts.',
    { aliases: { flags: ['ca-file'] } },
  ),
  'client.cert_file': optional(
    path(),
    ['client'],
    'The certificate, in PEM, that commands show a cluster that asks for one.',
    { aliases: { flags: ['cert-file'] } },
  ),
  'client.key_file': optional(path(), ['client'], 'The private key of client.cert_file, in PEM.', {
    aliases: { flags: ['key-file'] },
  }),
  'client.server_name': optional(
    host(),
    ['client'],
    'The name that the cluster’s certificate must have, in place of the host in client.server.',
    { aliases: { flags: ['server-name'] } },
  ),
  'client.token': optional(
    token(),
    ['client'],
    'The token to show. Everybody on the machine can read a command line: better KVCACHE_CLIENT_TOKEN or a file.',
    { secret: true, aliases: { flags: ['token'] } },
  ),
  'client.token_file': optional(path(), ['client'], 'A file whose first line is the token to show.', {
    aliases: { flags: ['token-file'] },
  }),
  'client.password': optional(
    password(),
    ['client'],
    'The password to show. Everybody on the machine can read a command line: better KVCACHE_CLIENT_PASSWORD or a file.',
    { secret: true, aliases: { flags: ['password'], environment: ['KV_PASSWORD'] } },
  ),
  'client.password_file': optional(path(), ['client'], 'A file whose first line is the password to show.', {
    aliases: { flags: ['password-file'] },
  }),
} as const;
