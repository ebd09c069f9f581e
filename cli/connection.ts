/**
 * Which cluster a command talks to, and how its faults are told.
 *
 *   --server  >  --port-base  >  KVSTORE_GRPC_SERVER and the settings file  >  localhost:50051
 */
import { type Command, Option } from 'commander';
import { CallError } from '../client/call-error.ts';
import { KvcacheClient } from '../client/key-client.ts';
import type { ClientCredentials, ClientOptions, ClientTls } from '../client/options.ts';
import { KvcacheError } from '../errors.ts';
import { GrpcError } from '../grpc/status.ts';
import { commandAttemptsMax } from '../limits.ts';
import type { LoadedSettings } from '../settings/load.ts';
import type { Settings } from '../settings/schema.ts';
import { routerGrpcPort } from './dev/layout.ts';
import { addSettingFlags, settingsOfCommand } from './setting-flags.ts';
import type { Terminal } from './terminal.ts';

/** The cluster cannot be reached at all, as opposed to a shard that is away. */
export class UnreachableError extends KvcacheError {
  constructor(server: string, cause: CallError) {
    const why = cause.message.replace(`${server}: `, '');
    super(
      'UNAVAILABLE',
      `cannot reach the cluster at ${server} (${why}); start one with 'kvcache dev', or name another with --server HOST:PORT`,
      { cause },
    );
    this.name = 'UnreachableError';
  }
}

/** What every client of a command is made with. */
export interface Connection extends Pick<ClientOptions, 'tls' | 'credentials'> {
  /** host:port, or several with commas between them; of a URL the scheme is in `tls`. */
  readonly server: string;
  readonly timeoutMs: number;
}

/** How often a command tries that a person waits for. */
export const commandRetry = { attemptsMax: commandAttemptsMax };

export function connectionOf({ settings, sources }: LoadedSettings): Connection {
  const shared = {
    timeoutMs: settings['client.timeout'],
    tls: tlsOf(settings),
    credentials: credentialsOf(settings),
  };
  const server = settings['client.server'];
  const portBase = settings['dev.port_base'];
  const isPortBaseMeant =
    sources.get('dev.port_base')?.kind === 'flag' && sources.get('client.server')?.kind !== 'flag';
  if (server !== undefined && !isPortBaseMeant) return { ...shared, server: server.replace(/^https?:\/\/|\/$/g, '') };
  return { ...shared, server: `localhost:${routerGrpcPort(portBase)}` };
}

function tlsOf(settings: Settings): ClientTls | undefined {
  if (!settings['client.tls']) return undefined;
  return {
    caFile: settings['client.ca_file'],
    certFile: settings['client.cert_file'],
    keyFile: settings['client.key_file'],
    serverName: settings['client.server_name'],
  };
}

function credentialsOf(settings: Settings): ClientCredentials | undefined {
  const {
    'client.token': token,
    'client.token_file': tokenFile,
    'client.password': password,
    'client.password_file': passwordFile,
  } = settings;
  if (token !== undefined) return { token };
  if (tokenFile !== undefined) return { tokenFile };
  if (password !== undefined) return { password };
  return passwordFile === undefined ? undefined : { passwordFile };
}

/** Adds what every command takes that talks to a cluster. */
export function addConnectionFlags(command: Command): Command {
  return addSettingFlags(command, 'client').addOption(new Option('--json', 'print JSON'));
}

/** Runs `action` with a client of the command's cluster. */
export async function withClient<Result>(
  command: Command,
  terminal: Terminal,
  action: (client: KvcacheClient) => Promise<Result>,
): Promise<Result> {
  const connection = connectionOf(settingsOfCommand(command, 'client', terminal));
  using client = new KvcacheClient({ ...connection, retry: commandRetry });
  return await reaching(connection.server, () => action(client));
}

/** Makes UnreachableError of a fault that says so. */
export async function reaching<Result>(server: string, call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    // A shard that is away is told by a reply of the router; only a cluster that does not answer fails the call itself.
    if (error instanceof CallError && error.code === 'UNAVAILABLE' && error.cause instanceof GrpcError) {
      throw new UnreachableError(server, error);
    }
    throw withAdvice(server, error);
  }
}

/** Says what to do where the cluster asks for credentials; anything else stays what it is. */
export function withAdvice(server: string, error: unknown): unknown {
  if (!(error instanceof CallError) || error.code !== 'NOAUTH') return error;
  const advice = 'show a token or password with --token-file, --password-file or KVCACHE_CLIENT_TOKEN';
  return new KvcacheError('NOAUTH', `${server} refuses the call: ${error.message}; ${advice}`, { cause: error });
}
