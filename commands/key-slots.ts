/** The slot of a command's key argument: a block's is that of its digest alone, so that its versions share a shard. */
import { slotOf, slotOfBlock } from '../topology/slot.ts';
import type { CommandSpec } from './table.ts';

export function slotOfArgument(spec: CommandSpec, key: Buffer): number {
  return spec.space === 'blocks' ? slotOfBlock(key) : slotOf(key);
}
