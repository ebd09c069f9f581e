/** LMPOP and ZMPOP: what is popped off one end of the first of several collections that is there. */
import type { CommandContext } from '../../../commands/command.ts';
import { countedKeys } from '../../../commands/counted-keys.ts';
import { parseCount } from '../../../commands/int64.ts';
import { type Reply, ReplyError } from '../../../commands/reply.ts';
import type { Answer } from '../answer.ts';
import { syntaxError, wordOf } from '../arguments.ts';
import type { Collections, Edit } from '../collections.ts';
import type { Collection } from './collection.ts';
import { bytesOfArguments } from './texts.ts';

export interface Popped {
  readonly items: Reply;
  readonly edit: Edit;
}

/** `popper`: what pops at the end of this name; undefined where there is no such end. */
export function popOfSeveral<Type extends Collection>(
  collections: Collections<Type>,
  args: readonly Buffer[],
  context: CommandContext,
  popper: (end: string) => ((collection: Type, count: number) => Popped) | undefined,
): Answer<Reply> {
  const counted = countedKeys(args, syntaxError);
  if (counted instanceof ReplyError) return counted;
  const { keys, rest } = counted;
  const [where, ...words] = rest;
  const pop = where && popper(wordOf(where));
  if (pop === undefined) return syntaxError;
  const count = parsePopCount(words);
  if (count instanceof ReplyError) return count;
  return collections.writeAll(keys, bytesOfArguments(keys), context, (found) => {
    const at = found.findIndex((collection) => collection !== undefined);
    if (at < 0) return null;
    const collection = found[at]!;
    if (collection instanceof ReplyError) return collection;
    const { items, edit } = pop(collection, count);
    return { reply: [keys[at]!, items], edits: keys.map((_, place) => (place === at ? edit : undefined)) };
  });
}

/** COUNT, once at most. */
function parsePopCount(words: readonly Buffer[]): number | ReplyError {
  if (words.length === 0) return 1;
  if (words.length === 1 || wordOf(words[0]!) !== 'COUNT') return syntaxError;
  const count = parseCount(words[1]!);
  if (count === undefined || count <= 0) return new ReplyError('ERR', 'count should be greater than 0');
  return words.length === 2 ? count : syntaxError;
}
