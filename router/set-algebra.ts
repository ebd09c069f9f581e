/**
 * SINTER, SUNION, SDIFF, SINTERCARD, ZINTER, ZUNION, ZDIFF and ZINTERCARD of keys at several shards: the router fetches
 * the members and combines them.
 *
 * Redis' cluster refuses such commands. Here they are answered, at the price of the members' way to the router, which is
 * bounded. Each set is as it was at some moment while the command was under way, not all at the same one. Where one shard
 * owns all keys it does the whole, as one step.
 *
 * Rejected: asking the owner of the smallest set to fetch the others. Shards would have to know each other beyond what
 * moving slots needs, to save a way that is a router's business.
 */
import { parseCardinality } from '../commands/algebra-arguments.ts';
import type { Command } from '../commands/command.ts';
import { type Reply, replyBytes, ReplyError } from '../commands/reply.ts';
import { formatScore, parseScore } from '../commands/score.ts';
import { parseScoreKeys, parseScoreOptions } from '../commands/score-algebra-arguments.ts';
import { type Algebra, combineScores, combineSets, type Scored, type Scores } from '../commands/set-algebra.ts';
import { algebraBytesMax, algebraFetchesInFlightMax } from '../limits.ts';

/** Asks the owner of a command's key, as any command is routed. */
export type Ask = (command: Command) => Promise<Reply>;

const setOperations: ReadonlyMap<string, Algebra> = new Map([
  ['SINTER', 'inter'],
  ['SUNION', 'union'],
  ['SDIFF', 'diff'],
]);
const scoreOperations: ReadonlyMap<string, Algebra> = new Map([
  ['ZINTER', 'inter'],
  ['ZUNION', 'union'],
  ['ZDIFF', 'diff'],
  ['ZINTERCARD', 'inter'],
]);

/** The answer to a command whose keys have several owners. */
export async function combineAtRouter(command: Command, ask: Ask): Promise<Reply> {
  const { name, args } = command;
  const onScores = scoreOperations.get(name);
  if (onScores !== undefined) return combineSortedSets(command, onScores, ask);
  const operation = setOperations.get(name);
  if (operation !== undefined) {
    const sets = await fetchAll(args, (key) => fetchSet(key, ask));
    return sets instanceof ReplyError ? sets : combineSets(operation, sets).map(bytesOf);
  }
  const parsed = parseCardinality(args);
  if (parsed instanceof ReplyError) return parsed;
  const sets = await fetchAll(parsed.keys, (key) => fetchSet(key, ask));
  return sets instanceof ReplyError ? sets : combineSets('inter', sets, parsed.limit).length;
}

async function combineSortedSets({ name, args }: Command, operation: Algebra, ask: Ask): Promise<Reply> {
  const counted = parseScoreKeys(name, args);
  if (counted instanceof ReplyError) return counted;
  const { keys, rest } = counted;
  const isCardinality = name === 'ZINTERCARD';
  const sets = await fetchAll(keys, (key) => fetchScores(key, ask));
  if (sets instanceof ReplyError) return sets;
  const options = parseScoreOptions(operation, isCardinality, keys.length, rest);
  if (options instanceof ReplyError) return options;
  const combined = combineScores(operation, sets, options.weights, options.aggregate);
  if (isCardinality) return Math.min(options.limit, combined.length);
  return combined.flatMap((scored) => itemsOf(scored, options.withScores));
}

function itemsOf({ member, score }: Scored, withScore: boolean): Buffer[] {
  return withScore ? [bytesOf(member), bytesOf(formatScore(score))] : [bytesOf(member)];
}

// ── Fetching ────────────────────────────────────────────────────────────────────────────────────────────────────

function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function textOf(bytes: Reply): string {
  return (bytes as Buffer).toString('latin1');
}

interface Fetched<Value> {
  readonly value: Value;
  readonly bytes: number;
}

async function fetchSet(key: Buffer, ask: Ask): Promise<Fetched<ReadonlySet<string>> | ReplyError> {
  const reply = await ask({ name: 'SMEMBERS', args: [key] });
  if (reply instanceof ReplyError) return reply;
  return { value: new Set((reply as Reply[]).map(textOf)), bytes: replyBytes(reply) };
}

const wholeRange = ['0', '-1', 'WITHSCORES'].map((word) => Buffer.from(word));

/** Members of a set have the score 1. */
async function fetchScores(key: Buffer, ask: Ask): Promise<Fetched<Scores> | ReplyError> {
  const reply = await ask({ name: 'ZRANGE', args: [key, ...wholeRange] });
  const scores = new Map<string, number>();
  if (!(reply instanceof ReplyError)) {
    const items = reply as Reply[];
    for (let at = 0; at < items.length; at += 2) scores.set(textOf(items[at]!), parseScore(textOf(items[at + 1]!))!);
    return { value: scores, bytes: replyBytes(reply) };
  }
  if (reply.code !== 'WRONGTYPE') return reply;
  const set = await fetchSet(key, ask);
  if (set instanceof ReplyError) return set;
  for (const member of set.value) scores.set(member, 1);
  return { value: scores, bytes: set.bytes };
}

/** What is fetched of all keys, in their order, or the first fault. A key that comes twice is fetched once. */
async function fetchAll<Value>(
  keys: readonly Buffer[],
  fetchOne: (key: Buffer) => Promise<Fetched<Value> | ReplyError>,
): Promise<Value[] | ReplyError> {
  const byName = new Map<string, Value>();
  const names = new Set(keys.map(textOf));
  const waiting = names.values();
  let bytes = 0;
  let fault: ReplyError | undefined;
  const lane = async (): Promise<void> => {
    for (const name of waiting) {
      if (fault !== undefined) return;
      const fetched = await fetchOne(bytesOf(name));
      if (fetched instanceof ReplyError) {
        fault ??= fetched;
        return;
      }
      bytes += fetched.bytes;
      if (bytes > algebraBytesMax) fault ??= tooLarge;
      byName.set(name, fetched.value);
    }
  };
  await Promise.all(Array.from({ length: Math.min(names.size, algebraFetchesInFlightMax) }, lane));
  return fault ?? keys.map((key) => byName.get(textOf(key))!);
}

const tooLarge = new ReplyError(
  'TOOLARGE',
  `sets at several shards are combined up to ${algebraBytesMax} bytes of members: give the keys a common {tag}`,
);
