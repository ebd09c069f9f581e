/** Sorted sets by rank, score and bytes: ZRANGE and its older forms, ZCOUNT, ZLEXCOUNT, ZREMRANGEBYRANK, …SCORE, …LEX. */
import type { CommandContext } from '../../../commands/command.ts';
import { parseCount } from '../../../commands/int64.ts';
import { type Reply, ReplyError } from '../../../commands/reply.ts';
import type { Scored } from '../../../commands/set-algebra.ts';
import type { Answer } from '../answer.ts';
import { notAnInteger, syntaxError, wordOf } from '../arguments.ts';
import type { CommandFamily, CommandHandler } from '../handler.ts';
import { type PlaceRange, rangeOf } from './ranges.ts';
import { lexRange, type RankRange, scoreRange } from './score-ranges.ts';
import { membersReply, removing, type SortedSets } from './sorted-set-parts.ts';
import type { SortedSet } from './sorted-set.ts';
import { bytesOfArguments } from './texts.ts';

type By = 'rank' | 'score' | 'lex';

/** What a command's name says; ZRANGE leaves both to its options. */
interface Form {
  readonly by?: By;
  readonly isReversed?: boolean;
}

export function sortedSetRanges(sets: SortedSets): CommandFamily {
  const ranging =
    (form: Form): CommandHandler =>
    (args) =>
      range(sets, args, form);
  const counting =
    (by: By): CommandHandler =>
    ([key, min, max]) => {
      const ranks = parseRange(by, min!, max!);
      if (ranks instanceof ReplyError) return ranks;
      return sets.read(key!, (set) => (set === undefined ? 0 : lengthOf(ranks(set))));
    };
  const removal =
    (by: By): CommandHandler =>
    (args, context) =>
      removeRange(sets, by, args, context);
  return [
    ['ZRANGE', ranging({})],
    ['ZREVRANGE', ranging({ by: 'rank', isReversed: true })],
    ['ZRANGEBYSCORE', ranging({ by: 'score', isReversed: false })],
    ['ZREVRANGEBYSCORE', ranging({ by: 'score', isReversed: true })],
    ['ZRANGEBYLEX', ranging({ by: 'lex', isReversed: false })],
    ['ZREVRANGEBYLEX', ranging({ by: 'lex', isReversed: true })],
    ['ZCOUNT', counting('score')],
    ['ZLEXCOUNT', counting('lex')],
    ['ZREMRANGEBYRANK', removal('rank')],
    ['ZREMRANGEBYSCORE', removal('score')],
    ['ZREMRANGEBYLEX', removal('lex')],
  ];
}

function lengthOf({ from, to }: PlaceRange): number {
  return to - from;
}

function parseRange(by: By, min: Buffer, max: Buffer): RankRange | ReplyError {
  if (by === 'score') return scoreRange(min, max);
  if (by === 'lex') return lexRange(min, max);
  const [start, stop] = [parseCount(min), parseCount(max)];
  if (start === undefined || stop === undefined) return notAnInteger;
  return (set) => rangeOf(start, stop, set.size);
}

interface Options {
  readonly by: By;
  readonly isReversed: boolean;
  readonly withScores: boolean;
  readonly offset: number;
  /** Below 0: all. */
  readonly count: number;
}

function parseOptions(words: readonly Buffer[], form: Form): Options | ReplyError {
  let { by, isReversed } = form;
  let [withScores, offset, count] = [false, 0, -1];
  for (let index = 0; index < words.length; index++) {
    const word = wordOf(words[index]!);
    if (word === 'WITHSCORES') {
      withScores = true;
    } else if (word === 'LIMIT' && index + 2 < words.length) {
      const [given, limit] = [parseCount(words[index + 1]!), parseCount(words[index + 2]!)];
      if (given === undefined || limit === undefined) return notAnInteger;
      [offset, count] = [given, limit];
      index += 2;
    } else if (word === 'REV' && isReversed === undefined) {
      isReversed = true;
    } else if (form.by === undefined && by === undefined && (word === 'BYLEX' || word === 'BYSCORE')) {
      by = word === 'BYLEX' ? 'lex' : 'score';
    } else {
      return syntaxError;
    }
  }
  by ??= 'rank';
  if (count !== -1 && by === 'rank') return limitNotSupported;
  if (withScores && by === 'lex') return scoresNotSupported;
  // A limit without a bound is let through there, and means nothing.
  return { by, isReversed: isReversed ?? false, withScores, offset: by === 'rank' ? 0 : offset, count };
}

const limitNotSupported = new ReplyError(
  'ERR',
  'syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX',
);
const scoresNotSupported = new ReplyError('ERR', 'syntax error, WITHSCORES not supported in combination with BYLEX');

function range(sets: SortedSets, [key, one, other, ...words]: readonly Buffer[], form: Form): Answer<Reply> {
  const options = parseOptions(words, form);
  if (options instanceof ReplyError) return options;
  const { by, isReversed, withScores } = options;
  // By score and bytes a range from the top names its upper end first.
  const [min, max] = isReversed && by !== 'rank' ? [other!, one!] : [one!, other!];
  const ranks = parseRange(by, min, max);
  if (ranks instanceof ReplyError) return ranks;
  return sets.read(key!, (set) =>
    set === undefined ? [] : membersReply(itemsOf(set, ranks(set), options), withScores),
  );
}

function itemsOf(set: SortedSet, { from, to }: PlaceRange, { by, isReversed, offset, count }: Options): Scored[] {
  // Ranks of a range from the top count from there.
  const [low, high] = isReversed && by === 'rank' ? [set.size - to, set.size - from] : [from, to];
  if (offset < 0) return [];
  const wanted = count < 0 ? Infinity : count;
  if (!isReversed) return [...set.range(Math.min(low + offset, high), Math.min(low + offset + wanted, high))];
  return [...set.range(Math.max(high - offset - wanted, low), Math.max(high - offset, low))].reverse();
}

function removeRange(sets: SortedSets, by: By, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, min, max] = args as [Buffer, Buffer, Buffer];
  const ranks = parseRange(by, min, max);
  if (ranks instanceof ReplyError) return ranks;
  return sets.write(key, bytesOfArguments(args), context, (set) => {
    if (set === undefined) return 0;
    const { from, to } = ranks(set);
    if (from === to) return 0;
    const { edit, count } = removing(
      set,
      [...set.range(from, to)].map(({ member }) => member),
    );
    return { reply: count, edit };
  });
}
