/** The commands for single keys: get, set, del, exists, expire, ttl. */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { type Acknowledgement, acknowledgements } from '../../commands/command.ts';
import { KvcacheError, messageOf } from '../../errors.ts';
import { valueBytesMax } from '../../limits.ts';
import { exitCodes } from '../../process/exit-codes.ts';
import { parseDurationMs } from '../../settings/units.ts';
import { bytesOfArgument, jsonOf, printed, shown } from '../bytes.ts';
import { addConnectionFlags, withClient } from '../connection.ts';
import { readStream } from '../read-stream.ts';
import { printJson, type Terminal } from '../terminal.ts';

export interface KeyOptions {
  readonly json?: boolean;
  readonly hex?: boolean;
}

export interface WriteFlags {
  readonly ttl?: string;
  readonly ack?: Acknowledgement;
}

export function addHexOption(command: Command): Command {
  return command.option('--hex', 'keys and values are hexadecimal digits');
}

export function addWriteOptions(command: Command): Command {
  return command
    .option('--ttl <time>', 'time to live, such as 60s or 500ms')
    .addOption(new Option('--ack <level>', 'answer when the write is that safe').choices(acknowledgements));
}

/** Milliseconds of a time to live that was typed. */
export function ttlMsOf(written: string | undefined): number | undefined {
  if (written === undefined) return undefined;
  const ttlMs = parseDurationMs(written);
  if (ttlMs !== undefined && ttlMs > 0) return ttlMs;
  throw new KvcacheError('CONFIG', `'${written}' is no time to live; it must be a duration such as 500ms, 60s or 2h`);
}

/** A miss: told on standard error, and by the exit code. */
export function notFound(terminal: Terminal, key: Buffer): void {
  terminal.warn(`kvcache: ${shown(key)} is not there`);
  process.exitCode = exitCodes.notFound;
}

export function addKeyCommands(program: Command, terminal: Terminal): void {
  addGet(program, terminal);
  addSet(program, terminal);
  addDelete(program, terminal);
  addExists(program, terminal);
  addExpire(program, terminal);
  addTtl(program, terminal);
}

function addGet(program: Command, terminal: Terminal): void {
  const command = program
    .command('get')
    .summary('print the value of a key')
    .description('Prints the value of a key. Exit code 3 if it is not there.')
    .argument('<key>')
    .option('--raw', 'write the bytes as they are, without a newline')
    .addHelpText(
      'after',
      `
Examples:
  kvcache get greeting
  kvcache get model.bin --raw > model.bin
  kvcache get 00ff --hex
  kvcache get greeting --json                    {"key":"greeting","found":true,"value":"hello"}`,
    );
  addConnectionFlags(addHexOption(command)).action(async (name: string, options: KeyOptions & { raw?: boolean }) => {
    const isHex = options.hex ?? false;
    const key = bytesOfArgument(name, isHex);
    const value = await withClient(command, terminal, (client) => client.get(key));
    if (options.json) {
      printJson(terminal, { key: jsonOf(key), found: value !== null, ...(value && { value: jsonOf(value) }) });
      if (value === null) process.exitCode = exitCodes.notFound;
    } else if (value === null) notFound(terminal, key);
    else if (options.raw) await terminal.bytes(value);
    else terminal.line(printed(value, isHex));
  });
}

interface SetFlags extends KeyOptions, WriteFlags {
  readonly file?: string;
  readonly nx?: boolean;
  readonly xx?: boolean;
  readonly keepTtl?: boolean;
}

function addSet(program: Command, terminal: Terminal): void {
  const command = program
    .command('set')
    .summary('store a value')
    .description('Stores a value. Exit code 3 if --nx or --xx kept it from being stored.')
    .argument('<key>')
    .argument('[value]', 'the value; - reads standard input')
    .option('--file <path>', 'take the value from a file')
    .addOption(new Option('--nx', 'only if the key is not there').conflicts('xx'))
    .option('--xx', 'only if the key is there')
    .addOption(new Option('--keep-ttl', 'keep the expiry that the key has').conflicts('ttl'))
    .addHelpText(
      'after',
      `
Examples:
  kvcache set greeting hello --ttl 1h
  tar c folder | kvcache set backup -
  kvcache set weights --file weights.bin --ack blob
  kvcache set 00ff cafe --hex`,
    );
  addConnectionFlags(addWriteOptions(addHexOption(command))).action(
    async (name: string, written: string | undefined, options: SetFlags) => {
      const key = bytesOfArgument(name, options.hex ?? false);
      const ttlMs = ttlMsOf(options.ttl);
      const value = await valueOf(written, options);
      const stored = await withClient(command, terminal, (client) =>
        client.set(key, value, {
          ttlMs,
          keepTtl: options.keepTtl,
          onlyIf: options.nx ? 'absent' : options.xx ? 'present' : undefined,
          acknowledgement: options.ack,
        }),
      );
      if (options.json) printJson(terminal, { key: jsonOf(key), stored, bytes: value.byteLength });
      else terminal.line(stored ? 'OK' : 'not stored: the condition did not hold');
      if (!stored) process.exitCode = exitCodes.notFound;
    },
  );
}

