/** Values by key: GET, SET, DEL, EXISTS, MGET, MSET, MSETEX, STRLEN, DBSIZE. Grammar: commands/table.ts. */
import type { CommandContext } from '../../commands/command.ts';
import { OK, type Reply, ReplyError } from '../../commands/reply.ts';
import { slotOf } from '../../topology/slot.ts';
import { type Entry, spaceOfKeys } from '../journal.ts';
import {
  invalidExpireTime,
  keyFault,
  notAnInteger,
  parseInteger,
  parseTime,
  syntaxError,
  type TimeUnit,
  wordOf,
  wrongType,
} from './arguments.ts';
import { type CommandFamily, keptValue, keyChange, storeFault } from './handler.ts';
import type { Change, Keyspace } from './keyspace.ts';
import { allOf, andThen, type Answer } from './answer.ts';
import { nameOf } from './key-hash.ts';

export function stringCommands(keyspace: Keyspace): CommandFamily {
  return [
    ['GET', (args) => get(keyspace, args[0]!)],
    ['SET', (args, context) => set(keyspace, args, context)],
    ['DEL', (args, context) => del(keyspace, args, context)],
    ['EXISTS', (args) => exists(keyspace, args)],
    ['MGET', (args) => mget(keyspace, args)],
    ['MSET', (args, context) => mset(keyspace, args, 0, 0, context)],
    ['MSETEX', (args, context) => msetex(keyspace, args, context)],
    ['STRLEN', (args) => keyFault(args[0]!) ?? liveOf(keyspace, args[0]!)?.bodyBytes ?? 0],
    ['DBSIZE', () => keyspace.countKeys()],
  ];
}

function liveOf(keyspace: Keyspace, key: Buffer): Entry | undefined {
  return keyspace.live(spaceOfKeys, slotOf(key), nameOf(key));
}

function get(keyspace: Keyspace, key: Buffer): Answer<Reply> {
  const fault = keyFault(key);
  if (fault !== undefined) return fault;
  return andThen(keyspace.readText(slotOf(key), nameOf(key)), (text) => text ?? null);
}

function exists(keyspace: Keyspace, keys: readonly Buffer[]): Reply {
  let count = 0;
  for (const key of keys) {
    const fault = keyFault(key);
    if (fault !== undefined) return fault;
    if (liveOf(keyspace, key) !== undefined) count += 1;
  }
  return count;
}

function mget(keyspace: Keyspace, keys: readonly Buffer[]): Answer<Reply> {
  const replies: Answer<Reply>[] = [];
  for (const key of keys) {
    const fault = keyFault(key);
    if (fault !== undefined) return fault;
    // As in Redis, a key of another type is none here.
    replies.push(andThen(get(keyspace, key), (reply) => (reply === wrongType ? null : reply)));
  }
  return allOf(replies);
}

// ── SET ─────────────────────────────────────────────────────────────────────────────────────────────────────────

interface SetOptions {
  readonly expireAtMs: number;
  readonly keepsExpiry: boolean;
  readonly condition: 'always' | 'absent' | 'present';
}

const plainSet: SetOptions = { expireAtMs: 0, keepsExpiry: false, condition: 'always' };

const timeUnits: ReadonlyMap<string, TimeUnit> = new Map([
  ['PXAT', { isRelative: false, factorMs: 1 }],
  ['PX', { isRelative: true, factorMs: 1 }],
  ['EXAT', { isRelative: false, factorMs: 1_000 }],
  ['EX', { isRelative: true, factorMs: 1_000 }],
]);

function parseSetOptions(args: readonly Buffer[], nowMs: number): SetOptions | ReplyError {
  let expireAtMs = 0;
  let keepsExpiry = false;
  let condition: SetOptions['condition'] = 'always';
  for (let index = 2; index < args.length; index++) {
    const word = wordOf(args[index]!);
    const unit = timeUnits.get(word);
    if (unit !== undefined && index + 1 < args.length && expireAtMs === 0 && !keepsExpiry) {
      index += 1;
      const value = parseInteger(args[index]!);
      if (value === undefined) return notAnInteger;
      // Unlike EXPIRE, SET takes no time before 1970 and no life of nothing.
      if (value <= 0) return invalidExpireTime('set');
      const timeMs = parseTime(args[index]!, unit, nowMs, 'set');
      if (timeMs instanceof ReplyError) return timeMs;
      expireAtMs = timeMs;
    } else if (word === 'KEEPTTL' && expireAtMs === 0) {
      keepsExpiry = true;
    } else if ((word === 'NX' || word === 'XX') && condition === 'always') {
      condition = word === 'NX' ? 'absent' : 'present';
    } else {
      return syntaxError;
    }
  }
  return { expireAtMs, keepsExpiry, condition };
}

