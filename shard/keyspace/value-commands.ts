/**
 * Typed values: VALUE.GET, VALUE.MGET, VALUE.SET, VALUE.MSET, VALUE.CAS, VALUE.INCR. Grammar: commands/table.ts; types
 * and bodies: commands/typed-value.ts, whose checks the door has made.
 *
 * Collections are shown as values of their elements' bytes (collection-value.ts).
 */
import type { CommandContext } from '../../commands/command.ts';
import { OK, type Reply, ReplyError } from '../../commands/reply.ts';
import { withoutVersions } from '../../commands/siblings.ts';
import { isCollection, type StoredType, storedTypeMax, storedTypes } from '../../commands/stored-type.ts';
import { isSameValue } from '../../commands/typed-equality.ts';
import { typedFault, type TypedValue } from '../../commands/typed-value.ts';
import { slotOf } from '../../topology/slot.ts';
import { spaceOfKeys, type StoredValue } from '../journal.ts';
import { allOf, andThen, type Answer } from './answer.ts';
import { keyFault, notAnInteger, parseInteger, wrongType } from './arguments.ts';
import type { Change } from './change.ts';
import { valueOfCollection } from './collection-value.ts';
import { type CommandFamily, keptValue, keyChange, storeFault } from './handler.ts';
import { int64Body, int64Max, int64Min, int64Reply, isInt64, parseInt64 } from '../../commands/int64.ts';
import { nameOf } from './key-hash.ts';
import type { Keyspace } from './keyspace.ts';
import { commitUnlessPast, liveOf } from './plain-key.ts';
import { invalidExpireTime } from './times.ts';
import { type Present, update } from './update.ts';

export function valueCommands(keyspace: Keyspace): CommandFamily {
  return [
    ['VALUE.GET', ([key]) => get(keyspace, key!)],
    ['VALUE.MGET', (keys) => allOf(keys.map((key) => get(keyspace, key)))],
    ['VALUE.SET', (args, context) => set(keyspace, args, context)],
    ['VALUE.MSET', (args, context) => setMany(keyspace, args, context)],
    ['VALUE.CAS', (args, context) => compareAndSet(keyspace, args, context)],
    ['VALUE.INCR', (args, context) => increment(keyspace, args, context)],
  ];
}

/** [type, body], or nil. */
function get(keyspace: Keyspace, key: Buffer): Answer<Reply> {
  const fault = keyFault(key);
  if (fault !== undefined) return fault;
  const entry = keyspace.glance(slotOf(key), nameOf(key));
  if (entry !== undefined && isCollection(entry.type)) return getCollection(keyspace, key);
  return andThen(keyspace.readEntry(entry), shownStored);
}

async function getCollection(keyspace: Keyspace, key: Buffer): Promise<Reply> {
  const stored = await keyspace.read(spaceOfKeys, slotOf(key), nameOf(key));
  const type = stored?.type ?? storedTypes.bytes;
  // It may have become something else while it was read.
  return isCollection(type) ? shown(await valueOfCollection(type, stored!.body)) : shownStored(stored);
}

function shownStored(stored: StoredValue | undefined): Reply {
  return stored === undefined ? null : shown(withoutVersions(stored.type ?? storedTypes.bytes, stored.body));
}

function shown(value: TypedValue | ReplyError): Reply {
  return value instanceof ReplyError ? value : [value.type, value.body];
}

function set(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, type, body, expiry, condition] = args as [Buffer, Buffer, Buffer, Buffer, Buffer?];
  const expireAtMs = expiryOf(expiry, 'value.set');
  if (expireAtMs instanceof ReplyError) return expireAtMs;
  const change = valueChange(keyspace, key, type, body, expireAtMs);
  if (change instanceof ReplyError) return change;
  if (condition !== undefined && condition.toString('latin1') !== 'NX') return new ReplyError('ERR', 'syntax error');
  const changes = [change];
  return keyspace.write([change.name], keyspace.bytesOf(changes), context, () => {
    // Whatever is there goes, unseen.
    if (condition === undefined && expireAtMs === 0) return keyspace.commit(changes, context, 1);
    const current = liveOf(keyspace, key);
    if (condition !== undefined && current !== undefined) return 0;
    return commitUnlessPast(keyspace, change, current, context, 1);
  });
}

