/** Sets: SADD, SREM, SISMEMBER, SMISMEMBER, SMEMBERS, SCARD, SPOP, SRANDMEMBER, SSCAN, SMOVE, SINTER, SUNION, SDIFF, … */
import type { CommandContext } from '../../../commands/command.ts';
import { type Reply, ReplyError } from '../../../commands/reply.ts';
import { parseCardinality } from '../../../commands/algebra-arguments.ts';
import { type Algebra, combineSets, type Members } from '../../../commands/set-algebra.ts';
import { storedTypes } from '../../../commands/stored-type.ts';
import type { Answer } from '../answer.ts';
import { syntaxError, wrongType } from '../arguments.ts';
import { Collections, type Edit } from '../collections.ts';
import type { CommandFamily } from '../handler.ts';
import { parseCount } from '../../../commands/int64.ts';
import type { Keyspace } from '../keyspace.ts';
import { weightOf } from './collection.ts';
import { parseRandomCount, randomPlaces } from './random-members.ts';
import { scanMembers } from './scan-members.ts';
import { MemberSet, SetWriter } from './set.ts';
import { bytesOf, bytesOfArguments, textOf } from './texts.ts';

type Sets = Collections<MemberSet>;

export function memberSetCommands(keyspace: Keyspace): CommandFamily {
  const sets: Sets = new Collections(keyspace, storedTypes.set, () => new MemberSet());
  return [
    ['SADD', (args, context) => add(sets, args, context)],
    ['SREM', (args, context) => remove(sets, args, context)],
    ['SISMEMBER', ([key, member]) => sets.read(key!, (set) => isMember(set, member!))],
    ['SMISMEMBER', ([key, ...members]) => sets.read(key!, (set) => members.map((member) => isMember(set, member)))],
    ['SMEMBERS', ([key]) => sets.read(key!, (set) => (set?.members ?? []).map(bytesOf))],
    ['SCARD', ([key]) => sets.read(key!, (set) => set?.size ?? 0)],
    ['SPOP', (args, context) => pop(sets, args, context)],
    ['SRANDMEMBER', (args) => random(sets, args)],
    ['SSCAN', (args) => scanMembers(sets, args, (set, place) => [bytesOf(set.nameAt(place))])],
    ['SMOVE', (args, context) => move(sets, args, context)],
    ['SINTER', (args) => combine(sets, 'inter', args)],
    ['SUNION', (args) => combine(sets, 'union', args)],
    ['SDIFF', (args) => combine(sets, 'diff', args)],
    ['SINTERCARD', (args) => intersectionSize(sets, args)],
  ];
}

function isMember(set: MemberSet | undefined, member: Buffer): number {
  return set?.has(textOf(member)) ? 1 : 0;
}

// ── Changes ─────────────────────────────────────────────────────────────────────────────────────────────────────

function add(sets: Sets, [key, ...members]: readonly Buffer[], context: CommandContext): Answer<Reply> {
  return sets.write(key!, bytesOfArguments(members), context, (set) => {
    const added = new Set(members.map(textOf).filter((member) => !set?.has(member)));
    return added.size === 0 ? 0 : { reply: added.size, edit: adding(set, added) };
  });
}

function remove(sets: Sets, [key, ...members]: readonly Buffer[], context: CommandContext): Answer<Reply> {
  return sets.write(key!, bytesOfArguments(members), context, (set) => {
    const removed = new Set(members.map(textOf).filter((member) => set?.has(member)));
    return removed.size === 0 ? 0 : { reply: removed.size, edit: removing(set!, removed) };
  });
}

function adding(set: MemberSet | undefined, members: ReadonlySet<string>): Edit {
  const writer = new SetWriter();
  let growth = 0;
  for (const member of members) {
    writer.add(member);
    growth += weightOf(member);
  }
  return { operations: writer.finish(), growth, remaining: (set?.size ?? 0) + members.size };
}

function removing(set: MemberSet, members: ReadonlySet<string>): Edit {
  const writer = new SetWriter();
  let growth = 0;
  for (const member of members) {
    writer.remove(member);
    growth -= weightOf(member);
  }
  return { operations: writer.finish(), growth, remaining: set.size - members.size };
}

function move(sets: Sets, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [from, to, argument] = args as [Buffer, Buffer, Buffer];
  const member = textOf(argument);
  return sets.writeAll([from, to], bytesOfArguments(args), context, ([source, target]) => {
    if (source === undefined) return 0;
    if (source instanceof ReplyError || target instanceof ReplyError) return wrongType;
    if (source === target) return source.has(member) ? 1 : 0;
    if (!source.has(member)) return 0;
    const one = new Set([member]);
    return { reply: 1, edits: [removing(source, one), target?.has(member) ? undefined : adding(target, one)] };
  });
}

// ── At random ───────────────────────────────────────────────────────────────────────────────────────────────────

function pop(sets: Sets, [key, countArgument, ...rest]: readonly Buffer[], context: CommandContext): Answer<Reply> {
  if (rest.length > 0) return syntaxError;
  const count = countArgument === undefined ? 1 : parseCount(countArgument);
  if (count === undefined || count < 0) return new ReplyError('ERR', 'value is out of range, must be positive');
  return sets.write(key!, bytesOfArguments([key!]), context, (set) => {
    if (set === undefined) return countArgument === undefined ? null : [];
    const members = randomPlaces(set.size, count).map((place) => set.nameAt(place));
    if (members.length === 0) return [];
    const reply = countArgument === undefined ? bytesOf(members[0]!) : members.map(bytesOf);
    return { reply, edit: removing(set, new Set(members)) };
  });
}

function random(sets: Sets, [key, countArgument, ...rest]: readonly Buffer[]): Answer<Reply> {
  if (rest.length > 0) return syntaxError;
  const count = countArgument === undefined ? undefined : parseRandomCount(countArgument);
  if (count instanceof ReplyError) return count;
  return sets.read(key!, (set) => {
    if (set === undefined) return count === undefined ? null : [];
    if (count === undefined) return bytesOf(set.nameAt(randomPlaces(set.size, -1)[0]!));
    return count === 0 ? [] : randomPlaces(set.size, count).map((place) => bytesOf(set.nameAt(place)));
  });
}

// ── Algebra ─────────────────────────────────────────────────────────────────────────────────────────────────────

const noMembers: Members = new Set<string>();

/** The sets of the keys, or WRONGTYPE if any is of another type. */
function membersOfAll(found: readonly (MemberSet | ReplyError | undefined)[]): Members[] | ReplyError {
  const all: Members[] = [];
  for (const set of found) {
    if (set instanceof ReplyError) return set;
    all.push(
      set === undefined
        ? noMembers
        : { size: set.size, has: (member) => set.has(member), [Symbol.iterator]: () => set.members.values() },
    );
  }
  return all;
}

function combine(sets: Sets, operation: Algebra, keys: readonly Buffer[]): Answer<Reply> {
  return sets.readAll(keys, (found) => {
    const all = membersOfAll(found);
    return all instanceof ReplyError ? all : combineSets(operation, all).map(bytesOf);
  });
}

function intersectionSize(sets: Sets, args: readonly Buffer[]): Answer<Reply> {
  const parsed = parseCardinality(args);
  if (parsed instanceof ReplyError) return parsed;
  const { keys, limit } = parsed;
  return sets.readAll(keys, (found) => {
    const all = membersOfAll(found);
    return all instanceof ReplyError ? all : combineSets('inter', all, limit).length;
  });
}