function set(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const key = args[0]!;
  const fault = keyFault(key) ?? storeFault(keyspace, args[1]!);
  if (fault !== undefined) return fault;
  const options = args.length === 2 ? plainSet : parseSetOptions(args, keyspace.now());
  if (options instanceof ReplyError) return options;
  const name = nameOf(key);
  const change = keyChange(key, name, options.expireAtMs, keptValue(args[1]!));
  const changes = [change];
  return keyspace.write([name], keyspace.bytesOf(changes), context, () =>
    options === plainSet ? keyspace.commit(changes, context, OK) : setWith(keyspace, change, options, context),
  );
}

function setWith(keyspace: Keyspace, change: Change, options: SetOptions, context: CommandContext): Answer<Reply> {
  const current = keyspace.live(spaceOfKeys, change.slot, change.name);
  const isMet = options.condition === 'always' || (options.condition === 'present') === (current !== undefined);
  if (!isMet) return null;
  const expireAtMs = options.keepsExpiry ? (current?.expireAtMs ?? 0) : change.expireAtMs;
  if (expireAtMs === 0 || expireAtMs > keyspace.now()) {
    return keyspace.commit([{ ...change, expireAtMs }], context, OK);
  }
  // Stored and expired in the same moment: what remains is that the old value is gone.
  return current === undefined ? OK : keyspace.commit([withoutValue(change)], context, OK);
}

function withoutValue(change: Change): Change {
  return { ...change, expireAtMs: 0, body: undefined };
}

// ── Several keys ────────────────────────────────────────────────────────────────────────────────────────────────

function del(keyspace: Keyspace, keys: readonly Buffer[], context: CommandContext): Answer<Reply> {
  for (const key of keys) {
    const fault = keyFault(key);
    if (fault !== undefined) return fault;
  }
  // The same key twice is one delete.
  const changes = new Map(
    keys.map((key) => {
      const name = nameOf(key);
      return [name, keyChange(key, name, 0, undefined)] as const;
    }),
  );
  const existing = (): Change[] =>
    [...changes.values()].filter(({ slot, name }) => keyspace.live(spaceOfKeys, slot, name) !== undefined);
  const names = [...changes.keys()];
  // Nothing to delete and nothing on the way: no room in the log is needed.
  if (keyspace.isIdle(names) && existing().length === 0) return keyspace.acknowledgementFault(context) ?? 0;
  return keyspace.write(names, keyspace.bytesOf([...changes.values()]), context, () => {
    const deletions = existing();
    return deletions.length === 0 ? 0 : keyspace.commit(deletions, context, deletions.length);
  });
}

function msetex(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const expireAtMs = parseInteger(args[0]!);
  if (expireAtMs === undefined) return notAnInteger;
  if (expireAtMs < 0) return invalidExpireTime('msetex');
  return mset(keyspace, args, 1, expireAtMs, context);
}

/** Stores the pairs from args[first] on as one group; of a key that comes twice the last value counts. */
function mset(
  keyspace: Keyspace,
  args: readonly Buffer[],
  first: number,
  expireAtMs: number,
  context: CommandContext,
): Answer<Reply> {
  const byName = new Map<string, Change>();
  for (let index = first; index < args.length; index += 2) {
    const key = args[index]!;
    const value = args[index + 1]!;
    const fault = keyFault(key) ?? storeFault(keyspace, value);
    if (fault !== undefined) return fault;
    const name = nameOf(key);
    byName.set(name, keyChange(key, name, expireAtMs, keptValue(value)));
  }
  const changes = [...byName.values()];
  return keyspace.write([...byName.keys()], keyspace.bytesOf(changes), context, () => {
    if (expireAtMs === 0 || expireAtMs > keyspace.now()) return keyspace.commit(changes, context, OK);
    const present = changes.filter(({ slot, name }) => keyspace.live(spaceOfKeys, slot, name) !== undefined);
    return present.length === 0 ? OK : keyspace.commit(present.map(withoutValue), context, OK);
  });
}
