/** Sorted sets by member: ZADD, ZINCRBY, ZREM, ZSCORE, ZMSCORE, ZCARD, ZRANK, ZPOPMIN, ZMPOP, ZRANDMEMBER, ZSCAN, … */
import type { CommandContext } from '../../../commands/command.ts';
import { parseCount } from '../../../commands/int64.ts';
import { type Reply, ReplyError } from '../../../commands/reply.ts';
import { parseFiniteText } from '../../../commands/score.ts';
import type { Scored } from '../../../commands/set-algebra.ts';
import { storedTypes } from '../../../commands/stored-type.ts';
import type { Answer } from '../answer.ts';
import { syntaxError, wordOf } from '../arguments.ts';
import { Collections, type Edit } from '../collections.ts';
import type { CommandFamily } from '../handler.ts';
import type { Keyspace } from '../keyspace.ts';
import { type Popped, popOfSeveral } from './pop-of-several.ts';
import { parseRandomCount, randomPlaces } from './random-members.ts';
import { scanMembers } from './scan-members.ts';
import { memberWeight, SortedSet, SortedSetWriter } from './sorted-set.ts';
import { sortedSetAlgebra } from './sorted-set-algebra.ts';
import { membersReply, removing, scoreBytes, type SortedSets } from './sorted-set-parts.ts';
import { sortedSetRanges } from './sorted-set-ranges.ts';
import { bytesOf, bytesOfArguments, textOf } from './texts.ts';

export function sortedSetCommands(keyspace: Keyspace): CommandFamily {
  const sets: SortedSets = new Collections(keyspace, storedTypes.zset, () => new SortedSet());
  return [
    ['ZADD', (args, context) => add(sets, args, context)],
    ['ZINCRBY', ([key, amount, member], context) => add(sets, [key!, Buffer.from('INCR'), amount!, member!], context)],
    ['ZREM', (args, context) => remove(sets, args, context)],
    ['ZSCORE', ([key, member]) => sets.read(key!, (set) => scoreOrNil(set, member!))],
    ['ZMSCORE', ([key, ...members]) => sets.read(key!, (set) => members.map((member) => scoreOrNil(set, member)))],
    ['ZCARD', ([key]) => sets.read(key!, (set) => set?.size ?? 0)],
    ['ZRANK', (args) => rank(sets, args, (set, at) => at)],
    ['ZREVRANK', (args) => rank(sets, args, (set, at) => set.size - 1 - at)],
    ['ZPOPMIN', (args, context) => pop(sets, 'MIN', args, context)],
    ['ZPOPMAX', (args, context) => pop(sets, 'MAX', args, context)],
    ['ZMPOP', (args, context) => popOfSeveral(sets, args, context, poppingFrom)],
    ['ZRANDMEMBER', (args) => random(sets, args)],
    [
      'ZSCAN',
      (args) => scanMembers(sets, args, (set, place) => [bytesOf(set.nameAt(place)), scoreBytes(set.scoreAt(place))]),
    ],
    ...sortedSetRanges(sets),
    ...sortedSetAlgebra(keyspace),
  ];
}

function scoreOrNil(set: SortedSet | undefined, member: Buffer): Buffer | null {
  const score = set?.scoreOf(textOf(member));
  return score === undefined ? null : scoreBytes(score);
}

// ── Adding ──────────────────────────────────────────────────────────────────────────────────────────────────────

type AddOption = 'NX' | 'XX' | 'GT' | 'LT' | 'CH' | 'INCR';
const addOptions: ReadonlySet<string> = new Set<AddOption>(['NX', 'XX', 'GT', 'LT', 'CH', 'INCR']);

function optionsFault(given: ReadonlySet<string>, pairs: number): ReplyError | undefined {
  if (given.has('NX') && given.has('XX')) {
    return new ReplyError('ERR', 'XX and NX options at the same time are not compatible');
  }
  const exclusive = ['NX', 'GT', 'LT'].filter((option) => given.has(option));
  if (exclusive.length > 1) {
    return new ReplyError('ERR', 'GT, LT, and/or NX options at the same time are not compatible');
  }
  if (given.has('INCR') && pairs > 1) {
    return new ReplyError('ERR', 'INCR option supports a single increment-element pair');
  }
  return undefined;
}

function add(sets: SortedSets, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const given = new Set<string>();
  let first = 1;
  for (; first < args.length && addOptions.has(wordOf(args[first]!)); first++) given.add(wordOf(args[first]!));
  const count = args.length - first;
  if (count === 0 || count % 2 !== 0) return syntaxError;
  const fault = optionsFault(given, count / 2);
  if (fault !== undefined) return fault;
  const pairs: Scored[] = [];
  for (let at = first; at < args.length; at += 2) {
    const score = parseFiniteText(textOf(args[at]!));
    if (score === undefined) return new ReplyError('ERR', 'value is not a valid float');
    pairs.push({ member: textOf(args[at + 1]!), score });
  }
  return sets.write(args[0]!, bytesOfArguments(args), context, (set) => {
    const outcome = adding(set, pairs, given);
    if (outcome instanceof ReplyError) return outcome;
    const { edit, added, updated, last } = outcome;
    const changed = given.has('CH') ? added + updated : added;
    const reply = given.has('INCR') ? (last === undefined ? null : scoreBytes(last)) : changed;
    return edit === undefined ? reply : { reply, edit };
  });
}

