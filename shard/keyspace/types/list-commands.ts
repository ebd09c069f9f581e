/** Lists: LPUSH, RPUSH, LPUSHX, RPUSHX, LPOP, RPOP, LLEN, LRANGE, LINDEX, LSET, LINSERT, LREM, LTRIM, LPOS, LMOVE, … */
import type { CommandContext } from '../../../commands/command.ts';
import { OK, type Reply, ReplyError } from '../../../commands/reply.ts';
import { storedTypes } from '../../../commands/stored-type.ts';
import type { Answer } from '../answer.ts';
import { notAnInteger, syntaxError, wordOf, wrongType } from '../arguments.ts';
import { Collections, type Edit } from '../collections.ts';
import type { CommandFamily, CommandHandler } from '../handler.ts';
import { parseCount } from '../../../commands/int64.ts';
import type { Keyspace } from '../keyspace.ts';
import { weightOf } from './collection.ts';
import { List, ListWriter, type Side } from './list.ts';
import { findPositions, parsePositionOptions } from './list-positions.ts';
import { type Popped, popOfSeveral } from './pop-of-several.ts';
import { rangeOf } from './ranges.ts';
import { bytesOf, bytesOfArguments, textOf } from './texts.ts';

type Lists = Collections<List>;

const mustBePositive = new ReplyError('ERR', 'value is out of range, must be positive');

export function listCommands(keyspace: Keyspace): CommandFamily {
  const lists: Lists = new Collections(keyspace, storedTypes.list, () => new List());
  const pushing =
    (side: Side, onlyIfThere: boolean): CommandHandler =>
    (args, context) =>
      push(lists, side, onlyIfThere, args, context);
  return [
    ['LPUSH', pushing('LEFT', false)],
    ['RPUSH', pushing('RIGHT', false)],
    ['LPUSHX', pushing('LEFT', true)],
    ['RPUSHX', pushing('RIGHT', true)],
    ['LPOP', (args, context) => pop(lists, 'LEFT', args, context)],
    ['RPOP', (args, context) => pop(lists, 'RIGHT', args, context)],
    ['LLEN', ([key]) => lists.read(key!, (list) => list?.size ?? 0)],
    ['LRANGE', (args) => range(lists, args)],
    ['LINDEX', (args) => index(lists, args)],
    ['LSET', (args, context) => setAt(lists, args, context)],
    ['LINSERT', (args, context) => insert(lists, args, context)],
    ['LREM', (args, context) => remove(lists, args, context)],
    ['LTRIM', (args, context) => trim(lists, args, context)],
    ['LPOS', (args) => position(lists, args)],
    [
      'LMOVE',
      ([from, to, where, whereTo], context) => move(lists, [from!, to!], sideOf(where!), sideOf(whereTo!), context),
    ],
    ['RPOPLPUSH', ([from, to], context) => move(lists, [from!, to!], 'RIGHT', 'LEFT', context)],
    ['LMPOP', (args, context) => popOfSeveral(lists, args, context, poppingFrom)],
  ];
}

function sideOf(argument: Buffer): Side | undefined {
  const word = wordOf(argument);
  return isSide(word) ? word : undefined;
}

function isSide(word: string): word is Side {
  return word === 'LEFT' || word === 'RIGHT';
}

// ── Ends ────────────────────────────────────────────────────────────────────────────────────────────────────────

function push(
  lists: Lists,
  side: Side,
  onlyIfThere: boolean,
  [key, ...elements]: readonly Buffer[],
  context: CommandContext,
): Answer<Reply> {
  return lists.write(key!, bytesOfArguments(elements), context, (list) => {
    if (list === undefined && onlyIfThere) return 0;
    const edit = pushed(list, side, elements.map(textOf));
    return { reply: edit.remaining, edit };
  });
}

function pushed(list: List | undefined, side: Side, texts: readonly string[]): Edit {
  const writer = new ListWriter();
  let growth = 0;
  for (const text of texts) {
    writer.push(side, text);
    growth += weightOf(text);
  }
  return { operations: writer.finish(), growth, remaining: (list?.size ?? 0) + texts.length };
}

function popped(list: List, side: Side, count: number): { texts: string[]; edit: Edit } {
  const taken = Math.min(count, list.size);
  const texts = side === 'LEFT' ? [...list.range(0, taken)] : [...list.range(list.size - taken, list.size)].reverse();
  const growth = texts.reduce((sum, text) => sum - weightOf(text), 0);
  return {
    texts,
    edit: { operations: new ListWriter().drop(side, taken).finish(), growth, remaining: list.size - taken },
  };
}

function pop(
  lists: Lists,
  side: Side,
  [key, countArgument, ...rest]: readonly Buffer[],
  context: CommandContext,
): Answer<Reply> {
  if (rest.length > 0) {
    return new ReplyError('ERR', `wrong number of arguments for '${side === 'LEFT' ? 'lpop' : 'rpop'}' command`);
  }
  const count = countArgument === undefined ? 1 : parseCount(countArgument);
  if (count === undefined || count < 0) return mustBePositive;
  return lists.write(key!, bytesOfArguments([key!]), context, (list) => {
    if (list === undefined) return null;
    if (count === 0) return [];
    const { texts, edit } = popped(list, side, count);
    return { reply: countArgument === undefined ? bytesOf(texts[0]!) : texts.map(bytesOf), edit };
  });
}

