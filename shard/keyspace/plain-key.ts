/** What the commands on plain keys share: live entries, their texts, and the writes that put something in their place. */
import type { CommandContext } from '../../commands/command.ts';
import type { Reply, ReplyError } from '../../commands/reply.ts';
import { storedTypes } from '../../commands/stored-type.ts';
import { isText, textOf } from '../../commands/typed-text.ts';
import { slotOf } from '../../topology/slot.ts';
import { type Entry, spaceOfKeys } from '../journal.ts';
import type { Answer } from './answer.ts';
import { keyFault, wrongType } from './arguments.ts';
import type { Change } from './change.ts';
import { keptValue, keyChange } from './handler.ts';
import { nameOf } from './key-hash.ts';
import type { Keyspace } from './keyspace.ts';
import type { Present } from './update.ts';

export function liveOf(keyspace: Keyspace, key: Buffer): Entry | undefined {
  return keyspace.live(spaceOfKeys, slotOf(key), nameOf(key));
}

/** What is wrong with the first key of these that is none. */
export function keysFault(keys: readonly Buffer[]): ReplyError | undefined {
  for (const key of keys) {
    const fault = keyFault(key);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** WRONGTYPE if the entry is there and no text. */
export function textFault(entry: Entry | undefined): ReplyError | undefined {
  return entry === undefined || isText(entry.type) ? undefined : wrongType;
}

/** The text of a value of which `textFault` found nothing. */
export function textOfPresent({ entry, value }: Present): Buffer {
  const text = textOf(entry.type, value.body);
  if (text === undefined) throw new Error(`a value of type ${entry.type} has no text`);
  return text;
}

/** The change that stores text. */
export function textChange(key: Buffer, text: Buffer, expireAtMs: number): Change {
  return keyChange(key, nameOf(key), expireAtMs, keptValue(text));
}

/** The change that stores what is present under a key, as it is, with this expiry. */
export function copyChange(key: Buffer, { entry, value }: Present, expireAtMs: number): Change {
  const change = keyChange(key, nameOf(key), expireAtMs, value.body);
  return entry.type === storedTypes.bytes ? change : { ...change, type: entry.type };
}

export function deleteChange(key: Buffer): Change {
  return keyChange(key, nameOf(key), 0, undefined);
}

/**
 * Stores, or where the time of expiry has passed already deletes: what remains of a value that was stored and expired in
 * the same moment is that the old one is gone.
 */
export function commitUnlessPast(
  keyspace: Keyspace,
  change: Change,
  current: Entry | undefined,
  context: CommandContext,
  reply: Reply,
): Answer<Reply> {
  const { expireAtMs } = change;
  if (expireAtMs === 0 || expireAtMs > keyspace.now()) return keyspace.commit([change], context, reply);
  if (current === undefined) return reply;
  return keyspace.commit([{ ...change, expireAtMs: 0, body: undefined, deltaOf: undefined }], context, reply);
}
