/** By what the order of a connection's commands (key-order.ts) knows their keys. */
import type { Command } from '../commands/command.ts';
import { keysOf } from '../commands/key-slots.ts';
import type { CommandSpec } from '../commands/table.ts';

/** Of a long key its ends count: looking at all of it would cost more than a wait now and then. */
const hashedEndBytes = 64;

export function keyOrderHash(key: Buffer): number {
  const { byteLength } = key;
  let hash = byteLength;
  const headEnd = Math.min(byteLength, hashedEndBytes);
  for (let at = 0; at < headEnd; at++) hash = Math.imul(hash ^ key[at]!, 0x0100_0193);
  for (let at = Math.max(headEnd, byteLength - hashedEndBytes); at < byteLength; at++) {
    hash = Math.imul(hash ^ key[at]!, 0x0100_0193);
  }
  return hash;
}

/** The keys of a command as its turn has them. */
export function keyHashesOf(spec: CommandSpec, command: Command): number | readonly number[] {
  const { keys } = spec;
  if (keys?.count === 1 && keys.first < command.args.length) return keyOrderHash(command.args[keys.first]!);
  return keysOf(spec, command).map(keyOrderHash);
}
