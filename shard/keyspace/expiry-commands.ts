/**
 * Times of expiry: PEXPIREAT, PEXPIRE, EXPIREAT, EXPIRE, PERSIST, PTTL, TTL, PEXPIRETIME.
 *
 * A record carries its expiry, so a change of expiry writes the record anew with its value. If the value lies below
 * RAM it is read first, while the key is held against later writes; what was read counts only if its record is still
 * the live one when the write's turn comes.
 */
import type { CommandContext } from '../../commands/command.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { coldReadAttemptsMax } from '../../limits.ts';
import { slotOf } from '../../topology/slot.ts';
import { Entry, spaceOfKeys, type StoredValue } from '../journal.ts';
import { keyFault, parseTime, type TimeUnit } from './arguments.ts';
import { type CommandFamily, type CommandHandler, keyChange } from './handler.ts';
import { nameOf } from './key-hash.ts';
import type { Keyspace } from './keyspace.ts';
import type { Answer } from './answer.ts';

export function expiryCommands(keyspace: Keyspace): CommandFamily {
  const expire = (name: string, unit: TimeUnit): readonly [string, CommandHandler] => [
    name,
    (args, context) => {
      const key = args[0]!;
      const timeMs = keyFault(key) ?? parseTime(args[1]!, unit, keyspace.now(), name.toLowerCase());
      if (timeMs instanceof ReplyError) return timeMs;
      return changeExpiry(keyspace, key, () => ({ expireAtMs: timeMs }), context);
    },
  ];
  return [
    expire('PEXPIREAT', { isRelative: false, factorMs: 1 }),
    expire('PEXPIRE', { isRelative: true, factorMs: 1 }),
    expire('EXPIREAT', { isRelative: false, factorMs: 1_000 }),
    expire('EXPIRE', { isRelative: true, factorMs: 1_000 }),
    ['PERSIST', (args, context) => keyFault(args[0]!) ?? changeExpiry(keyspace, args[0]!, persist, context)],
    ['PTTL', (args) => expiryOf(keyspace, args[0]!, (timeMs) => timeMs - keyspace.now())],
    ['TTL', (args) => expiryOf(keyspace, args[0]!, (timeMs) => Math.round((timeMs - keyspace.now()) / 1_000))],
    ['PEXPIRETIME', (args) => expiryOf(keyspace, args[0]!, (timeMs) => timeMs)],
  ];
}

function expiryOf(keyspace: Keyspace, key: Buffer, present: (timeMs: number) => number): Reply {
  const fault = keyFault(key);
  if (fault !== undefined) return fault;
  const entry = keyspace.live(spaceOfKeys, slotOf(key), nameOf(key));
  if (entry === undefined) return -2;
  return entry.expireAtMs === 0 ? -1 : present(entry.expireAtMs);
}

/** What a command makes of an entry's expiry; undefined: nothing is to be changed, the answer is 0. */
type NewExpiry = (entry: Entry) => { readonly expireAtMs: number } | undefined;

const persist: NewExpiry = (entry) => (entry.expireAtMs === 0 ? undefined : { expireAtMs: 0 });

/** The value of this very record, read from below RAM. */
interface ReadValue {
  readonly entry: Entry;
  readonly value: StoredValue;
}

function changeExpiry(keyspace: Keyspace, key: Buffer, newExpiry: NewExpiry, context: CommandContext): Answer<Reply> {
  const fault = keyspace.acknowledgementFault(context);
  if (fault !== undefined) return fault;
  const name = nameOf(key);
  if (!keyspace.isIdle([name])) return changeInTurn(keyspace, key, newExpiry, context);
  const entry = keyspace.live(spaceOfKeys, slotOf(key), name);
  if (entry === undefined || newExpiry(entry) === undefined) return 0;
  if (!keyspace.hot.has(entry) || !keyspace.queue.admitsNow(entry.bodyBytes + key.byteLength)) {
    return changeInTurn(keyspace, key, newExpiry, context);
  }
  return rewrite(keyspace, key, name, entry, keyspace.hot.get(entry)!, newExpiry, context);
}

/** The general case: the key is held, and the value read if it is not in RAM when the turn comes. */
async function changeInTurn(
  keyspace: Keyspace,
  key: Buffer,
  newExpiry: NewExpiry,
  context: CommandContext,
): Promise<Reply> {
  const name = nameOf(key);
  const slot = slotOf(key);
  const { before, release } = keyspace.holdKey(name);
  try {
    await before;
    let read: ReadValue | undefined;
    for (let attempt = 1; attempt <= coldReadAttemptsMax; attempt++) {
      const bytes = key.byteLength + (keyspace.live(spaceOfKeys, slot, name)?.bodyBytes ?? 0);
      const outcome = await keyspace.queue.run<Reply | Entry>(bytes, context, () => {
        const entry = keyspace.live(spaceOfKeys, slot, name);
        if (entry === undefined || newExpiry(entry) === undefined) return 0;
        const value = read?.entry === entry ? read.value : keyspace.hot.get(entry);
        if (value === undefined) return entry;
        release();
        return rewrite(keyspace, key, name, entry, value, newExpiry, context);
      });
      if (!(outcome instanceof Entry)) return outcome;
      read = await readRecord(keyspace, outcome);
    }
    return new ReplyError('TRYAGAIN', 'the key changed again and again while its value was read; nothing was written');
  } finally {
    release();
  }
}

async function readRecord(keyspace: Keyspace, entry: Entry): Promise<ReadValue | undefined> {
  const value = await keyspace.peek(entry);
  const current = keyspace.live(spaceOfKeys, entry.slot, entry.key);
  return value !== undefined && current === entry ? { entry, value } : undefined;
}

function rewrite(
  keyspace: Keyspace,
  key: Buffer,
  name: string,
  entry: Entry,
  value: StoredValue,
  newExpiry: NewExpiry,
  context: CommandContext,
): Answer<Reply> {
  const { expireAtMs } = newExpiry(entry)!;
  // A time that has passed deletes, as in Redis.
  const isPast = expireAtMs !== 0 && expireAtMs <= keyspace.now();
  const change = isPast ? keyChange(key, name, 0, undefined) : keyChange(key, name, expireAtMs, value.body);
  return keyspace.commit([change], context, 1);
}