/** The value of `set`: the argument, standard input, or a file. */
async function valueOf(written: string | undefined, { file, hex }: SetFlags): Promise<Buffer> {
  if ((written === undefined) === (file === undefined)) {
    throw new KvcacheError(
      'CONFIG',
      'give the value as an argument, as - for standard input, or with --file, and only one of them',
    );
  }
  if (file !== undefined) {
    try {
      return readFileSync(file);
    } catch (error) {
      throw new KvcacheError('CONFIG', `the file ${file} cannot be read: ${messageOf(error)}`);
    }
  }
  return written === '-' ? readStream(process.stdin, valueBytesMax) : bytesOfArgument(written!, hex ?? false);
}

function addDelete(program: Command, terminal: Terminal): void {
  const command = program
    .command('del')
    .alias('delete')
    .summary('delete keys')
    .description('Deletes keys and prints how many were there.')
    .argument('<key...>')
    .addHelpText('after', '\nExamples:\n  kvcache del greeting\n  kvcache del a b c --json');
  addConnectionFlags(addHexOption(command)).action(async (names: string[], options: KeyOptions) => {
    const keys = names.map((name) => bytesOfArgument(name, options.hex ?? false));
    const deleted = await withClient(command, terminal, (client) => client.mdelete(keys));
    if (options.json) printJson(terminal, { deleted });
    else terminal.line(`${deleted}`);
  });
}

function addExists(program: Command, terminal: Terminal): void {
  const command = program
    .command('exists')
    .alias('contains')
    .summary('count the keys that are there')
    .description('Prints how many of the keys are there. Exit code 3 if none is.')
    .argument('<key...>')
    .addHelpText('after', '\nExamples:\n  kvcache exists greeting && echo yes\n  kvcache exists a b c --json');
  addConnectionFlags(addHexOption(command)).action(async (names: string[], options: KeyOptions) => {
    const keys = names.map((name) => bytesOfArgument(name, options.hex ?? false));
    const found = await withClient(command, terminal, (client) => Promise.all(keys.map((key) => client.exists(key))));
    const count = found.filter(Boolean).length;
    if (options.json) printJson(terminal, { exists: count });
    else terminal.line(`${count}`);
    if (count === 0) process.exitCode = exitCodes.notFound;
  });
}

function addExpire(program: Command, terminal: Terminal): void {
  const command = program
    .command('expire')
    .summary('set the time that a key has left')
    .description('Sets the time that a key has left. Exit code 3 if it is not there.')
    .argument('<key>')
    .argument('<time>', 'a duration such as 60s, or never')
    .addHelpText('after', '\nExamples:\n  kvcache expire greeting 10m\n  kvcache expire greeting never');
  addConnectionFlags(addHexOption(command)).action(async (name: string, time: string, options: KeyOptions) => {
    const key = bytesOfArgument(name, options.hex ?? false);
    const ttlMs = time === 'never' ? undefined : ttlMsOf(time);
    const found = await withClient(command, terminal, async (client) => {
      if (ttlMs !== undefined) return client.expire(key, ttlMs);
      return (await client.persist(key)) || (await client.exists(key));
    });
    if (options.json) printJson(terminal, { key: jsonOf(key), found });
    else if (found) terminal.line('OK');
    if (!found && !options.json) notFound(terminal, key);
    if (!found) process.exitCode = exitCodes.notFound;
  });
}

function addTtl(program: Command, terminal: Terminal): void {
  const command = program
    .command('ttl')
    .summary('print the time that a key has left')
    .description('Prints the time that a key has left, or never. Exit code 3 if it is not there.')
    .argument('<key>')
    .addHelpText(
      'after',
      '\nExamples:\n  kvcache ttl greeting\n  kvcache ttl greeting --json   {"key":"greeting","found":true,"ttlMs":59873}',
    );
  addConnectionFlags(addHexOption(command)).action(async (name: string, options: KeyOptions) => {
    const key = bytesOfArgument(name, options.hex ?? false);
    const ttlMs = await withClient(command, terminal, (client) => client.ttl(key));
    if (options.json) {
      const isForEver = ttlMs === Infinity;
      printJson(terminal, { key: jsonOf(key), found: ttlMs !== null, ttlMs: isForEver ? null : ttlMs });
      if (ttlMs === null) process.exitCode = exitCodes.notFound;
    } else if (ttlMs === null) notFound(terminal, key);
    else terminal.line(ttlMs === Infinity ? 'never' : `${(ttlMs / 1_000).toFixed(1)}s`);
  });
}
