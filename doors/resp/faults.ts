/** What a client is told that asks for what is not there, or not here. */
import { endOfKeys, crossSlot } from '../../commands/key-slots.ts';
import { ReplyError } from '../../commands/reply.ts';
import type { CommandSpec } from '../../commands/table.ts';
import { slotOf } from '../../topology/slot.ts';
import type { ClusterNodes, LocalAddress } from './cluster-nodes.ts';
import { ErrorBytes } from './resp-reply.ts';

/** Redis shows so many characters of a name, and of all arguments together. */
const shownCharsMax = 128;

export const notAuthenticated = new ReplyError('NOAUTH', 'Authentication required.');

/** Shows what was sent byte by byte, up to a zero byte, as Redis does. */
export function unknownCommand(name: Buffer, args: readonly Buffer[]): ErrorBytes {
  let shown = '';
  for (const argument of args) {
    if (shown.length >= shownCharsMax) break;
    shown += `'${shownBytes(argument, shownCharsMax - shown.length)}' `;
  }
  const start = shownBytes(name, shownCharsMax);
  return new ErrorBytes(Buffer.from(`ERR unknown command '${start}', with args beginning with: ${shown}`, 'latin1'));
}

function shownBytes(bytes: Buffer, countMax: number): string {
  const text = bytes.toString('latin1', 0, countMax);
  const zero = text.indexOf('\0');
  return zero < 0 ? text : text.slice(0, zero);
}

export function wrongArity(name: string): ReplyError {
  return new ReplyError('ERR', `wrong number of arguments for '${name.toLowerCase()}' command`);
}

/** In place of a shard's MOVED: the owner's address, as clients of clusters read it. */
export function redirection(
  spec: CommandSpec | undefined,
  args: readonly Buffer[],
  cluster: ClusterNodes,
  local: LocalAddress,
): ReplyError {
  const keys = spec?.keys;
  if (keys === undefined) return new ReplyError('TRYAGAIN', 'slots are moving; try again');
  const slots = new Set<number>();
  const end = endOfKeys(keys, args);
  for (let index = keys.first; index < end; index += keys.step) slots.add(slotOf(args[index]!));
  // No shard could do it.
  if (slots.size > 1) return crossSlot;
  const [slot = 0] = slots;
  const owner = cluster.ownerOf(slot, local);
  // It has come back meanwhile.
  if (owner.isSelf) return new ReplyError('TRYAGAIN', `slot ${slot} is moving; try again`);
  return new ReplyError('MOVED', `${slot} ${owner.host}:${owner.port}`);
}