/** Of a key that comes twice the last value counts. */
function setMany(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const expireAtMs = expiryOf(args[0]!, 'value.mset');
  if (expireAtMs instanceof ReplyError) return expireAtMs;
  const byName = new Map<string, Change>();
  for (let at = 1; at < args.length; at += 3) {
    const change = valueChange(keyspace, args[at]!, args[at + 1]!, args[at + 2]!, expireAtMs);
    if (change instanceof ReplyError) return change;
    byName.set(change.name, change);
  }
  const changes = [...byName.values()];
  return keyspace.write([...byName.keys()], keyspace.bytesOf(changes), context, () => {
    if (expireAtMs === 0 || expireAtMs > keyspace.now()) return keyspace.commit(changes, context, OK);
    const present = changes.filter(({ key }) => liveOf(keyspace, key) !== undefined);
    if (present.length === 0) return OK;
    return keyspace.commit(
      present.map(({ key, name }) => keyChange(key, name, 0, undefined)),
      context,
      OK,
    );
  });
}

/** A key that is not there equals nothing, Null neither. */
function compareAndSet(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, expectedType, expectedBody, type, body, expiry] = args as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  const expireAtMs = expiryOf(expiry, 'value.cas');
  if (expireAtMs instanceof ReplyError) return expireAtMs;
  const expected = typedValueOf(expectedType, expectedBody);
  if (expected instanceof ReplyError) return expected;
  const change = valueChange(keyspace, key, type, body, expireAtMs);
  if (change instanceof ReplyError) return change;
  const apply = (present: Present | undefined): Answer<Reply> => {
    if (present === undefined || isCollection(present.entry.type)) return 0;
    const current = withoutVersions(present.entry.type, present.value.body);
    if (!isSameValue(current, expected)) return 0;
    return commitUnlessPast(keyspace, change, present.entry, context, 1);
  };
  return update(keyspace, { key, bytes: keyspace.bytesOf([change]), apply }, context);
}

/** Stays within 64 bits: beyond them the nearest. A counter that is not there becomes an Int. */
function increment(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, written] = args as [Buffer, Buffer];
  const fault = keyFault(key);
  if (fault !== undefined) return fault;
  const text = written.toString('latin1');
  // One more than 64 bits hold: what takes the least integer away adds that much.
  if (!/^-?[0-9]{1,19}$/.test(text)) return notAnInteger;
  const delta = BigInt(text);
  const apply = (present: Present | undefined): Answer<Reply> => {
    const value = present && withoutVersions(present.entry.type, present.value.body);
    const current = value === undefined ? 0n : integerOf(value);
    if (current === undefined) return wrongType;
    const sum = saturated(current + delta);
    const change = keyChange(key, nameOf(key), present?.entry.expireAtMs ?? 0, undefined);
    const counted = counterOf(value?.type ?? storedTypes.int, sum);
    return keyspace.commit([{ ...change, ...counted }], context, int64Reply(sum));
  };
  const settle = (entry: { readonly type: StoredType } | undefined): ReplyError | undefined =>
    entry !== undefined && isCollection(entry.type) ? wrongType : undefined;
  return update(keyspace, { key, bytes: 128 + key.byteLength, settle, apply }, context);
}

/** An Int, or text of an integer. */
function integerOf({ type, body }: TypedValue): bigint | undefined {
  if (type === storedTypes.int) return body.readBigInt64BE();
  return type === storedTypes.bytes || type === storedTypes.text ? parseInt64(body) : undefined;
}

function counterOf(type: StoredType, value: bigint): TypedValue {
  return { type, body: type === storedTypes.int ? int64Body(value) : Buffer.from(value.toString(), 'latin1') };
}

function saturated(value: bigint): bigint {
  if (isInt64(value)) return value;
  return value < 0n ? int64Min : int64Max;
}

function valueChange(
  keyspace: Keyspace,
  key: Buffer,
  typeArgument: Buffer,
  body: Buffer,
  expireAtMs: number,
): Change | ReplyError {
  const value = keyFault(key) ?? storeFault(keyspace, body) ?? typedValueOf(typeArgument, body);
  if (value instanceof ReplyError) return value;
  return { ...keyChange(key, nameOf(key), expireAtMs, keptValue(value.body)), type: value.type };
}

function typedValueOf(typeArgument: Buffer, body: Buffer): TypedValue | ReplyError {
  const type = parseInteger(typeArgument);
  if (type === undefined || type < 0 || type > storedTypeMax) return notAnInteger;
  // Most values are bytes or text, of which the door has looked at every one.
  const isPlain = type === storedTypes.bytes || type === storedTypes.text;
  const fault = isPlain ? undefined : typedFault(type as StoredType, body);
  return fault === undefined ? { type: type as StoredType, body } : new ReplyError('ERR', fault);
}

function expiryOf(argument: Buffer, command: string): number | ReplyError {
  const expireAtMs = parseInteger(argument);
  if (expireAtMs === undefined) return notAnInteger;
  return expireAtMs < 0 ? invalidExpireTime(command) : expireAtMs;
}
