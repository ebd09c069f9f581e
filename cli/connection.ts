/**
 * Which cluster a command talks to, and how its faults are told.
 *
 *   --server  >  --port-base  >  KVSTORE_GRPC_SERVER and the settings file  >  localhost:50051
 */
import { type Command, Option } from 'commander';
import { CallError } from '../client/call-error.ts';
import { KvcacheClient } from '../client/key-client.ts';
import { KvcacheError } from '../errors.ts';
import { GrpcError } from '../grpc/status.ts';
import { commandAttemptsMax } from '../limits.ts';
import type { LoadedSettings } from '../settings/load.ts';
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

export interface Connection {
  readonly server: string;
  readonly timeoutMs: number;
}

/** How often a command tries that a person waits for. */
export const commandRetry = { attemptsMax: commandAttemptsMax };

export function connectionOf({ settings, sources }: LoadedSettings): Connection {
  const timeoutMs = settings['client.timeout'];
  const server = settings['client.server'];
  const portBase = settings['dev.port_base'];
  const isPortBaseMeant =
    sources.get('dev.port_base')?.kind === 'flag' && sources.get('client.server')?.kind !== 'flag';
  if (server !== undefined && !isPortBaseMeant) return { server, timeoutMs };
  return { server: `localhost:${routerGrpcPort(portBase)}`, timeoutMs };
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
    throw error;
  }
}
