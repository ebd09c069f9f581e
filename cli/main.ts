/**
 * `kvcache`: one command for the servers, the local cluster, and everything that a person asks of a cluster.
 *
 * Each command is declared in a file of its own under `commands/`; what it needs is loaded when it runs, so that
 * `kvcache get` does not wait for the code of a shard. Errors are one sentence on standard error, never a stack.
 */
import { Command } from 'commander';
import { addClusterCommands } from './commands/cluster.ts';
import { addCompletion } from './commands/completion.ts';
import { addConfig } from './commands/config.ts';
import { addKeyCommands } from './commands/keys.ts';
import { addManyKeyCommands } from './commands/many-keys.ts';
import { addScale } from './commands/scale.ts';
import { addServerCommands } from './commands/servers.ts';
import { addTokenize } from './commands/tokenize.ts';
import { addVersion } from './commands/version.ts';
import { runProgram } from './run-program.ts';
import { processTerminal } from './terminal.ts';
import { readVersion } from '../process/version.ts';

const terminal = processTerminal();

const program = new Command('kvcache')
  .description('The shared prompt-block and key-value cache under LLM serving: RAM over a log on disk over Azure Blob.')
  .version(readVersion(), '-V, --version', 'print the version')
  .exitOverride()
  .showSuggestionAfterError()
  .showHelpAfterError('(kvcache help COMMAND shows examples)')
  .configureHelp({ sortSubcommands: false })
  .addHelpText(
    'after',
    `
Examples:
  kvcache dev                             a local cluster: router, three shards, Azurite
  kvcache set greeting hello --ttl 1h     store a value for an hour
  kvcache get greeting                    read it
  kvcache status                          shards, slots, tiers, lag
  kvcache scale 5                         more shards, while the cluster serves

A cluster is found by --server HOST:PORT, else --port-base N, else KVSTORE_GRPC_SERVER, else at localhost:50051.
Exit codes: 0 done, 1 failed, 2 wrong usage or setting, 3 key not found, 4 cluster not reachable.`,
  );
addServerCommands(program, terminal);
addClusterCommands(program, terminal);
addScale(program, terminal);
addKeyCommands(program, terminal);
addManyKeyCommands(program, terminal);
addConfig(program, terminal);
addTokenize(program, terminal);
addVersion(program, terminal);
addCompletion(program, terminal);

await runProgram(program, terminal);
