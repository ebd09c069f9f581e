/**
 * Locks: LOCK, EXTEND, UNLOCK. Grammar: commands/table.ts.
 *
 * A lock has a name, an owner and an expiry. It is a record of its own beside the key of its name (companion.ts): a
 * value of that name has nothing to do with it, and nothing evicts it. All that is done to it is done at the key's owner,
 * one after the other, and it lasts like any write. Whoever holds a lock and asks for it again does not get it: two
 * tasks may go by one owner's name, and EXTEND is for one that has it.
 */
import type { CommandContext } from '../../commands/command.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import type { Answer } from './answer.ts';
import { keyFault, parseInteger } from './arguments.ts';
import { companionChange, companionKinds } from './companion.ts';
import type { CommandFamily } from './handler.ts';
import type { Keyspace } from './keyspace.ts';
import { type Present, update } from './update.ts';

const invalidTime = new ReplyError('ERR', 'the ttl of a lock must be milliseconds, and at least one');
const anothers = new ReplyError('ERR', 'Lock held by different owner');
const lockBytes = 128;

export function lockCommands(keyspace: Keyspace): CommandFamily {
  return [
    ['LOCK', (args, context) => lock(keyspace, args, context)],
    ['EXTEND', (args, context) => extend(keyspace, args, context)],
    ['UNLOCK', (args, context) => unlock(keyspace, args, context)],
  ];
}

function lock(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, owner, written] = args as [Buffer, Buffer, Buffer];
  const ttlMs = lifeOf(written);
  if (ttlMs instanceof ReplyError) return ttlMs;
  // Whose it is does not matter: it is there.
  return change(
    keyspace,
    key,
    context,
    (entry) => (entry === undefined ? undefined : 0),
    () =>
      keyspace.commit(
        [companionChange(companionKinds.lock, key, keyspace.now() + ttlMs, Buffer.from(owner))],
        context,
        1,
      ),
  );
}

function extend(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, owner, written] = args as [Buffer, Buffer, Buffer];
  const ttlMs = lifeOf(written);
  if (ttlMs instanceof ReplyError) return ttlMs;
  return change(keyspace, key, context, absentIsZero, (held) => {
    if (!held!.value.body.equals(owner)) return 0;
    const longer = companionChange(companionKinds.lock, key, keyspace.now() + ttlMs, held!.value.body);
    return keyspace.commit([longer], context, 1);
  });
}

function unlock(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, owner] = args as [Buffer, Buffer];
  return change(keyspace, key, context, absentIsZero, (held) => {
    if (!held!.value.body.equals(owner)) return anothers;
    return keyspace.commit([companionChange(companionKinds.lock, key, 0, undefined)], context, 1);
  });
}

function change(
  keyspace: Keyspace,
  key: Buffer,
  context: CommandContext,
  settle: (entry: object | undefined) => Reply | undefined,
  apply: (held: Present | undefined) => Answer<Reply>,
): Answer<Reply> {
  const fault = keyFault(key);
  if (fault !== undefined) return fault;
  const bytes = lockBytes + key.byteLength;
  return update(keyspace, { key, companion: companionKinds.lock, bytes, settle, apply }, context);
}

function absentIsZero(entry: object | undefined): Reply | undefined {
  return entry === undefined ? 0 : undefined;
}

function lifeOf(written: Buffer): number | ReplyError {
  const ttlMs = parseInteger(written);
  return ttlMs === undefined || ttlMs < 1 ? invalidTime : ttlMs;
}
