/** The commands for many keys: mget, mset, scan, flush. */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { KvcacheClient } from '../../client/key-client.ts';
import { KvcacheError, messageOf } from '../../errors.ts';
import { exitCodes } from '../../process/exit-codes.ts';
import { bytesOfArgument, jsonOf, printed } from '../bytes.ts';
import { addConnectionFlags, withClient } from '../connection.ts';
import { printJson, printTable, type Terminal } from '../terminal.ts';
import { addHexOption, addWriteOptions, type KeyOptions, ttlMsOf, type WriteFlags } from './keys.ts';

export function addManyKeyCommands(program: Command, terminal: Terminal): void {
  addMget(program, terminal);
  addMset(program, terminal);
  addScan(program, terminal);
  addFlush(program, terminal);
}

function addMget(program: Command, terminal: Terminal): void {
  const command = program
    .command('mget')
    .summary('print the values of keys')
    .description('Prints the values of keys. Exit code 3 if none of them is there.')
    .argument('<key...>')
    .addHelpText(
      'after',
      '\nExamples:\n  kvcache mget a b c\n  kvcache mget a b --json   {"found":1,"values":[{"key":"a","found":true,"value":"1"},…]}',
    );
  addConnectionFlags(addHexOption(command)).action(async (names: string[], options: KeyOptions) => {
    const isHex = options.hex ?? false;
    const keys = names.map((name) => bytesOfArgument(name, isHex));
    const values = await withClient(command, terminal, (client) => client.mget(keys));
    const found = values.filter((value) => value !== null).length;
    if (options.json) {
      const items = keys.map((key, index) => {
        const value = values[index] ?? null;
        return { key: jsonOf(key), found: value !== null, ...(value && { value: jsonOf(value) }) };
      });
      printJson(terminal, { found, values: items });
    } else {
      const rows = keys.map((key, index) => {
        const value = values[index] ?? null;
        return [printed(key, isHex), value === null ? '(not there)' : printed(value, isHex)];
      });
      printTable(terminal, ['key', 'value'], rows);
    }
    if (found === 0) process.exitCode = exitCodes.notFound;
  });
}

function addMset(program: Command, terminal: Terminal): void {
  const command = program
    .command('mset')
    .summary('store several values')
    .description('Stores several values; those of one shard together or not at all.')
    .argument('[pair...]', 'key value [key value …]')
    .option('--file <path>', 'take the pairs from a JSON object')
    .addHelpText('after', '\nExamples:\n  kvcache mset a 1 b 2 --ttl 1h\n  kvcache mset --file pairs.json');
  addConnectionFlags(addWriteOptions(addHexOption(command))).action(
    async (words: string[], options: KeyOptions & WriteFlags & { file?: string }) => {
      const pairs = pairsOf(words, options);
      const ttlMs = ttlMsOf(options.ttl);
      await withClient(command, terminal, (client) => client.mset(pairs, { ttlMs, acknowledgement: options.ack }));
      if (options.json) printJson(terminal, { stored: pairs.length });
      else terminal.line('OK');
    },
  );
}

function pairsOf(words: readonly string[], options: KeyOptions & { file?: string }): [Buffer, Buffer][] {
  const texts = options.file === undefined ? words : Object.entries(readPairs(options.file)).flat();
  if (options.file === undefined && words.length > 0 && words.every((word) => word.includes('='))) {
    throw new KvcacheError(
      'CONFIG',
      `keys and values go in turn, without '=', such as ${exampleOf(words)}; where every key and value really holds one, use --file`,
    );
  }
  if (texts.length === 0 || texts.length % 2 !== 0 || (options.file !== undefined && words.length > 0)) {
    throw new KvcacheError('CONFIG', 'give keys and values in turn, such as a 1 b 2, or --file with a JSON object');
  }
  const bytes = texts.map((text) => bytesOfArgument(text, options.hex ?? false));
  return Array.from({ length: bytes.length / 2 }, (_, index) => [bytes[index * 2]!, bytes[index * 2 + 1]!]);
}

/** `a=1 b=2` as it was meant. */
function exampleOf(words: readonly string[]): string {
  return words
    .slice(0, 2)
    .map((word) => word.replace('=', ' '))
    .join(' ');
}

