/** `kvcache dev`, `kvcache shard`, `kvcache router`: the commands that run until they are told to end. */
import type { Command } from 'commander';
import { createLogger } from '../../process/log.ts';
import { serve } from '../../process/serve.ts';
import { LiveSettings } from '../../settings/live.ts';
import { addOperator } from './operator.ts';
import { addSettingFlags, settingsOfCommand } from '../setting-flags.ts';
import type { Terminal } from '../terminal.ts';

export function addServerCommands(program: Command, terminal: Terminal): void {
  addDev(program, terminal);
  addShard(program, terminal);
  addRouter(program, terminal);
  addOperator(program, terminal);
}

function addDev(program: Command, terminal: Terminal): void {
  const command = program
    .command('dev')
    .summary('run a local cluster (npm start)')
    .description(
      'Runs a real cluster on this machine: a router, shards, and Azurite as the Blob account, until Ctrl-C.',
    )
    .addHelpText(
      'after',
      `
Examples:
  kvcache dev                                       standard ports, three shards, data in .kvcache/
  kvcache dev --port-base 21000 --data /tmp/second  a second cluster beside the first
  kvcache dev --shards 5 --memory-limit 256MiB      settings of shards and router go to every child
  kvcache dev --blob-connection-string "$AZURE"     a real account in place of Azurite`,
    );
  addSettingFlags(command, 'dev').action(async () => {
    const { runDev } = await import('../dev/dev.ts');
    await runDev(settingsOfCommand(command, 'dev', terminal), terminal);
  });
}

function addShard(program: Command, terminal: Terminal): void {
  const command = program
    .command('shard')
    .summary('run a shard')
    .description('Runs one shard: the log on disk, values in RAM, write-behind to Blob, its own doors, and the link.')
    .addHelpText(
      'after',
      `
Examples:
  kvcache shard --data-path /var/lib/kvcache        a shard by itself that owns every slot
  kvcache shard --shard-name shard-1 --topology-path /etc/kvcache/topology.json
  KVCACHE_BLOB_CONNECTION_STRING=… kvcache shard --acknowledgement disk
  kvcache shard -b 0.0.0.0:6380 -l debug            flags of other systems' servers: docs/settings.md lists them

Exit codes: 0 ended in order, 1 not all was flushed, 2 a setting is wrong, 70 a fault of the program,
71 fenced (another process has taken over), 72 the data directory is in use, 130 or 143 a second signal.`,
    );
  addSettingFlags(command, 'shard').action(async () => {
    const live = new LiveSettings(settingsOfCommand(command, 'shard', terminal), 'shard');
    const logger = createLogger(live, { role: 'shard', name: live.current['shard.name'] });
    const { startShard } = await import('../../shard/main.ts');
    await serve(() => startShard(live, logger), { logger, graceMs: live.current['shutdown.grace'] });
  });
}

function addRouter(program: Command, terminal: Terminal): void {
  const command = program
    .command('router')
    .summary('run a router')
    .description('Runs a router: the doors that clients use, in front of the shards that the topology names.')
    .addHelpText(
      'after',
      `
Examples:
  kvcache router --topology-path /etc/kvcache/topology.json
  kvcache router --topology-path topology.json --grpc-port 50051 --router-unavailable-reads error`,
    );
  addSettingFlags(command, 'router').action(async () => {
    const live = new LiveSettings(settingsOfCommand(command, 'router', terminal), 'router');
    const logger = createLogger(live, { role: 'router' });
    const { startRouter } = await import('../../router/main.ts');
    await serve(() => startRouter(live, logger), { logger, graceMs: live.current['shutdown.grace'] });
  });
}
