/** Hashes: HSET, HSETNX, HMSET, HGET, HMGET, HGETALL, HKEYS, HVALS, HLEN, HSTRLEN, HEXISTS, HDEL, HINCRBY, … */
import type { CommandContext } from '../../../commands/command.ts';
import { OK, type Reply, ReplyError } from '../../../commands/reply.ts';
import { storedTypes } from '../../../commands/stored-type.ts';
import type { Answer } from '../answer.ts';
import { notAnInteger, syntaxError, wordOf } from '../arguments.ts';
import { Collections, type Edit } from '../collections.ts';
import type { CommandFamily } from '../handler.ts';
import { int64Reply, isInt64, overflow, parseInt64 } from '../../../commands/int64.ts';
import type { Keyspace } from '../keyspace.ts';
import { addLongDouble, formatLongDouble, parseLongDouble, zero } from '../long-double.ts';
import { weightOf } from './collection.ts';
import { Hash, HashWriter } from './hash.ts';
import { parseRandomCount, randomPlaces } from './random-members.ts';
import { scanMembers } from './scan-members.ts';
import { bytesOf, bytesOfArguments, bytesOrNil, textOf } from './texts.ts';

type Hashes = Collections<Hash>;

export function hashCommands(keyspace: Keyspace): CommandFamily {
  const hashes: Hashes = new Collections(keyspace, storedTypes.hash, () => new Hash());
  return [
    ['HSET', (args, context) => set(hashes, 'hset', args, context, (added) => added)],
    ['HMSET', (args, context) => set(hashes, 'hmset', args, context, () => OK)],
    ['HSETNX', (args, context) => setIfAbsent(hashes, args, context)],
    ['HGET', ([key, field]) => hashes.read(key!, (hash) => bytesOrNil(hash?.get(textOf(field!))))],
    [
      'HMGET',
      ([key, ...fields]) => hashes.read(key!, (hash) => fields.map((field) => bytesOrNil(hash?.get(textOf(field))))),
    ],
    [
      'HGETALL',
      ([key]) => hashes.read(key!, (hash) => listOf(hash, (place) => [hash!.nameAt(place), hash!.valueAt(place)])),
    ],
    ['HKEYS', ([key]) => hashes.read(key!, (hash) => listOf(hash, (place) => [hash!.nameAt(place)]))],
    ['HVALS', ([key]) => hashes.read(key!, (hash) => listOf(hash, (place) => [hash!.valueAt(place)]))],
    ['HLEN', ([key]) => hashes.read(key!, (hash) => hash?.size ?? 0)],
    ['HSTRLEN', ([key, field]) => hashes.read(key!, (hash) => hash?.get(textOf(field!))?.length ?? 0)],
    ['HEXISTS', ([key, field]) => hashes.read(key!, (hash) => (hash?.has(textOf(field!)) ? 1 : 0))],
    ['HDEL', (args, context) => remove(hashes, args, context)],
    ['HINCRBY', (args, context) => add(hashes, args, context)],
    ['HINCRBYFLOAT', (args, context) => addFloat(hashes, args, context)],
    ['HRANDFIELD', (args) => random(hashes, args)],
    [
      'HSCAN',
      (args) => scanMembers(hashes, args, (hash, place) => [hash.nameAt(place), hash.valueAt(place)].map(bytesOf)),
    ],
  ];
}

function listOf(hash: Hash | undefined, itemsAt: (place: number) => string[]): Reply[] {
  const items: Reply[] = [];
  for (let place = 0; place < (hash?.size ?? 0); place++) for (const item of itemsAt(place)) items.push(bytesOf(item));
  return items;
}

// ── Writes ──────────────────────────────────────────────────────────────────────────────────────────────────────

function set(
  hashes: Hashes,
  name: string,
  args: readonly Buffer[],
  context: CommandContext,
  reply: (added: number) => Reply,
): Answer<Reply> {
  if (args.length % 2 === 0) return new ReplyError('ERR', `wrong number of arguments for '${name}' command`);
  return hashes.write(args[0]!, bytesOfArguments(args), context, (hash) => {
    const pairs = new Map<string, string>();
    for (let index = 1; index < args.length; index += 2) pairs.set(textOf(args[index]!), textOf(args[index + 1]!));
    const { edit, added } = putting(hash, pairs);
    return { reply: reply(added), edit };
  });
}

