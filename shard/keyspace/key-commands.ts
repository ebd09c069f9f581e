/** Keys of any type: DEL, UNLINK, EXISTS, TOUCH, TYPE, RENAME, RENAMENX, COPY. */
import type { CommandContext } from '../../commands/command.ts';
import { OK, type Reply, ReplyError } from '../../commands/reply.ts';
import { redisTypeName } from '../../commands/stored-type.ts';
import type { Entry } from '../journal.ts';
import type { Answer } from './answer.ts';
import { keyFault, notAnInteger, syntaxError, wordOf } from './arguments.ts';
import type { Change } from './change.ts';
import type { CommandFamily } from './handler.ts';
import { parseCount } from '../../commands/int64.ts';
import { nameOf } from './key-hash.ts';
import type { Keyspace } from './keyspace.ts';
import { copyChange, deleteChange, keysFault, liveOf } from './plain-key.ts';
import { update } from './update.ts';

export function keyCommands(keyspace: Keyspace): CommandFamily {
  return [
    ['DEL', (args, context) => remove(keyspace, args, context)],
    ['UNLINK', (args, context) => remove(keyspace, args, context)],
    ['EXISTS', (args) => countPresent(keyspace, args, () => undefined)],
    ['TOUCH', (args) => countPresent(keyspace, args, (entry) => touch(keyspace, entry))],
    ['TYPE', (args) => keyFault(args[0]!) ?? typeOf(liveOf(keyspace, args[0]!))],
    ['RENAME', (args, context) => rename(keyspace, args, true, context)],
    ['RENAMENX', (args, context) => rename(keyspace, args, false, context)],
    ['COPY', (args, context) => copy(keyspace, args, context)],
  ];
}

function typeOf(entry: Entry | undefined): Reply {
  return entry === undefined ? 'none' : redisTypeName(entry.type);
}

/** A key that is named twice counts twice. */
function countPresent(keyspace: Keyspace, keys: readonly Buffer[], look: (entry: Entry) => unknown): Reply {
  const fault = keysFault(keys);
  if (fault !== undefined) return fault;
  let count = 0;
  for (const key of keys) {
    const entry = liveOf(keyspace, key);
    if (entry === undefined) continue;
    look(entry);
    count += 1;
  }
  return count;
}

/** A copy in RAM that is looked at is the last to go. */
function touch({ lastUse, hot }: Keyspace, entry: Entry): void {
  lastUse.noteUse(entry);
  if (hot.object(entry) === undefined) hot.get(entry);
}

function remove(keyspace: Keyspace, keys: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const fault = keysFault(keys);
  if (fault !== undefined) return fault;
  // The same key twice is one delete.
  const changes = new Map(keys.map((key) => [nameOf(key), deleteChange(key)] as const));
  const existing = (): Change[] => [...changes.values()].filter(({ key }) => liveOf(keyspace, key) !== undefined);
  const names = [...changes.keys()];
  // Nothing to delete and nothing on the way: no room in the log is needed.
  if (keyspace.isIdle(names) && existing().length === 0) return keyspace.acknowledgementFault(context) ?? 0;
  return keyspace.write(names, keyspace.bytesOf([...changes.values()]), context, () => {
    const deletions = existing();
    return deletions.length === 0 ? 0 : keyspace.commit(deletions, context, deletions.length);
  });
}

// ── One key in another's place ──────────────────────────────────────────────────────────────────────────────────

const noSuchKey = new ReplyError('ERR', 'no such key');

function rename(
  keyspace: Keyspace,
  args: readonly Buffer[],
  replaces: boolean,
  context: CommandContext,
): Answer<Reply> {
  const [from, to] = args as [Buffer, Buffer];
  const fault = keysFault(args);
  if (fault !== undefined) return fault;
  const done = replaces ? OK : 1;
  const settle = (entry: Entry | undefined): Reply | undefined => {
    if (entry === undefined) return noSuchKey;
    if (from.equals(to)) return replaces ? OK : 0;
    return replaces || liveOf(keyspace, to) === undefined ? undefined : 0;
  };
  return update(
    keyspace,
    {
      key: from,
      others: [to],
      bytes: keyspace.bytesOf([deleteChange(from), deleteChange(to)]),
      settle,
      apply: (present) => {
        const { entry } = present!;
        const moved = copyChange(to, present!, entry.expireAtMs);
        // The object of a collection goes along, whose state in the log is the bytes that were read.
        const object = keyspace.hot.object(entry);
        const change = object === undefined ? moved : { ...moved, apply: () => object };
        return keyspace.commit([deleteChange(from), change], context, done);
      },
    },
    context,
  );
}

function copy(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [from, to] = args as [Buffer, Buffer];
  const fault = keysFault([from, to]);
  if (fault !== undefined) return fault;
  const replaces = parseCopyOptions(args);
  if (replaces instanceof ReplyError) return replaces;
  if (from.equals(to)) return new ReplyError('ERR', 'source and destination objects are the same');
  const settle = (entry: Entry | undefined): Reply | undefined => {
    if (entry === undefined) return 0;
    return replaces || liveOf(keyspace, to) === undefined ? undefined : 0;
  };
  return update(
    keyspace,
    {
      key: from,
      others: [to],
      bytes: keyspace.bytesOf([deleteChange(to)]),
      settle,
      apply: (present) => keyspace.commit([copyChange(to, present!, present!.entry.expireAtMs)], context, 1),
    },
    context,
  );
}

/** Whether the copy replaces what is there. There is one database, as in a Redis Cluster. */
function parseCopyOptions(args: readonly Buffer[]): boolean | ReplyError {
  let replaces = false;
  for (let index = 2; index < args.length; index++) {
    const word = wordOf(args[index]!);
    if (word === 'REPLACE') {
      replaces = true;
    } else if (word === 'DB' && index + 1 < args.length) {
      index += 1;
      const database = parseCount(args[index]!);
      if (database === undefined) return notAnInteger;
      if (database !== 0) return new ReplyError('ERR', 'Copying to another database is not allowed in cluster mode');
    } else {
      return syntaxError;
    }
  }
  return replaces;
}
