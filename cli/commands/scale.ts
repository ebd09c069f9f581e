/**
 * `kvcache scale N`: another number of shards for the local cluster that `kvcache dev` runs, while it serves.
 *
 * The supervisor does it (cli/dev/scaler.ts); this command asks it to and shows how far it is. It may be ended at any
 * time: the change goes on, and the same command again shows the rest of it.
 */
import { type Command, Option } from 'commander';
import { KvcacheError } from '../../errors.ts';
import { localShardsMax } from '../../limits.ts';
import { addConnectionFlags, connectionOf } from '../connection.ts';
import { askSupervisor } from '../dev/control-client.ts';
import type { ControlAnswer } from '../dev/control.ts';
import { findClusterByAddress } from '../dev/state.ts';
import { settingsOfCommand } from '../setting-flags.ts';
import { shardCountUpTo } from '../shard-count.ts';
import type { Terminal } from '../terminal.ts';
import { scaleView, shardsText } from './scale-view.ts';

interface ScaleFlags {
  readonly deleteFolders?: boolean;
  readonly abandon?: readonly string[];
  readonly wait: boolean;
  readonly json?: boolean;
}

export function addScale(program: Command, terminal: Terminal): void {
  const command = program
    .command('scale')
    .summary('change the number of shards of a local cluster')
    .description(
      'Starts or ends shards of the local cluster and moves what they hold, while it serves. Waits until everything has arrived. A second number that is given meanwhile takes the place of the first.',
    )
    .argument('<shards>', `how many there should be, 1 to ${localShardsMax}`, shardCountUpTo(localShardsMax))
    .option('--delete-folders', 'delete the folders of shards that leave; without it they stay on the disk')
    .addOption(
      new Option(
        '--abandon <shard...>',
        'give up what only this shard still holds, where it will never come back; it is lost',
      ),
    )
    .option('--no-wait', 'return as soon as the cluster knows; kvcache status shows how far it is')
    .addHelpText(
      'after',
      `
Examples:
  kvcache scale 5                     two more than the three of a new cluster
  kvcache scale 2 --delete-folders    and nothing of those that leave stays on this disk
  kvcache scale 5 --no-wait --port-base 21000
  kvcache scale 5 --json | jq -r 'select(.kind == "progress") | .progress.fraction'

Ctrl-C ends the command and not the change. Exit codes: 0 done, 1 given up or replaced by another number,
2 a number that cannot be, 4 no local cluster there, or it ended meanwhile (started again, it goes on).`,
    );
  addConnectionFlags(command).action(async (shards: number, flags: ScaleFlags) => {
    const { server } = connectionOf(settingsOfCommand(command, 'client', terminal));
    const folder = folderOf(server);
    const request = {
      command: 'scale' as const,
      shards,
      deletesFolders: flags.deleteFolders ?? false,
      abandon: flags.abandon ?? [],
      waits: flags.wait,
    };
    using view = scaleView(terminal, flags.json ?? false);
    let last: ControlAnswer | undefined;
    for await (const answer of askSupervisor(folder, request)) {
      view.show(answer);
      last = answer;
    }
    requireSuccess(last, shards, flags.wait);
  });
}

function folderOf(server: string): string {
  const cluster = findClusterByAddress(server);
  if (cluster !== undefined) return cluster.dataDirectory;
  throw new KvcacheError(
    'UNAVAILABLE',
    `no local cluster has its router at ${server}; scale works where 'kvcache dev' runs (--port-base N names another one), and a KVCache in Kubernetes is scaled with kubectl scale`,
  );
}

/** Throws what the command ends with, unless the last answer is a good end. */
function requireSuccess(last: ControlAnswer | undefined, shards: number, waits: boolean): void {
  switch (last?.kind) {
    case 'done':
      return;
    case 'accepted':
      if (!waits) return;
      throw endedMeanwhile();
    case 'refused':
      throw new KvcacheError('CONFIG', last.message);
    case 'failed':
      throw new KvcacheError('ERR', `the cluster stays as it was: ${last.message}`);
    case 'superseded':
      throw new KvcacheError(
        'ERR',
        `${shardsText(last.shards)} instead of ${shards}: another command has asked for that meanwhile`,
      );
    case 'progress':
    case undefined:
      throw endedMeanwhile();
  }
}

function endedMeanwhile(): KvcacheError {
  return new KvcacheError(
    'UNAVAILABLE',
    "the supervisor ended before the change was done; 'kvcache dev' on the same data goes on with it",
  );
}
