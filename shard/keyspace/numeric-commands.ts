/**
 * Counting: INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT.
 *
 * Integers are exact to 64 bits. A counter stays of the kind that it was found in: an Int of the binary protocol stays
 * one, text stays text; INCRBYFLOAT makes text of anything that reads as a number. How floats are added: long-double.ts.
 */
import type { CommandContext } from '../../commands/command.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { withoutVersions } from '../../commands/siblings.ts';
import { type StoredType, storedTypes } from '../../commands/stored-type.ts';
import type { Entry } from '../journal.ts';
import type { Answer } from './answer.ts';
import { keyFault, notAnInteger, wrongType } from './arguments.ts';
import type { Change } from './change.ts';
import { type CommandFamily, keyChange } from './handler.ts';
import { int64Body, int64Min, int64Reply, isInt64, overflow, parseInt64 } from '../../commands/int64.ts';
import { nameOf } from './key-hash.ts';
import type { Keyspace } from './keyspace.ts';
import { addLongDouble, formatLongDouble, parseLongDouble, zero } from './long-double.ts';
import { textChange, textFault, textOfPresent } from './plain-key.ts';
import { type Present, update } from './update.ts';

export function numericCommands(keyspace: Keyspace): CommandFamily {
  return [
    ['INCR', (args, context) => add(keyspace, args[0]!, 1n, context)],
    ['DECR', (args, context) => add(keyspace, args[0]!, -1n, context)],
    ['INCRBY', (args, context) => addArgument(keyspace, args, 1n, context)],
    ['DECRBY', (args, context) => addArgument(keyspace, args, -1n, context)],
    ['INCRBYFLOAT', (args, context) => addFloat(keyspace, args, context)],
  ];
}

/** What a counter takes in the log. */
const counterBytes = 128;
const notAFloat = new ReplyError('ERR', 'value is not a valid float');

function addArgument(
  keyspace: Keyspace,
  args: readonly Buffer[],
  sign: 1n | -1n,
  context: CommandContext,
): Answer<Reply> {
  const amount = parseInt64(args[1]!);
  if (amount === undefined) return notAnInteger;
  if (sign < 0n && amount === int64Min) return new ReplyError('ERR', 'decrement would overflow');
  return add(keyspace, args[0]!, sign * amount, context);
}

function add(keyspace: Keyspace, key: Buffer, amount: bigint, context: CommandContext): Answer<Reply> {
  const fault = keyFault(key);
  if (fault !== undefined) return fault;
  const apply = (present: Present | undefined): Answer<Reply> => {
    const value = present && withoutVersions(present.entry.type, present.value.body);
    if (value !== undefined && !isCounter(value.type)) return wrongType;
    const current = value === undefined ? 0n : integerOf(value);
    if (current === undefined) return notAnInteger;
    const sum = current + amount;
    if (!isInt64(sum)) return overflow;
    const type = value?.type ?? storedTypes.bytes;
    return keyspace.commit([integerChange(key, sum, type, present?.entry.expireAtMs ?? 0)], context, int64Reply(sum));
  };
  return update(keyspace, { key, bytes: counterBytes + key.byteLength, settle: counterFault, apply }, context);
}

function counterFault(entry: Entry | undefined): ReplyError | undefined {
  if (entry === undefined) return undefined;
  // Which type the newest of versions is of is known when it has been read.
  return isCounter(entry.type) || entry.type === storedTypes.versioned ? undefined : wrongType;
}

function isCounter(type: StoredType): boolean {
  return type === storedTypes.bytes || type === storedTypes.text || type === storedTypes.int;
}

function integerOf({ type, body }: { readonly type: StoredType; readonly body: Buffer }): bigint | undefined {
  return type === storedTypes.int ? body.readBigInt64BE() : parseInt64(body);
}

/** The counter in the kind that it had, with the expiry that it had. */
function integerChange(key: Buffer, value: bigint, type: StoredType, expireAtMs: number): Change {
  const change = keyChange(key, nameOf(key), expireAtMs, bodyOf(type, value));
  return type === storedTypes.bytes ? change : { ...change, type };
}

function bodyOf(type: number, value: bigint): Buffer {
  return type === storedTypes.int ? int64Body(value) : Buffer.from(value.toString(), 'latin1');
}

function addFloat(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, written] = args as [Buffer, Buffer];
  const fault = keyFault(key);
  if (fault !== undefined) return fault;
  const amount = parseLongDouble(written.toString('latin1'));
  // What is wrong with the key's type is said first, as Redis does.
  const settle = (entry: Entry | undefined): Reply | undefined =>
    textFault(entry) ?? (amount === undefined ? notAFloat : undefined);
  const apply = (present: Present | undefined): Answer<Reply> => {
    const current = present === undefined ? zero : parseLongDouble(textOfPresent(present).toString('latin1'));
    if (current === undefined) return notAFloat;
    const isInfinite = current === 'infinite' || amount === 'infinite';
    const sum = isInfinite ? 'infinite' : addLongDouble(current, amount!);
    if (sum === 'infinite') return new ReplyError('ERR', 'increment would produce NaN or Infinity');
    const text = Buffer.from(formatLongDouble(sum), 'latin1');
    return keyspace.commit([textChange(key, text, present?.entry.expireAtMs ?? 0)], context, text);
  };
  return update(keyspace, { key, bytes: counterBytes + key.byteLength, settle, apply }, context);
}