function readPairs(path: string): Record<string, string> {
  const wrong = (why: string): KvcacheError =>
    new KvcacheError('CONFIG', `${path} is not a JSON object of texts, such as {"a":"1"}: ${why}`);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw wrong(messageOf(error));
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) throw wrong('it is no object');
  for (const [key, value] of Object.entries(content)) {
    if (typeof value !== 'string') throw wrong(`the value of '${key}' is no text`);
  }
  return content as Record<string, string>;
}

interface ScanFlags extends KeyOptions {
  readonly limit: number;
  readonly values?: boolean;
}

function addScan(program: Command, terminal: Terminal): void {
  const command = program
    .command('scan')
    .summary('print the keys that begin with a prefix')
    .description('Prints the keys that begin with a prefix, in no order.')
    .argument('[prefix]', 'all keys without it', '')
    .addOption(
      new Option('--limit <number>', 'end after so many; 0 for all').default(1_000).argParser((text) => {
        if (/^\d+$/.test(text)) return Number(text);
        throw new KvcacheError('CONFIG', `--limit is '${text}'; it must be a whole number, 0 for all`);
      }),
    )
    .option('--values', 'with their values')
    .addHelpText(
      'after',
      '\nExamples:\n  kvcache scan user:\n  kvcache scan --limit 0 | wc -l\n  kvcache scan user: --values --json',
    );
  addConnectionFlags(addHexOption(command)).action(async (prefix: string, options: ScanFlags) => {
    const printer = options.json ? new JsonItems(terminal, prefix) : new LineItems(terminal, options.hex ?? false);
    await withClient(command, terminal, async (client) => {
      for await (const [key, value] of itemsOf(client, prefix, options)) printer.add(key, value);
    });
    printer.end();
    if (options.limit > 0 && printer.count === options.limit && !options.json) {
      terminal.warn(`kvcache: ended at ${options.limit} keys; --limit 0 prints all`);
    }
  });
}

async function* itemsOf(
  client: KvcacheClient,
  prefix: string,
  { limit, values, hex }: ScanFlags,
): AsyncGenerator<readonly [Buffer, Buffer | undefined]> {
  const scan = { prefix: bytesOfArgument(prefix, hex ?? false), limit: limit === 0 ? Infinity : limit };
  if (values) yield* client.scanPairs(scan);
  else for await (const key of client.scan(scan)) yield [key, undefined];
}

/** A line an item; a tab before the value. */
class LineItems {
  count = 0;
  readonly #terminal: Terminal;
  readonly #isHex: boolean;

  constructor(terminal: Terminal, isHex: boolean) {
    this.#terminal = terminal;
    this.#isHex = isHex;
  }

  add(key: Buffer, value: Buffer | undefined): void {
    this.count++;
    const suffix = value === undefined ? '' : `\t${printed(value, this.#isHex)}`;
    this.#terminal.line(printed(key, this.#isHex) + suffix);
  }

  end(): void {
    // Every line is out already.
  }
}

/** One JSON object whose list is written as it comes, however long it gets. */
class JsonItems {
  count = 0;
  readonly #terminal: Terminal;

  constructor(terminal: Terminal, prefix: string) {
    this.#terminal = terminal;
    terminal.line(`{"prefix":${JSON.stringify(prefix)},"items":[`);
  }

  add(key: Buffer, value: Buffer | undefined): void {
    const item = { key: jsonOf(key), ...(value && { value: jsonOf(value) }) };
    this.#terminal.line(`${this.count++ === 0 ? ' ' : ','}${JSON.stringify(item)}`);
  }

  end(): void {
    this.#terminal.line(`],"count":${this.count}}`);
  }
}

function addFlush(program: Command, terminal: Terminal): void {
  const command = program
    .command('flush')
    .summary('wait until everything written is on disk or in Blob')
    .description('Waits until everything written so far is on disk, or in Blob.')
    .addArgument(program.createArgument('[level]').choices(['disk', 'blob']).default('blob'))
    .addHelpText('after', '\nExamples:\n  kvcache flush\n  kvcache flush disk');
  addConnectionFlags(command).action(async (level: 'disk' | 'blob', options: { json?: boolean }) => {
    await withClient(command, terminal, (client) => client.flush(level));
    if (options.json) printJson(terminal, { flushed: level });
    else terminal.line('OK');
  });
}