function poppingFrom(side: string): ((list: List, count: number) => Popped) | undefined {
  if (!isSide(side)) return undefined;
  return (list, count) => {
    const { texts, edit } = popped(list, side, count);
    return { items: texts.map(bytesOf), edit };
  };
}

function move(
  lists: Lists,
  keys: readonly [Buffer, Buffer],
  from: Side | undefined,
  to: Side | undefined,
  context: CommandContext,
): Answer<Reply> {
  if (from === undefined || to === undefined) return syntaxError;
  return lists.writeAll(keys, bytesOfArguments(keys), context, ([source, target]) => {
    if (source === undefined) return null;
    if (source instanceof ReplyError || target instanceof ReplyError) return wrongType;
    const { texts, edit } = popped(source, from, 1);
    const reply = bytesOf(texts[0]!);
    if (source !== target) return { reply, edits: [edit, pushed(target, to, texts)] };
    const operations = new ListWriter().drop(from, 1).push(to, texts[0]!).finish();
    return { reply, edits: [{ operations, growth: 0, remaining: source.size }] };
  });
}

// ── Places ──────────────────────────────────────────────────────────────────────────────────────────────────────

function range(lists: Lists, [key, start, stop]: readonly Buffer[]): Answer<Reply> {
  const [first, last] = [parseCount(start!), parseCount(stop!)];
  if (first === undefined || last === undefined) return notAnInteger;
  return lists.read(key!, (list) => {
    if (list === undefined) return [];
    const { from, to } = rangeOf(first, last, list.size);
    return [...list.range(from, to)].map(bytesOf);
  });
}

function index(lists: Lists, [key, argument]: readonly Buffer[]): Answer<Reply> {
  return lists.read(key!, (list) => {
    if (list === undefined) return null;
    const place = parseCount(argument!);
    if (place === undefined) return notAnInteger;
    const at = place < 0 ? place + list.size : place;
    return at >= 0 && at < list.size ? bytesOf(list.at(at)) : null;
  });
}

function setAt(lists: Lists, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, argument, element] = args as [Buffer, Buffer, Buffer];
  return lists.write(key, bytesOfArguments(args), context, (list) => {
    if (list === undefined) return new ReplyError('ERR', 'no such key');
    const place = parseCount(argument);
    if (place === undefined) return notAnInteger;
    const at = place < 0 ? place + list.size : place;
    if (at < 0 || at >= list.size) return new ReplyError('ERR', 'index out of range');
    const text = textOf(element);
    const growth = text.length - list.at(at).length;
    return { reply: OK, edit: { operations: new ListWriter().set(at, text).finish(), growth, remaining: list.size } };
  });
}

function insert(lists: Lists, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, where, pivot, element] = args as [Buffer, Buffer, Buffer, Buffer];
  const word = wordOf(where);
  if (word !== 'BEFORE' && word !== 'AFTER') return syntaxError;
  return lists.write(key, bytesOfArguments(args), context, (list) => {
    if (list === undefined) return 0;
    const at = placeOf(list, textOf(pivot));
    if (at < 0) return -1;
    const text = textOf(element);
    const operations = new ListWriter().insert(word === 'BEFORE' ? at : at + 1, text).finish();
    const remaining = list.size + 1;
    return { reply: remaining, edit: { operations, growth: weightOf(text), remaining } };
  });
}

function placeOf(list: List, wanted: string): number {
  let place = 0;
  for (const text of list.range(0, list.size)) {
    if (text === wanted) return place;
    place += 1;
  }
  return -1;
}

function remove(lists: Lists, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const count = parseCount(args[1]!);
  if (count === undefined) return notAnInteger;
  return lists.write(args[0]!, bytesOfArguments(args), context, (list) => {
    if (list === undefined) return 0;
    const wanted = textOf(args[2]!);
    // From the right, so that no place moves before its turn.
    const places = findPositions(list, wanted, {
      rank: count < 0 ? -1 : 1,
      count: count === 0 ? 0 : Math.abs(count),
      lengthMax: 0,
    }).sort((one, other) => other - one);
    if (places.length === 0) return 0;
    const writer = new ListWriter();
    for (const place of places) writer.remove(place);
    const growth = -places.length * weightOf(wanted);
    const remaining = list.size - places.length;
    return { reply: places.length, edit: { operations: writer.finish(), growth, remaining } };
  });
}

function trim(lists: Lists, [key, start, stop]: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [first, last] = [parseCount(start!), parseCount(stop!)];
  if (first === undefined || last === undefined) return notAnInteger;
  return lists.write(key!, bytesOfArguments([key!]), context, (list) => {
    if (list === undefined) return OK;
    const { from, to } = rangeOf(first, last, list.size);
    if (from === 0 && to === list.size) return OK;
    const operations = new ListWriter()
      .drop('RIGHT', list.size - to)
      .drop('LEFT', from)
      .finish();
    return { reply: OK, edit: { operations, growth: 0, remaining: to - from } };
  });
}

function position(lists: Lists, [key, element, ...words]: readonly Buffer[]): Answer<Reply> {
  const options = parsePositionOptions(words);
  if (options instanceof ReplyError) return options;
  return lists.read(key!, (list) => {
    const places =
      list === undefined ? [] : findPositions(list, textOf(element!), { ...options, count: options.count ?? 1 });
    return options.count === undefined ? (places[0] ?? null) : places;
  });
}
