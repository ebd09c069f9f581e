/**
 * How a value is kept, in Redis' terms: OBJECT and MEMORY USAGE.
 *
 * Clients and tools ask these to judge their data. Encodings are Redis' own, not ours (encodings.ts); idle times are kept
 * (last-use.ts), frequencies are not, and the answer says so. None of these is a use of the key.
 */
import { type Reply, ReplyError } from '../../commands/reply.ts';
import type { Entry } from '../journal.ts';
import type { Answer } from './answer.ts';
import { keyFault, notAnInteger, syntaxError, wordOf } from './arguments.ts';
import { type EncodingOf, encodings } from './encodings.ts';
import type { CommandFamily } from './handler.ts';
import { parseCount } from '../../commands/int64.ts';
import { entryOverheadBytes, expiryOverheadBytes } from './key-index.ts';
import type { Keyspace } from './keyspace.ts';
import { liveOf } from './plain-key.ts';

export function objectCommands(keyspace: Keyspace): CommandFamily {
  const encodingOf = encodings(keyspace);
  return [
    ['OBJECT', (args) => object(keyspace, encodingOf, args)],
    ['MEMORY', (args) => memory(keyspace, args)],
  ];
}

const objectHelp = [
  'OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'ENCODING <key>',
  '    Return the kind of internal representation used in order to store the value',
  '    associated with a <key>.',
  'FREQ <key>',
  '    Return the access frequency index of the <key>. The returned integer is',
  '    proportional to the logarithm of the recent access frequency of the key.',
  'IDLETIME <key>',
  '    Return the idle time of the <key>, that is the approximated number of',
  '    seconds elapsed since the last access to the key.',
  'REFCOUNT <key>',
  '    Return the number of references of the value associated with the specified',
  '    <key>.',
  'HELP',
  '    Print this help.',
];

const memoryHelp = [
  'MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'USAGE <key> [SAMPLES <count>]',
  '    Return memory in bytes used by <key> and its value.',
  'HELP',
  '    Print this help.',
];

/** Of each subcommand, what it answers of an entry. */
type ObjectSubcommand = (entry: Entry, key: Buffer, keyspace: Keyspace, encodingOf: EncodingOf) => Answer<Reply>;

const objectSubcommands: ReadonlyMap<string, ObjectSubcommand> = new Map<string, ObjectSubcommand>([
  ['ENCODING', (entry, key, _, encodingOf) => encodingOf(key, entry)],
  ['FREQ', () => noFrequency],
  ['IDLETIME', (entry, _, keyspace) => keyspace.lastUse.idleSeconds(entry)],
  ['REFCOUNT', () => 1],
]);

/** Values are kept by the order of their use: Redis' answer under such a policy. */
const noFrequency = new ReplyError(
  'ERR',
  'An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.',
);

function object(keyspace: Keyspace, encodingOf: EncodingOf, args: readonly Buffer[]): Answer<Reply> {
  const word = wordOf(args[0]!);
  if (word === 'HELP' && args.length === 1) return [...objectHelp];
  const subcommand = objectSubcommands.get(word);
  if (subcommand === undefined && word !== 'HELP') return unknownSubcommand(args[0]!, 'OBJECT');
  if (subcommand === undefined || args.length !== 2) return wrongArity('object', word);
  const key = args[1]!;
  const fault = keyFault(key);
  if (fault !== undefined) return fault;
  const entry = liveOf(keyspace, key);
  return entry === undefined ? null : subcommand(entry, key, keyspace, encodingOf);
}

function memory(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const word = wordOf(args[0]!);
  if (word === 'HELP' && args.length === 1) return [...memoryHelp];
  if (word !== 'USAGE' && word !== 'HELP') return unknownSubcommand(args[0]!, 'MEMORY');
  if (word === 'HELP' || args.length < 2) return wrongArity('memory', word);
  const key = args[1]!;
  const fault = keyFault(key) ?? samplesFault(args);
  if (fault !== undefined) return fault;
  const entry = liveOf(keyspace, key);
  return entry === undefined ? null : usageOf(entry, keyspace);
}

/** SAMPLES is for what Redis would have to estimate. */
function samplesFault(args: readonly Buffer[]): ReplyError | undefined {
  for (let index = 2; index < args.length; index += 2) {
    if (wordOf(args[index]!) !== 'SAMPLES' || index + 1 === args.length) return syntaxError;
    const samples = parseCount(args[index + 1]!);
    if (samples === undefined) return notAnInteger;
    if (samples < 0) return syntaxError;
  }
  return undefined;
}

/** What key and value take in RAM, or would take: the value may lie below. */
function usageOf(entry: Entry, { hot }: Keyspace): number {
  const expiryBytes = entry.expiry === undefined ? 0 : expiryOverheadBytes;
  return entryOverheadBytes + expiryBytes + entry.key.length + (hot.peekObject(entry)?.memoryBytes ?? entry.bodyBytes);
}

function unknownSubcommand(written: Buffer, command: string): ReplyError {
  const text = written.toString('latin1', 0, 128).replaceAll(/[^\x20-\x7e]/g, '?');
  return new ReplyError('ERR', `unknown subcommand '${text}'. Try ${command} HELP.`);
}

function wrongArity(command: string, subcommand: string): ReplyError {
  return new ReplyError('ERR', `wrong number of arguments for '${command}|${subcommand.toLowerCase()}' command`);
}