interface Adding {
  readonly edit: Edit | undefined;
  readonly added: number;
  readonly updated: number;
  /** The score of the last member; undefined if an option kept it as it was. */
  readonly last: number | undefined;
}

function adding(set: SortedSet | undefined, pairs: readonly Scored[], given: ReadonlySet<string>): Adding | ReplyError {
  const writer = new SortedSetWriter();
  const scores = new Map<string, number>();
  let [added, updated, growth] = [0, 0, 0];
  let last: number | undefined;
  for (const { member, score } of pairs) {
    const present = scores.get(member) ?? set?.scoreOf(member);
    last = undefined;
    if (present === undefined ? given.has('XX') : given.has('NX')) continue;
    const wanted = given.has('INCR') ? (present ?? 0) + score : score;
    if (Number.isNaN(wanted)) return new ReplyError('ERR', 'resulting score is not a number (NaN)');
    if (present !== undefined) {
      if ((given.has('GT') && wanted <= present) || (given.has('LT') && wanted >= present)) continue;
    }
    last = wanted;
    if (wanted === present) continue;
    if (present === undefined) {
      added += 1;
      growth += memberWeight(member);
    } else {
      updated += 1;
    }
    scores.set(member, wanted);
    writer.put(member, wanted);
  }
  const edit = writer.isEmpty
    ? undefined
    : { operations: writer.finish(), growth, remaining: (set?.size ?? 0) + added };
  return { edit, added, updated, last };
}

// ── Removing ────────────────────────────────────────────────────────────────────────────────────────────────────

function remove(sets: SortedSets, [key, ...members]: readonly Buffer[], context: CommandContext): Answer<Reply> {
  return sets.write(key!, bytesOfArguments(members), context, (set) => {
    const present = new Set(members.map(textOf).filter((member) => set?.scoreOf(member) !== undefined));
    if (present.size === 0) return 0;
    const { edit, count } = removing(set!, present);
    return { reply: count, edit };
  });
}

function taken(set: SortedSet, end: 'MIN' | 'MAX', count: number): Scored[] {
  const wanted = Math.min(count, set.size);
  if (end === 'MIN') return [...set.range(0, wanted)];
  return [...set.range(set.size - wanted, set.size)].reverse();
}

function pop(
  sets: SortedSets,
  end: 'MIN' | 'MAX',
  [key, countArgument, ...rest]: readonly Buffer[],
  context: CommandContext,
): Answer<Reply> {
  if (rest.length > 0) return syntaxError;
  const count = countArgument === undefined ? 1 : parseCount(countArgument);
  if (count === undefined || count < 0) return new ReplyError('ERR', 'value is out of range, must be positive');
  return sets.write(key!, bytesOfArguments([key!]), context, (set) => {
    if (set === undefined || count === 0) return [];
    const items = taken(set, end, count);
    return {
      reply: membersReply(items, true),
      edit: removing(
        set,
        items.map(({ member }) => member),
      ).edit,
    };
  });
}

function poppingFrom(end: string): ((set: SortedSet, count: number) => Popped) | undefined {
  if (end !== 'MIN' && end !== 'MAX') return undefined;
  return (set, count) => {
    const items = taken(set, end, count);
    const members = items.map(({ member }) => member);
    const pairs = items.map(({ member, score }) => [bytesOf(member), scoreBytes(score)]);
    return { items: pairs, edit: removing(set, members).edit };
  };
}

// ── Looking ─────────────────────────────────────────────────────────────────────────────────────────────────────

function rank(
  sets: SortedSets,
  [key, member, ...words]: readonly Buffer[],
  place: (set: SortedSet, rank: number) => number,
): Answer<Reply> {
  const withScore = words.length === 1 && wordOf(words[0]!) === 'WITHSCORE';
  if (words.length > 0 && !withScore) return syntaxError;
  return sets.read(key!, (set) => {
    const at = set?.rankOf(textOf(member!));
    if (at === undefined) return null;
    return withScore ? [place(set!, at), scoreBytes(set!.atRank(at).score)] : place(set!, at);
  });
}

function random(sets: SortedSets, [key, countArgument, ...words]: readonly Buffer[]): Answer<Reply> {
  if (countArgument === undefined) {
    return sets.read(key!, (set) => (set === undefined ? null : bytesOf(set.nameAt(randomPlaces(set.size, -1)[0]!))));
  }
  const count = parseRandomCount(countArgument);
  if (count instanceof ReplyError) return count;
  if (words.length > 1 || (words.length === 1 && wordOf(words[0]!) !== 'WITHSCORES')) return syntaxError;
  return sets.read(key!, (set) => {
    if (set === undefined || count === 0) return [];
    const places = randomPlaces(set.size, count);
    return membersReply(
      places.map((place) => ({ member: set.nameAt(place), score: set.scoreAt(place) })),
      words.length === 1,
    );
  });
}
