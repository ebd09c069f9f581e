/**
 * `kvcache playground FILE`: the blocks of real prompts written, found again and verified, with the figures of it.
 *
 * Arguments and short flags are those of kvstore.KVStoreService's own playground: FILE, iterations, concurrency,
 * -v (verbose), -l (log level), -s (storage account), -c (container). What its runs did under a partition of their
 * own each time, ours does in one partition, so that a second run finds what the first one wrote; `--partition` gives
 * a run its own.
 */
import { type Command, Option } from 'commander';
import { KvStoreClient } from '../client/prompt-client.ts';
import { KvcacheError } from '../errors.ts';
import {
  playgroundBufferBytesDefault,
  playgroundBufferBytesMax,
  playgroundConcurrencyMax,
  playgroundFaultsShownMax,
  playgroundIterationsMax,
} from '../limits.ts';
import { exitCodes } from '../process/exit-codes.ts';
import { formatBytes, parseBytes } from '../settings/units.ts';
import { addConnectionFlags, type Connection, connectionOf, reaching } from './connection.ts';
import { blockCount } from '../client/hash.ts';
import { Progress } from './playground/progress.ts';
import { type HashForm, hashForms } from './playground/prompts.ts';
import {
  countHead,
  countRows,
  isClean,
  type PlaygroundReport,
  timingHead,
  timingRows,
  verdict,
} from './playground/report.ts';
import { runPlayground } from './playground/run.ts';
import { readTokensFile, type TokenizedPrompt } from './playground/tokens-file.ts';
import { settingsOfCommand } from './setting-flags.ts';
import { printJson, printTable, styled, type Terminal } from './terminal.ts';

const defaultStorage = 'https://playground.invalid';
const logLevels = ['error', 'info', 'verbose'] as const;

interface PlaygroundFlags {
  readonly verbose?: boolean;
  readonly logLevel: (typeof logLevels)[number];
  readonly storage: string;
  readonly container: string;
  readonly partition: string;
  readonly bufferSize: number;
  readonly hashes: HashForm;
  readonly stream?: boolean;
  readonly json?: boolean;
}

const examples = `
FILE is {"prompts":[{"text":"…","tokens":[1,2,…],"token_count":2}]}; - reads it from standard input.
Every prompt is looked up, its missing blocks of 128 tokens are written, all of them are read back, and every byte is
verified. Iterations run the whole file again, concurrency is how many prompts run side by side.
Exit code 1 if a block came back wrong or not at all, 2 if FILE is of another form.

Examples:
  kvcache playground prompts.json                   once, one prompt after the other
  kvcache playground prompts.json 10 5              ten times, five prompts at a time
  kvcache playground prompts.json --json            one JSON object
  kvcache playground - < prompts.json
  kvcache playground prompts.json -s https://account.blob.core.windows.net -c my-container --partition model-a`;

export function addPlaygroundCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('playground')
    .summary('write, find and verify the blocks of prompts')
    .description('Writes and finds again the blocks of tokenized prompts, verifies every byte, and tells how fast.')
    .argument('<file>', 'tokens file, or - for standard input')
    .argument('[iterations]', 'how often the file is run', whole('iterations', playgroundIterationsMax), 1)
    .argument(
      '[concurrency]',
      `prompts side by side; above ${playgroundConcurrencyMax} counts as that`,
      concurrencyOf,
      1,
    )
    .option('-v, --verbose', 'the same as --log-level verbose')
    .addOption(
      new Option('-l, --log-level <level>', 'info: a line a prompt; verbose: a line a call')
        .choices(logLevels)
        .default('error'),
    )
    .option('-s, --storage <url>', 'storage account that the blocks belong to (also --account-url)', defaultStorage)
    .addOption(new Option('--account-url <url>').hideHelp())
    .option('-c, --container <name>', 'container that the blocks belong to', 'playground')
    .option('--partition <key>', 'partition that the blocks belong to', 'playground')
    .addOption(
      new Option('--buffer-size <size>', `bytes of a block, at most ${formatBytes(playgroundBufferBytesMax)}`)
        .argParser(bufferBytesOf)
        .default(playgroundBufferBytesDefault, '1.2MB'),
    )
    .addOption(new Option('--hashes <form>', 'which hashes name the blocks').choices(hashForms).default('chained'))
    .option('--stream', 'read with one StreamingRead a prompt instead of one Read a block')
    .addHelpText('after', examples);
  addConnectionFlags(command).action(
    async (file: string, iterations: number, concurrency: number, flags: PlaygroundFlags & { accountUrl?: string }) => {
      const prompts = await readTokensFile(file, process.stdin);
      const connection = connectionOf(settingsOfCommand(command, 'client', terminal));
      const chosen = { ...flags, storage: flags.accountUrl ?? flags.storage };
      const report = await play(prompts, iterations, concurrency, chosen, connection, terminal);
      print(report, flags, terminal);
      if (!isClean(report)) process.exitCode = exitCodes.failed;
    },
  );
}

