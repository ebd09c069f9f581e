/**
 * Times of expiry: EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT with NX XX GT LT, PERSIST, TTL, PTTL, EXPIRETIME, PEXPIRETIME.
 *
 * A record carries its expiry. A change of it is a delta without bytes, which needs nobody to read the value, however large
 * that is or deep it lies. Only a small value at hand is written anew with it, which takes no more of the log and leaves
 * no chain behind; and so is one that is still at another shard, which must come first (update.ts).
 */
import type { CommandContext } from '../../commands/command.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { wholeBaseBytesMax } from '../../limits.ts';
import type { Entry } from '../journal.ts';
import type { Answer } from './answer.ts';
import { keyFault } from './arguments.ts';
import { type CommandFamily, type CommandHandler, keyChange } from './handler.ts';
import { nameOf } from './key-hash.ts';
import type { Keyspace } from './keyspace.ts';
import { commitUnlessPast, copyChange, deleteChange, liveOf } from './plain-key.ts';
import { parseTime, type TimeUnit, timeUnits } from './times.ts';
import { update } from './update.ts';

export function expiryCommands(keyspace: Keyspace): CommandFamily {
  const expire = (name: string, unit: TimeUnit): readonly [string, CommandHandler] => [
    name,
    (args, context) => {
      const condition = keyFault(args[0]!) ?? parseCondition(args);
      if (condition instanceof ReplyError) return condition;
      const timeMs = parseTime(args[1]!, unit, keyspace.now(), name.toLowerCase());
      if (timeMs instanceof ReplyError) return timeMs;
      const newExpiry: NewExpiry = (entry) => (allows(condition, entry.expireAtMs, timeMs) ? timeMs : undefined);
      // A time that has passed deletes, as in Redis, and what is deleted need not be read.
      const change = timeMs <= keyspace.now() ? expireNow : changeExpiry;
      return change(keyspace, args[0]!, newExpiry, context);
    },
  ];
  return [
    expire('PEXPIREAT', timeUnits.get('PXAT')!),
    expire('PEXPIRE', timeUnits.get('PX')!),
    expire('EXPIREAT', timeUnits.get('EXAT')!),
    expire('EXPIRE', timeUnits.get('EX')!),
    ['PERSIST', (args, context) => keyFault(args[0]!) ?? changeExpiry(keyspace, args[0]!, persist, context)],
    ['PTTL', (args) => expiryOf(keyspace, args[0]!, (timeMs) => timeMs - keyspace.now())],
    ['TTL', (args) => expiryOf(keyspace, args[0]!, (timeMs) => Math.round((timeMs - keyspace.now()) / 1_000))],
    ['PEXPIRETIME', (args) => expiryOf(keyspace, args[0]!, (timeMs) => timeMs)],
    ['EXPIRETIME', (args) => expiryOf(keyspace, args[0]!, (timeMs) => Math.round(timeMs / 1_000))],
  ];
}

function expiryOf(keyspace: Keyspace, key: Buffer, present: (timeMs: number) => number): Reply {
  const fault = keyFault(key);
  if (fault !== undefined) return fault;
  const entry = liveOf(keyspace, key);
  if (entry === undefined) return -2;
  return entry.expireAtMs === 0 ? -1 : present(entry.expireAtMs);
}

// ── Conditions ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Words that were given, as a set: XX and GT may stand together, most others not. */
type Condition = ReadonlySet<string>;

const conditions: ReadonlySet<string> = new Set(['NX', 'XX', 'GT', 'LT']);
const always: Condition = new Set();

function parseCondition(args: readonly Buffer[]): Condition | ReplyError {
  if (args.length === 2) return always;
  const given = new Set<string>();
  for (const argument of args.slice(2)) {
    const written = argument.toString('latin1');
    const word = written.toUpperCase();
    if (!conditions.has(word)) return new ReplyError('ERR', `Unsupported option ${printable(written)}`);
    given.add(word);
  }
  if (given.has('NX') && given.size > 1) {
    return new ReplyError('ERR', 'NX and XX, GT or LT options at the same time are not compatible');
  }
  if (given.has('GT') && given.has('LT')) {
    return new ReplyError('ERR', 'GT and LT options at the same time are not compatible');
  }
  return given;
}

function printable(written: string): string {
  return written.slice(0, 128).replaceAll(/[^\x20-\x7e]/g, '?');
}

/** `presentMs` 0: the key never expires, which is later than any time. */
function allows(condition: Condition, presentMs: number, timeMs: number): boolean {
  if (condition.size === 0) return true;
  const present = presentMs === 0 ? Infinity : presentMs;
  if (condition.has('NX') && presentMs !== 0) return false;
  if (condition.has('XX') && presentMs === 0) return false;
  if (condition.has('GT') && timeMs <= present) return false;
  return !condition.has('LT') || timeMs < present;
}

// ── Changes ─────────────────────────────────────────────────────────────────────────────────────────────────────

const noBytes = Buffer.alloc(0);

/** The time at which an entry is to expire, 0 for never; undefined: nothing is to be changed, the answer is 0. */
type NewExpiry = (entry: Entry) => number | undefined;

const persist: NewExpiry = (entry) => (entry.expireAtMs === 0 ? undefined : 0);

function changeExpiry(keyspace: Keyspace, key: Buffer, newExpiry: NewExpiry, context: CommandContext): Answer<Reply> {
  const name = nameOf(key);
  const entry = liveOf(keyspace, key);
  if (keyspace.isIdle([name]) && (entry === undefined || newExpiry(entry) === undefined)) {
    return keyspace.acknowledgementFault(context) ?? 0;
  }
  if (entry !== undefined && keyspace.journal?.isAway(entry))
    return rewriteWithExpiry(keyspace, key, newExpiry, context);
  return keyspace.write([name], 2 * wholeBaseBytesMax + key.byteLength, context, () => {
    const current = liveOf(keyspace, key);
    if (current === undefined) return 0;
    const expireAtMs = newExpiry(current);
    if (expireAtMs === undefined) return 0;
    if (keyspace.journal?.isAway(current)) return stillAway;
    const value = current.bodyBytes > wholeBaseBytesMax ? undefined : keyspace.hot.get(current);
    const change =
      value === undefined
        ? { ...keyChange(key, name, expireAtMs, noBytes), type: current.type, deltaOf: current }
        : copyChange(key, { entry: current, value }, expireAtMs);
    const reply = commitUnlessPast(keyspace, change, current, context, 1);
    keyspace.foldIfLong(change);
    return reply;
  });
}

const stillAway = new ReplyError('TRYAGAIN', 'the value is on its way from another shard; nothing was written');

function rewriteWithExpiry(
  keyspace: Keyspace,
  key: Buffer,
  newExpiry: NewExpiry,
  context: CommandContext,
): Answer<Reply> {
  return update(
    keyspace,
    {
      key,
      bytes: key.byteLength,
      settle: (entry) => (entry === undefined || newExpiry(entry) === undefined ? 0 : undefined),
      apply: (present) => {
        const { entry } = present!;
        return commitUnlessPast(keyspace, copyChange(key, present!, newExpiry(entry)!), entry, context, 1);
      },
    },
    context,
  );
}

function expireNow(keyspace: Keyspace, key: Buffer, newExpiry: NewExpiry, context: CommandContext): Answer<Reply> {
  const change = deleteChange(key);
  return keyspace.write([change.name], keyspace.bytesOf([change]), context, () => {
    const entry = liveOf(keyspace, key);
    return entry === undefined || newExpiry(entry) === undefined ? 0 : keyspace.commit([change], context, 1);
  });
}
