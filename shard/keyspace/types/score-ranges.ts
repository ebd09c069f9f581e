/**
 * Ranges of a sorted set as ranks: by score (`(1.5`, `-inf`) and by bytes (`[a`, `(b`, `-`, `+`).
 *
 * A range by bytes presumes that all members have one score, as in Redis: then their order is that of their bytes.
 */
import { ReplyError } from '../../../commands/reply.ts';
import { parseScore } from '../../../commands/score.ts';
import type { PlaceRange } from './ranges.ts';
import type { SortedSet } from './sorted-set.ts';
import { textOf } from './texts.ts';

/** The ranks that a range covers in a given set. */
export type RankRange = (set: SortedSet) => PlaceRange;

const notAFloat = new ReplyError('ERR', 'min or max is not a float');
const notARangeItem = new ReplyError('ERR', 'min or max not valid string range item');

export function scoreRange(minArgument: Buffer, maxArgument: Buffer): RankRange | ReplyError {
  const min = scoreBound(minArgument);
  const max = scoreBound(maxArgument);
  if (min === undefined || max === undefined) return notAFloat;
  return (set) =>
    between(
      set.firstRank(({ score }) => (min.isExclusive ? score <= min.score : score < min.score)),
      set.firstRank(({ score }) => (max.isExclusive ? score < max.score : score <= max.score)),
    );
}

function scoreBound(argument: Buffer): { readonly score: number; readonly isExclusive: boolean } | undefined {
  const text = textOf(argument);
  const isExclusive = text.startsWith('(');
  const digits = isExclusive ? text.slice(1) : text;
  // Nothing reads as 0 to strtod.
  const score = digits === '' ? 0 : parseScore(digits);
  return score === undefined ? undefined : { score, isExclusive };
}

export function lexRange(minArgument: Buffer, maxArgument: Buffer): RankRange | ReplyError {
  const min = lexBound(minArgument);
  const max = lexBound(maxArgument);
  if (min === undefined || max === undefined) return notARangeItem;
  return (set) => between(set.firstRank(beforeLower(min)), set.firstRank(beforeUpper(max)));
}

type LexBound = 'least' | 'greatest' | { readonly text: string; readonly isExclusive: boolean };

function lexBound(argument: Buffer): LexBound | undefined {
  const text = textOf(argument);
  if (text === '-') return 'least';
  if (text === '+') return 'greatest';
  const isExclusive = text.startsWith('(');
  return isExclusive || text.startsWith('[') ? { text: text.slice(1), isExclusive } : undefined;
}

type Before = (item: { readonly member: string }) => boolean;

/** True for members below the range's lower end. */
function beforeLower(bound: LexBound): Before {
  if (typeof bound === 'string') return () => bound === 'greatest';
  return ({ member }) => (bound.isExclusive ? member <= bound.text : member < bound.text);
}

/** True for members not above the range's upper end. */
function beforeUpper(bound: LexBound): Before {
  if (typeof bound === 'string') return () => bound === 'greatest';
  return ({ member }) => (bound.isExclusive ? member < bound.text : member <= bound.text);
}

function between(from: number, to: number): PlaceRange {
  return from >= to ? { from: 0, to: 0 } : { from, to };
}