/** The edit that puts these fields, and how many of them are new. */
function putting(hash: Hash | undefined, pairs: ReadonlyMap<string, string>): { edit: Edit; added: number } {
  const writer = new HashWriter();
  let added = 0;
  let growth = 0;
  for (const [field, value] of pairs) {
    const present = hash?.get(field);
    if (present === undefined) added += 1;
    growth += present === undefined ? weightOf(field, value) : value.length - present.length;
    writer.put(field, value);
  }
  return { edit: { operations: writer.finish(), growth, remaining: (hash?.size ?? 0) + added }, added };
}

function setIfAbsent(hashes: Hashes, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const [key, field, value] = args as [Buffer, Buffer, Buffer];
  return hashes.write(key, bytesOfArguments(args), context, (hash) => {
    if (hash?.has(textOf(field))) return 0;
    return { reply: 1, edit: putting(hash, new Map([[textOf(field), textOf(value)]])).edit };
  });
}

function remove(hashes: Hashes, [key, ...fields]: readonly Buffer[], context: CommandContext): Answer<Reply> {
  return hashes.write(key!, bytesOfArguments(fields), context, (hash) => {
    const writer = new HashWriter();
    let growth = 0;
    const present = new Set(fields.map(textOf).filter((field) => hash?.has(field)));
    for (const field of present) {
      growth -= weightOf(field, hash!.get(field)!);
      writer.delete(field);
    }
    if (present.size === 0) return 0;
    const remaining = hash!.size - present.size;
    return { reply: present.size, edit: { operations: writer.finish(), growth, remaining } };
  });
}

// ── Numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────

function add(hashes: Hashes, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const amount = parseInt64(args[2]!);
  if (amount === undefined) return notAnInteger;
  return hashes.write(args[0]!, bytesOfArguments(args), context, (hash) => {
    const field = textOf(args[1]!);
    const present = hash?.get(field);
    const current = present === undefined ? 0n : parseInt64(bytesOf(present));
    if (current === undefined) return new ReplyError('ERR', 'hash value is not an integer');
    const sum = current + amount;
    if (!isInt64(sum)) return overflow;
    return { reply: int64Reply(sum), edit: putting(hash, new Map([[field, sum.toString()]])).edit };
  });
}

function addFloat(hashes: Hashes, args: readonly Buffer[], context: CommandContext): Answer<Reply> {
  const amount = parseLongDouble(textOf(args[2]!));
  if (amount === undefined) return new ReplyError('ERR', 'value is not a valid float');
  if (amount === 'infinite') return new ReplyError('ERR', 'value is NaN or Infinity');
  return hashes.write(args[0]!, bytesOfArguments(args), context, (hash) => {
    const field = textOf(args[1]!);
    const present = hash?.get(field);
    const current = present === undefined ? zero : parseLongDouble(present);
    if (current === undefined) return new ReplyError('ERR', 'hash value is not a float');
    const sum = current === 'infinite' ? current : addLongDouble(current, amount);
    if (sum === 'infinite') return new ReplyError('ERR', 'increment would produce NaN or Infinity');
    const text = formatLongDouble(sum);
    return { reply: bytesOf(text), edit: putting(hash, new Map([[field, text]])).edit };
  });
}

// ── At random ───────────────────────────────────────────────────────────────────────────────────────────────────

function random(hashes: Hashes, [key, countArgument, ...words]: readonly Buffer[]): Answer<Reply> {
  if (countArgument === undefined) {
    return hashes.read(key!, (hash) =>
      hash === undefined ? null : bytesOf(hash.nameAt(randomPlaces(hash.size, -1)[0]!)),
    );
  }
  const count = parseRandomCount(countArgument);
  if (count instanceof ReplyError) return count;
  if (words.length > 1 || (words.length === 1 && wordOf(words[0]!) !== 'WITHVALUES')) return syntaxError;
  return hashes.read(key!, (hash) => {
    if (hash === undefined || count === 0) return [];
    return randomPlaces(hash.size, count).flatMap((place) => {
      const field = bytesOf(hash.nameAt(place));
      return words.length === 0 ? [field] : [field, bytesOf(hash.valueAt(place))];
    });
  });
}
