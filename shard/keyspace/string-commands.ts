/** Text by key: GET, STRLEN, MGET, TEXT.MGET, MSET, MSETNX, MSETEX. Grammar: commands/table.ts. */
import type { CommandContext } from '../../commands/command.ts';
import { OK, type Reply, ReplyError } from '../../commands/reply.ts';
import { storedTypes } from '../../commands/stored-type.ts';
import { slotOf } from '../../topology/slot.ts';
import { allOf, andThen, type Answer } from './answer.ts';
import { keyFault, notAnInteger, parseInteger, wrongType } from './arguments.ts';
import type { Change } from './change.ts';
import { argumentChange, type CommandFamily, storeFault } from './handler.ts';
import { nameOf } from './key-hash.ts';
import type { Keyspace } from './keyspace.ts';
import { deleteChange, liveOf, textFault } from './plain-key.ts';
import { invalidExpireTime } from './times.ts';

export function stringCommands(keyspace: Keyspace): CommandFamily {
  return [
    ['GET', (args) => get(keyspace, args[0]!)],
    ['STRLEN', (args) => textLength(keyspace, args[0]!)],
    ['MGET', (args) => mget(keyspace, args, null)],
    ['TEXT.MGET', (args) => mget(keyspace, args, wrongType)],
    ['MSET', (args, context) => mset(keyspace, args, context)],
    ['MSETNX', (args, context) => msetnx(keyspace, args, context)],
    ['MSETEX', (args, context) => msetex(keyspace, args, context)],
  ];
}

function get(keyspace: Keyspace, key: Buffer): Answer<Reply> {
  const fault = keyFault(key);
  if (fault !== undefined) return fault;
  return andThen(keyspace.readText(slotOf(key), nameOf(key)), orNil);
}

function orNil(text: Buffer | ReplyError | undefined): Reply {
  return text ?? null;
}

/** What is stored as bytes need not be read to be measured. */
function textLength(keyspace: Keyspace, key: Buffer): Answer<Reply> {
  const fault = keyFault(key);
  if (fault !== undefined) return fault;
  const entry = liveOf(keyspace, key);
  if (entry === undefined) return 0;
  keyspace.lastUse.noteUse(entry);
  if (entry.type === storedTypes.bytes) return entry.bodyBytes;
  return (
    textFault(entry) ?? andThen(get(keyspace, key), (text) => (Buffer.isBuffer(text) ? text.byteLength : (text ?? 0)))
  );
}

/** What is no text is answered as if it were absent. */
/** What is no text is `ofOthers`. */
function mget(keyspace: Keyspace, keys: readonly Buffer[], ofOthers: Reply): Answer<Reply> {
  const replies: Answer<Reply>[] = [];
  for (const key of keys) {
    const reply = andThen(get(keyspace, key), (text) => (text === wrongType ? ofOthers : text));
    if (reply instanceof ReplyError && reply !== ofOthers) return reply;
    replies.push(reply);
  }
  return allOf(replies);
}

/** The pairs from args[first] on; of a key that comes twice the last value counts. */
function pairsOf(
  keyspace: Keyspace,
  args: readonly Buffer[],
  first: number,
  expireAtMs: number,
): readonly Change[] | ReplyError {
  const byName = new Map<string, Change>();
  for (let index = first; index < args.length; index += 2) {
    const key = args[index]!;
    const value = args[index + 1]!;
    const fault = keyFault(key) ?? storeFault(keyspace, value);
    if (fault !== undefined) return fault;
    const name = nameOf(key);
    byName.set(name, argumentChange(key, name, expireAtMs, value));
  }
  return [...byName.values()];
}

/** Writes these changes at their turn, as one group. */
function writeAll(
  keyspace: Keyspace,
  changes: readonly Change[],
  context: CommandContext,
  apply: () => Answer<Reply>,
): Answer<Reply> {
  const names = changes.map(({ name }) => name);
  return keyspace.write(names, keyspace.bytesOf(changes), context, apply);
}

function mset(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const changes = pairsOf(keyspace, args, 0, 0);
  if (changes instanceof ReplyError) return changes;
  return writeAll(keyspace, changes, context, () => keyspace.commit(changes, context, OK));
}

function msetnx(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const changes = pairsOf(keyspace, args, 0, 0);
  if (changes instanceof ReplyError) return changes;
  return writeAll(keyspace, changes, context, () =>
    changes.some(({ key }) => liveOf(keyspace, key) !== undefined) ? 0 : keyspace.commit(changes, context, 1),
  );
}

function msetex(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const expireAtMs = parseInteger(args[0]!);
  if (expireAtMs === undefined) return notAnInteger;
  if (expireAtMs < 0) return invalidExpireTime('msetex');
  const changes = pairsOf(keyspace, args, 1, expireAtMs);
  if (changes instanceof ReplyError) return changes;
  return writeAll(keyspace, changes, context, () => {
    if (expireAtMs === 0 || expireAtMs > keyspace.now()) return keyspace.commit(changes, context, OK);
    const present = changes.filter(({ key }) => liveOf(keyspace, key) !== undefined);
    if (present.length === 0) return OK;
    return keyspace.commit(
      present.map(({ key }) => deleteChange(key)),
      context,
      OK,
    );
  });
}
