/** ZINTER, ZUNION, ZDIFF, ZINTERCARD: of sorted sets and of sets, whose members all have the score 1. */
import type { CommandFamily } from '../handler.ts';
import { ReplyError } from '../../../commands/reply.ts';
import { parseScoreKeys, parseScoreOptions } from '../../../commands/score-algebra-arguments.ts';
import { type Algebra, combineScores, type Scores } from '../../../commands/set-algebra.ts';
import { storedTypes } from '../../../commands/stored-type.ts';
import { Collections, type Found } from '../collections.ts';
import type { CommandHandler } from '../handler.ts';
import type { Keyspace } from '../keyspace.ts';
import { MemberSet } from './set.ts';
import { membersReply } from './sorted-set-parts.ts';
import { SortedSet } from './sorted-set.ts';

const operations: readonly (readonly [string, Algebra])[] = [
  ['ZINTER', 'inter'],
  ['ZUNION', 'union'],
  ['ZDIFF', 'diff'],
];

export function sortedSetAlgebra(keyspace: Keyspace): CommandFamily {
  const inputs = new Collections<SortedSet | MemberSet>(keyspace, storedTypes.zset, () => new SortedSet(), {
    other: { type: storedTypes.set, create: () => new MemberSet() },
  });
  const combining =
    (name: string, operation: Algebra): CommandHandler =>
    (args) => {
      const counted = parseScoreKeys(name, args);
      if (counted instanceof ReplyError) return counted;
      const { keys, rest } = counted;
      return inputs.readAll(keys, (found) => {
        const sets = scoresOfAll(found);
        if (sets instanceof ReplyError) return sets;
        const options = parseScoreOptions(operation, false, keys.length, rest);
        if (options instanceof ReplyError) return options;
        const { weights, aggregate, withScores } = options;
        return membersReply(combineScores(operation, sets, weights, aggregate), withScores);
      });
    };
  const counting: CommandHandler = (args) => {
    const counted = parseScoreKeys('ZINTERCARD', args);
    if (counted instanceof ReplyError) return counted;
    const { keys, rest } = counted;
    return inputs.readAll(keys, (found) => {
      const sets = scoresOfAll(found);
      if (sets instanceof ReplyError) return sets;
      const options = parseScoreOptions('inter', true, keys.length, rest);
      if (options instanceof ReplyError) return options;
      return Math.min(options.limit, combineScores('inter', sets, options.weights, 'sum').length);
    });
  };
  return [
    ...operations.map(([name, operation]) => [name, combining(name, operation)] as const),
    ['ZINTERCARD', counting],
  ];
}

function scoresOfAll(found: readonly Found<SortedSet | MemberSet>[]): Scores[] | ReplyError {
  const all: Scores[] = [];
  for (const each of found) {
    if (each instanceof ReplyError) return each;
    all.push(each === undefined ? new Map() : scoresOf(each));
  }
  return all;
}

function scoresOf(set: SortedSet | MemberSet): Scores {
  if (set instanceof MemberSet) return new Map(set.members.map((member) => [member, 1]));
  const scores = new Map<string, number>();
  for (const { member, score } of set.range(0, set.size)) scores.set(member, score);
  return scores;
}
