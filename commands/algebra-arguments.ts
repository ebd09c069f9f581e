/** What the commands of set algebra are given, read the same on a shard and on a router that fetches the members. */
import { countedKeys } from './counted-keys.ts';
import { parseCount } from './int64.ts';
import { ReplyError } from './reply.ts';

const syntaxError = new ReplyError('ERR', 'syntax error');

export interface CardinalityArguments {
  readonly keys: readonly Buffer[];
  /** Infinity: no bound. */
  readonly limit: number;
}

/** SINTERCARD numkeys key [key …] [LIMIT limit] */
export function parseCardinality(args: readonly Buffer[]): CardinalityArguments | ReplyError {
  const counted = countedKeys(args);
  if (counted instanceof ReplyError) return counted;
  const { keys, rest } = counted;
  let limit = 0;
  for (let index = 0; index < rest.length; index += 2) {
    const isLimit = rest[index]!.toString('latin1').toUpperCase() === 'LIMIT';
    if (!isLimit || index + 1 === rest.length) return syntaxError;
    const value = parseCount(rest[index + 1]!);
    if (value === undefined || value < 0) return new ReplyError('ERR', "LIMIT can't be negative");
    limit = value;
  }
  return { keys, limit: limit === 0 ? Infinity : limit };
}