async function play(
  prompts: readonly TokenizedPrompt[],
  iterations: number,
  concurrency: number,
  flags: PlaygroundFlags,
  connection: Connection,
  terminal: Terminal,
): Promise<PlaygroundReport> {
  const level = flags.verbose ? 'verbose' : flags.logLevel;
  const scope = { accountUrl: flags.storage, containerName: flags.container, partitionKey: flags.partition };
  using client = new KvStoreClient(connection);
  client.initialize(scope.accountUrl, scope.containerName);
  const blocks = prompts.reduce((sum, { tokens }) => sum + blockCount(tokens.length), 0) * iterations;
  using progress = new Progress(blocks, level === 'error');
  let faults = 0;
  const report = await reaching(connection.server, () =>
    runPlayground({
      client,
      scope,
      prompts,
      iterations,
      concurrency,
      bufferBytes: flags.bufferSize,
      hashes: flags.hashes,
      streams: flags.stream === true,
      onProgress: (blocks) => progress.add(blocks),
      onPrompt: level === 'error' ? undefined : (text) => terminal.warn(text),
      onBlock: level === 'verbose' ? (text) => terminal.warn(text) : undefined,
      onFault: (text) => {
        if (++faults <= playgroundFaultsShownMax) terminal.warn(`kvcache: ${text}`);
      },
    }),
  );
  if (faults > playgroundFaultsShownMax) terminal.warn(`kvcache: and ${faults - playgroundFaultsShownMax} more`);
  return report;
}

function print(report: PlaygroundReport, { json }: PlaygroundFlags, terminal: Terminal): void {
  if (json) {
    printJson(terminal, report);
    return;
  }
  printTable(terminal, countHead, countRows(report));
  printTable(terminal, timingHead, timingRows(report));
  terminal.line(styled(terminal, isClean(report) ? 'green' : 'red', verdict(report)));
}

/** More than the cap is the cap, as scripts written for the original expect. */
function concurrencyOf(written: string): number {
  return Math.min(playgroundConcurrencyMax, whole('concurrency', Number.MAX_SAFE_INTEGER)(written));
}

/** Parses a whole number from 1 to `max` for commander. */
function whole(name: string, max: number): (written: string) => number {
  return (written) => {
    const value = Number(written);
    if (/^\d+$/.test(written) && value >= 1 && value <= max) return value;
    throw new KvcacheError('CONFIG', `${name} is '${written}'; it must be a whole number from 1 to ${max}`);
  };
}

function bufferBytesOf(written: string): number {
  const bytes = parseBytes(written);
  if (bytes !== undefined && bytes >= 1 && bytes <= playgroundBufferBytesMax) return bytes;
  const range = `from 1 byte to ${formatBytes(playgroundBufferBytesMax)}`;
  throw new KvcacheError('CONFIG', `--buffer-size is '${written}'; it must be a size such as 1.2MB, ${range}`);
}
