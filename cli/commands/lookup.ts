/** `kvcache lookup`: how much of a prompt is cached, and where. */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { blockCount, chainedHashes, unchainedHashes } from '../../client/hash.ts';
import { KvStoreClient } from '../../client/prompt-client.ts';
import { KvcacheError, messageOf } from '../../errors.ts';
import { playgroundFileBytesMax } from '../../limits.ts';
import { addConnectionFlags, commandRetry, connectionOf, reaching } from '../connection.ts';
import { readStream } from '../read-stream.ts';
import { settingsOfCommand } from '../setting-flags.ts';
import { printJson, printTable, type Terminal } from '../terminal.ts';

interface LookupFlags {
  readonly account: string;
  readonly container: string;
  readonly partition: string;
  readonly hashes: 'chained' | 'unchained' | 'none';
  readonly prompt: string;
  readonly json?: boolean;
}

export function addLookup(program: Command, terminal: Terminal): void {
  const command = program
    .command('lookup')
    .summary('find the cached prefix of a prompt')
    .description('Prints how many blocks of a prompt are cached, and their locations.')
    .argument('<tokens>', 'tokens with commas between, a file, or - for standard input')
    .option('--account <url>', 'account URL or resource name of the blocks', 'https://playground.invalid')
    .option('--container <name>', 'container of the blocks', 'playground')
    .option('--partition <key>', 'partition key of the blocks', 'playground')
    .option('--prompt <index>', 'which prompt of a file that has several', '0')
    .addOption(
      new Option('--hashes <kind>', 'send hashes of each block and all before it, of each alone, or none')
        .choices(['chained', 'unchained', 'none'])
        .default('chained'),
    )
    .addHelpText(
      'after',
      `
A file is a JSON array of tokens, {"tokens":[…]}, or the playground's {"prompts":[{"tokens":[…]},…]}.

Examples:
  kvcache lookup prompts.json --prompt 3
  kvcache lookup 791,6864,374,279 --hashes none
  echo '[791,6864]' | kvcache lookup - --json`,
    );
  addConnectionFlags(command).action(async (written: string, options: LookupFlags) => {
    const tokens = await tokensOf(written, options.prompt);
    const connection = connectionOf(settingsOfCommand(command, 'client', terminal));
    const client = new KvStoreClient({ ...connection, retry: commandRetry });
    try {
      client.initialize(options.account, options.container);
      const hashes = { chained: chainedHashes, unchained: unchainedHashes, none: () => [] }[options.hashes](tokens);
      const found = await reaching(connection.server, () => client.lookup(options.partition, 'cli', tokens, hashes));
      printFound(terminal, blockCount(tokens.length), found, options.json ?? false);
    } finally {
      client.close();
    }
  });
}

interface Found {
  readonly cachedBlocks: number;
  readonly lastHash: bigint;
  readonly locations: readonly { readonly hash: bigint; readonly location: string }[];
}

function printFound(terminal: Terminal, blocks: number, found: Found, isJson: boolean): void {
  const { cachedBlocks, lastHash } = found;
  if (isJson) {
    // Hashes are 64 bits wide, which a JSON number is not.
    const locations = found.locations.map(({ hash, location }) => ({ hash: `${hash}`, location }));
    printJson(terminal, { blocks, cachedBlocks, lastHash: `${lastHash}`, locations });
    return;
  }
  terminal.line(`${cachedBlocks} of ${blocks} blocks are cached`);
  if (cachedBlocks === 0) return;
  const rows = found.locations.map(({ hash, location }, index) => [`${index}`, hash.toString(16), location]);
  printTable(terminal, ['block', 'hash', 'location'], rows);
}

async function tokensOf(written: string, prompt: string): Promise<number[]> {
  if (/^\s*-?\d+(\s*,\s*-?\d+)*\s*$/.test(written)) return written.split(',').map(Number);
  const name = written === '-' ? 'standard input' : written;
  let content: unknown;
  try {
    const bytes = written === '-' ? await readStream(process.stdin, playgroundFileBytesMax) : readFileSync(written);
    content = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    if (error instanceof KvcacheError) throw error;
    throw new KvcacheError('CONFIG', `${name} is neither a list of tokens nor a JSON file: ${messageOf(error)}`);
  }
  const tokens = listIn(content, prompt, name);
  const wrong = tokens.findIndex((token) => !Number.isSafeInteger(token));
  if (wrong < 0) return tokens as number[];
  throw new KvcacheError('CONFIG', `${name}: token ${wrong} is ${JSON.stringify(tokens[wrong])}, not a whole number`);
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function listIn(content: unknown, prompt: string, name: string): readonly unknown[] {
  const prompts = memberOf(content, 'prompts');
  const chosen = Array.isArray(prompts) ? (prompts as unknown[])[Number(prompt)] : content;
  if (chosen === undefined) {
    throw new KvcacheError(
      'CONFIG',
      `${name} has no prompt '${prompt}'; --prompt takes 0 to ${(prompts as unknown[]).length - 1}`,
    );
  }
  const tokens = Array.isArray(chosen) ? (chosen as unknown[]) : memberOf(chosen, 'tokens');
  if (Array.isArray(tokens)) return tokens as unknown[];
  throw new KvcacheError(
    'CONFIG',
    `${name} has no tokens: expected [1,2,…], {"tokens":[…]} or {"prompts":[{"tokens":[…]}]}`,
  );
}
