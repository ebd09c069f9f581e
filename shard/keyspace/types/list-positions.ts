/** LPOS key element [RANK rank] [COUNT count] [MAXLEN length]: where an element is. */
import { ReplyError } from '../../../commands/reply.ts';
import { notAnInteger, syntaxError, wordOf } from '../arguments.ts';
import { parseCount } from '../../../commands/int64.ts';
import type { List } from './list.ts';

export interface PositionOptions {
  /** 1 begins with the first match, 2 with the second, -1 with the last, going left. */
  readonly rank: number;
  /** Matches; 0 for all. */
  readonly count: number;
  /** Elements looked at; 0 for all. */
  readonly lengthMax: number;
}

export type ParsedPositionOptions = Omit<PositionOptions, 'count'> & { readonly count: number | undefined };

export function parsePositionOptions(words: readonly Buffer[]): ParsedPositionOptions | ReplyError {
  let rank = 1;
  let count: number | undefined;
  let lengthMax = 0;
  for (let index = 0; index < words.length; index += 2) {
    const word = wordOf(words[index]!);
    const argument = words[index + 1];
    if (argument === undefined || (word !== 'RANK' && word !== 'COUNT' && word !== 'MAXLEN')) return syntaxError;
    const value = parseCount(argument);
    if (word === 'RANK') {
      if (value === undefined) return notAnInteger;
      if (value === 0) return rankIsZero;
      rank = value;
    } else {
      if (value === undefined || value < 0) return new ReplyError('ERR', `${word} can't be negative`);
      if (word === 'COUNT') count = value;
      else lengthMax = value;
    }
  }
  return { rank, count, lengthMax };
}

const rankIsZero = new ReplyError(
  'ERR',
  "RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
);

/** Places of the matches, in the order in which they are come upon. */
export function findPositions(list: List, wanted: string, { rank, count, lengthMax }: PositionOptions): number[] {
  const isFromRight = rank < 0;
  const places: number[] = [];
  let skipped = Math.abs(rank) - 1;
  let looked = 0;
  for (const text of isFromRight ? list.fromRight() : list.range(0, list.size)) {
    if (lengthMax !== 0 && looked >= lengthMax) break;
    const place = isFromRight ? list.size - 1 - looked : looked;
    looked += 1;
    if (text !== wanted || skipped-- > 0) continue;
    places.push(place);
    if (count !== 0 && places.length >= count) break;
  }
  return places;
}
