/**
 * `kvcache status`: the processes of a local cluster, and what every shard tells of itself.
 *
 * The two have different sources and either may be missing: processes are known where the cluster runs on this machine
 * (cli/dev/state.ts), shards are asked through the router.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { CallError } from '../../client/call-error.ts';
import { KvcacheClient } from '../../client/key-client.ts';
import { ReplyError } from '../../commands/reply.ts';
import { KvcacheError, messageOf } from '../../errors.ts';
import { statusPatienceMs, statusWatchIntervalMinMs, statusWatchIntervalMs } from '../../limits.ts';
import { exitCodes } from '../../process/exit-codes.ts';
import { formatDurationMs, parseDurationMs, roundedBytes } from '../../settings/units.ts';
import type { ShardInfo } from '../../shard/info.ts';
import { addConnectionFlags, type Connection, connectionOf, UnreachableError, withAdvice } from '../connection.ts';
import { findClusterByAddress, type ProcessRecord } from '../dev/state.ts';
import { settingsOfCommand } from '../setting-flags.ts';
import { printJson, printTable, styled, type Terminal } from '../terminal.ts';

export function addStatus(program: Command, terminal: Terminal): void {
  const command = program
    .command('status')
    .summary('show processes, shards, slots, tiers, lag')
    .description(
      'Shows the processes of a local cluster and the state of every shard. Exit code 4 if the router is away.',
    )
    .option('--watch [interval]', 'look again every so often, such as 500ms; 2s unless said, until Ctrl-C')
    .addHelpText(
      'after',
      `
Examples:
  kvcache status
  kvcache status --watch 1s                  at a terminal in place, elsewhere one look after the other
  kvcache status --port-base 21000 --json
  kvcache status --json | jq '.shards[] | {name, keys}'`,
    );
  addConnectionFlags(command).action(async (options: StatusOptions) => {
    const connection = connectionOf(settingsOfCommand(command, 'client', terminal));
    const intervalMs = watchIntervalMs(options.watch);
    if (intervalMs === undefined) {
      const isReachable = show(terminal, connection, await look(connection), options);
      if (!isReachable) process.exitCode = exitCodes.unreachable;
      return;
    }
    // Until Ctrl-C, also while the cluster is away.
    for (;;) {
      const seen = await look(connection).catch(unlessUnreachable);
      if (!options.json) terminal.clear();
      if (seen instanceof UnreachableError) terminal.warn(`kvcache: ${seen.message}`);
      else show(terminal, connection, seen, options);
      await delay(intervalMs);
    }
  });
}

function unlessUnreachable(error: unknown): UnreachableError {
  if (error instanceof UnreachableError) return error;
  throw error;
}

interface StatusOptions {
  readonly json?: boolean;
  readonly watch?: string | true;
}

function watchIntervalMs(written: string | true | undefined): number | undefined {
  if (written === undefined) return undefined;
  const intervalMs = written === true ? statusWatchIntervalMs : parseDurationMs(written);
  if (intervalMs !== undefined && intervalMs >= statusWatchIntervalMinMs) return intervalMs;
  const least = formatDurationMs(statusWatchIntervalMinMs);
  throw new KvcacheError('CONFIG', `--watch takes a duration such as 500ms or 2s, ${least} at least, not '${written}'`);
}

/** The cluster at one moment. */
interface Seen extends RouterAnswer {
  readonly processes: readonly ProcessRecord[];
}

async function look(connection: Connection): Promise<Seen> {
  const processes = findClusterByAddress(connection.server)?.processes ?? [];
  return { processes, ...(await askRouter(connection, processes)) };
}

/** True if the router could be reached. */
function show(
  terminal: Terminal,
  { server }: Connection,
  { processes, isReachable, state }: Seen,
  { json = false }: StatusOptions,
): boolean {
  if (json) {
    printJson(terminal, { server, reachable: isReachable, processes, ...state });
    return isReachable;
  }
  if (processes.length > 0) printProcesses(terminal, processes);
  if (state.shards.length > 0) printShards(terminal, state.shards);
  for (const line of movesOf(state.shards)) terminal.line(line);
  for (const why of state.away) terminal.warn(`kvcache: ${why}`);
  if (!isReachable) terminal.warn(`kvcache: the router at ${server} cannot be reached`);
  return isReachable;
}

interface ShardsState {
  readonly shards: readonly ShardInfo[];
  /** A sentence for each shard that did not answer. */
  readonly away: readonly string[];
}

interface RouterAnswer {
  readonly isReachable: boolean;
  readonly state: ShardsState;
}

/**
 * All shards as the router knows them. Where it is away, or waits for a shard that hangs, the shards of a local cluster
 * are asked one by one; any other cluster cannot be told more about.
 */
async function askRouter(connection: Connection, processes: readonly ProcessRecord[]): Promise<RouterAnswer> {
  const timeoutMs = Math.min(connection.timeoutMs, processes.length > 0 ? statusPatienceMs : Infinity);
  try {
    return { isReachable: true, state: await shardInfos({ ...connection, timeoutMs }) };
  } catch (error) {
    if (!(error instanceof CallError) || (error.code !== 'UNAVAILABLE' && error.code !== 'TIMEOUT')) {
      throw withAdvice(connection.server, error);
    }
    const isReachable = error.code === 'TIMEOUT';
    if (processes.length > 0) return { isReachable, state: await askEach(processes, { ...connection, timeoutMs }) };
    if (isReachable) throw error;
    throw new UnreachableError(connection.server, error);
  }
}

async function askEach(processes: readonly ProcessRecord[], connection: Connection): Promise<ShardsState> {
  const shards = processes.filter(({ role }) => role === 'shard');
  const answers = await Promise.allSettled(
    shards.map(({ addresses }) => shardInfos({ ...connection, server: addresses.grpc! })),
  );
  return {
    shards: answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value.shards : [])),
    away: answers.flatMap((answer, index) =>
      answer.status === 'rejected' ? [`${shards[index]!.id} does not answer: ${messageOf(answer.reason)}`] : [],
    ),
  };
}

async function shardInfos(connection: Connection): Promise<ShardsState> {
  using client = new KvcacheClient({ ...connection, retry: { attemptsMax: 1 } });
  const reply = await client.command('SHARDINFO', []);
  const replies = Array.isArray(reply) ? reply : [reply];
  return {
    shards: replies.filter(Buffer.isBuffer).map((json) => JSON.parse(json.toString('utf8')) as ShardInfo),
    away: replies.filter((item) => item instanceof ReplyError).map(({ message }) => message),
  };
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

/** A line for every shard to which slots are on their way. */
function movesOf(shards: readonly ShardInfo[]): string[] {
  return shards
    .filter(({ handover }) => handover.slotsArriving > 0)
    .map(({ name, handover: { slotsArriving, slotsOpen, keysLeft, bytesLeft, hasArrived } }) => {
      if (hasArrived) return `${name}: ${slotsArriving} slots have arrived`;
      const left = slotsOpen < slotsArriving ? `${slotsArriving - slotsOpen} not open yet, ` : '';
      return `${name}: ${slotsArriving} slots arrive, ${left}${keysLeft} keys (${roundedBytes(bytesLeft)}) left to move`;
    });
}
