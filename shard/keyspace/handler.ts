import type { CommandContext } from '../../commands/command.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { hotSmallValueBytesMax } from '../../limits.ts';
import { slotOf } from '../../topology/slot.ts';
import { ownedMemory } from '../hot/owned.ts';
import { spaceOfKeys } from '../journal.ts';
import { valueFault } from './arguments.ts';
import type { Change } from './change.ts';
import type { Keyspace } from './keyspace.ts';
import type { Answer } from './answer.ts';

/** Does one command. May throw or reject: the engine answers faults as errors. */
export type CommandHandler = (args: readonly Buffer[], context: CommandContext) => Answer<Reply>;

/** Handlers by command name. */
export type CommandFamily = readonly (readonly [name: string, handler: CommandHandler])[];

/** A write to a plain key. Without `body` a delete. */
export function keyChange(
  key: Buffer,
  name: string,
  expireAtMs: number,
  body: Buffer | undefined,
  isSole = false,
): Change {
  return { space: spaceOfKeys, key, name, slot: slotOf(key), expireAtMs, meta: undefined, body, isSole };
}

/** A write of an argument that its command and its door do not look at any more when it is done. */
export function argumentChange(key: Buffer, name: string, expireAtMs: number, argument: Buffer): Change {
  return keyChange(key, name, expireAtMs, keptValue(argument), true);
}

/**
 * The value as it is kept. Small ones are copied by the hot tier and by the log's buffer anyway; large ones become
 * owners of their memory once, here, and log and hot tier share them.
 */
export function keptValue(value: Buffer): Buffer {
  return value.byteLength > hotSmallValueBytesMax ? ownedMemory(value) : value;
}

/** Why the value cannot be stored: too large for anything, or for a shard that has only RAM. */
export function storeFault(keyspace: Keyspace, value: Buffer): ReplyError | undefined {
  if (keyspace.journal === undefined && value.byteLength > keyspace.hot.limitBytes) {
    return new ReplyError('TOOLARGE', `value of ${value.byteLength} bytes does not fit into this shard's memory`);
  }
  return valueFault(value);
}
