/** Commands that say how many keys follow: `numkeys key [key …] …`. */
import { ReplyError } from './reply.ts';
import { parseCount } from './int64.ts';

export interface CountedKeys {
  readonly keys: readonly Buffer[];
  /** What stands behind the keys. */
  readonly rest: readonly Buffer[];
}

/** `tooMany`: what Redis says where fewer keys follow than were announced, which differs by command. */
export function countedKeys(
  args: readonly Buffer[],
  tooMany: ReplyError = new ReplyError('ERR', "Number of keys can't be greater than number of args"),
  notPositive: ReplyError = new ReplyError('ERR', 'numkeys should be greater than 0'),
): CountedKeys | ReplyError {
  const count = parseCount(args[0]!);
  if (count === undefined || count <= 0) return notPositive;
  if (count > args.length - 1) return tooMany;
  return { keys: args.slice(1, 1 + count), rest: args.slice(1 + count) };
}
