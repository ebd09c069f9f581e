/** Which arguments of a command are keys, and in which slot each is. */
import { slotOf, slotOfBlock } from '../topology/slot.ts';
import type { Command } from './command.ts';
import { ReplyError } from './reply.ts';
import type { CommandSpec, KeySpec } from './table.ts';

/** The slot of a command's key argument: a block's is that of its digest alone, so that its versions share a shard. */
export function slotOfArgument(spec: CommandSpec, key: Buffer): number {
  return spec.space === 'blocks' ? slotOfBlock(key) : slotOf(key);
}

/**
 * One past the last argument that may be a key. Where their number is given and is none, or more than there are
 * arguments, there are no keys: whoever does the command says what is wrong, and what stands in their place is no key.
 */
export function endOfKeys(keys: KeySpec, args: readonly Buffer[]): number {
  const { first, step, count, behind = 0 } = keys;
  if (count === 'rest') return args.length;
  if (count !== 'counted') return Math.min(args.length, first + count * step);
  const end = first + countedKeys(args[first - 1]) * step;
  return end + behind > args.length ? first : end;
}

function countedKeys(count: Buffer | undefined): number {
  const text = count?.toString('latin1') ?? '';
  return /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : 0;
}

/** The keys of a command, in order. */
export function keysOf(spec: CommandSpec, { args }: Command): readonly Buffer[] {
  const { keys } = spec;
  if (keys === undefined || args.length <= keys.first) return [];
  if (keys.count === 1) return [args[keys.first]!];
  const named = args.slice(keys.first, endOfKeys(keys, args));
  return keys.step === 1 ? named : named.filter((_, index) => index % keys.step === 0);
}

export const crossSlot = new ReplyError('CROSSSLOT', "Keys in request don't hash to the same slot");

/** True if the command is one shard's and its keys are in several slots, which may be at several shards at any time. */
export function isOverSlots(spec: CommandSpec, command: Command): boolean {
  if (spec.merge !== 'single' || spec.keys === undefined || spec.keys.count === 1) return false;
  const [first, ...others] = keysOf(spec, command).map((key) => slotOfArgument(spec, key));
  return others.some((slot) => slot !== first);
}
