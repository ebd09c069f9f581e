/**
 * `kvcache status`: the processes of a local cluster, and what every shard tells of itself.
 *
 * The two have different sources and either may be missing: processes are known where the cluster runs on this machine
 * (cli/dev/state.ts), shards are asked through the router.
 */
import type { Command } from 'commander';
import { CallError } from '../../client/call-error.ts';
import { KvcacheClient } from '../../client/key-client.ts';
import { exitCodes } from '../../process/exit-codes.ts';
import { formatDurationMs, roundedBytes } from '../../settings/units.ts';
import type { ShardInfo } from '../../shard/info.ts';
import { addConnectionFlags, connectionOf, UnreachableError } from '../connection.ts';
import { findClusterByPort, type ProcessRecord } from '../dev/state.ts';
import { settingsOfCommand } from '../setting-flags.ts';
import { printJson, printTable, styled, type Terminal } from '../terminal.ts';

export function addStatus(program: Command, terminal: Terminal): void {
  const command = program
    .command('status')
    .summary('show processes, shards, slots, tiers, lag')
    .description(
      'Shows the processes of a local cluster and the state of every shard. Exit code 4 if the router is away.',
    )
    .addHelpText(
      'after',
      `
Examples:
  kvcache status
  kvcache status --port-base 52000 --json
  kvcache status --json | jq '.shards[] | {name, keys}'`,
    );
  addConnectionFlags(command).action(async (options: { json?: boolean }) => {
    const connection = connectionOf(settingsOfCommand(command, 'client', terminal));
    const processes = localProcesses(connection.server);
    const shards = await shardsOf(connection, processes.length > 0);
    if (options.json) {
      printJson(terminal, {
        server: connection.server,
        reachable: shards !== undefined,
        processes,
        shards: shards ?? [],
      });
    } else {
      if (processes.length > 0) printProcesses(terminal, processes);
      if (shards) printShards(terminal, shards);
    }
    if (shards !== undefined) return;
    if (!options.json) terminal.warn(`kvcache: the router at ${connection.server} cannot be reached`);
    process.exitCode = exitCodes.unreachable;
  });
}

function localProcesses(server: string): readonly ProcessRecord[] {
  const [, host, port] = /^(.*):(\d+)$/.exec(server) ?? [];
  const isLocal = host !== undefined && ['localhost', '127.0.0.1', '[::1]', '0.0.0.0'].includes(host);
  return (isLocal && findClusterByPort(Number(port))?.processes) || [];
}

/** Undefined where the router cannot be reached, unless nothing else is known of the cluster either. */
async function shardsOf(
  connection: { readonly server: string; readonly timeoutMs: number },
  isKnownOtherwise: boolean,
): Promise<ShardInfo[] | undefined> {
  using client = new KvcacheClient(connection);
  try {
    const shards: Record<string, unknown>[] = await client.status();
    return shards as Record<string, unknown>[] & ShardInfo[];
  } catch (error) {
    if (!(error instanceof CallError) || error.code !== 'UNAVAILABLE') throw error;
    if (!isKnownOtherwise) throw new UnreachableError(connection.server, error);
    return undefined;
  }
}

function printProcesses(terminal: Terminal, processes: readonly ProcessRecord[]): void {
  const rows = processes.map(({ id, pid, state, restarts, addresses, dataDirectory }) => [
    id,
    pid === null ? '-' : `${pid}`,
    styled(terminal, state === 'ready' ? 'green' : 'yellow', state),
    `${restarts}`,
    Object.entries(addresses)
      .map(([door, address]) => `${door} ${address}`)
      .join(', '),
    dataDirectory,
  ]);
  printTable(terminal, ['process', 'pid', 'state', 'restarts', 'addresses', 'data'], rows);
}

function printShards(terminal: Terminal, shards: readonly ShardInfo[]): void {
  const rows = shards.map(({ name, epoch, slots, keys, blocks, hot, disk, blob }) => [
    name,
    `${epoch}`,
    `${slots}`,
    `${keys}`,
    `${blocks}`,
    `${roundedBytes(hot.bytes)} of ${roundedBytes(hot.bytesMax)}`,
    `${roundedBytes(disk.bytes)} of ${roundedBytes(disk.bytesMax)}`,
    blob ? roundedBytes(blob.bytes) : 'none',
    blob ? `${roundedBytes(blob.unflushedBytes)}, ${formatDurationMs(Math.round(blob.lagMs))}` : '-',
    blob ? blob.state : '-',
  ]);
  printTable(terminal, ['shard', 'epoch', 'slots', 'keys', 'blocks', 'RAM', 'disk', 'Blob', 'lag', 'Blob is'], rows);
}
