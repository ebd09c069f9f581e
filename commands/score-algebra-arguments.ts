/** ZINTER, ZUNION, ZDIFF numkeys key [key …] [WEIGHTS w …] [AGGREGATE SUM|MIN|MAX] [WITHSCORES], read on shard and router. */
import type { CountedKeys } from './counted-keys.ts';
import { parseCount } from './int64.ts';
import { ReplyError } from './reply.ts';
import { parseFiniteText } from './score.ts';
import type { Aggregate, Algebra } from './set-algebra.ts';

const syntaxError = new ReplyError('ERR', 'syntax error');
const notAnInteger = new ReplyError('ERR', 'value is not an integer or out of range');

export interface ScoreOptions {
  /** By key. */
  readonly weights: readonly number[];
  readonly aggregate: Aggregate;
  readonly withScores: boolean;
  /** Of ZINTERCARD: members to count at most. */
  readonly limit: number;
}

/** The keys, which are looked at before the options are, and what stands behind them. */
export function parseScoreKeys(name: string, args: readonly Buffer[]): CountedKeys | ReplyError {
  const count = parseCount(args[0]!);
  if (count === undefined) return notAnInteger;
  if (count < 1) return new ReplyError('ERR', `at least 1 input key is needed for '${name.toLowerCase()}' command`);
  if (count > args.length - 1) return syntaxError;
  return { keys: args.slice(1, 1 + count), rest: args.slice(1 + count) };
}

/** `count`: how many keys there are. `isCardinality`: ZINTERCARD, which has LIMIT and none of the other options. */
export function parseScoreOptions(
  operation: Algebra,
  isCardinality: boolean,
  count: number,
  args: readonly Buffer[],
): ScoreOptions | ReplyError {
  let weights: readonly number[] = Array.from({ length: count }, () => 1);
  let aggregate: Aggregate = 'sum';
  let withScores = false;
  let limit = Infinity;
  for (let index = 0; index < args.length; index++) {
    const word = wordOf(args[index]!);
    const left = args.length - index - 1;
    if (word === 'WEIGHTS' && operation !== 'diff' && !isCardinality && left >= count) {
      const given = args
        .slice(index + 1, index + 1 + count)
        .map((weight) => parseFiniteText(weight.toString('latin1')));
      if (given.includes(undefined)) return new ReplyError('ERR', 'weight value is not a float');
      weights = given as number[];
      index += count;
    } else if (word === 'AGGREGATE' && operation !== 'diff' && !isCardinality && left >= 1) {
      const wanted = wordOf(args[index + 1]!).toLowerCase();
      if (wanted !== 'sum' && wanted !== 'min' && wanted !== 'max') return syntaxError;
      aggregate = wanted;
      index += 1;
    } else if (word === 'WITHSCORES' && !isCardinality) {
      withScores = true;
    } else if (word === 'LIMIT' && isCardinality && left >= 1) {
      const wanted = parseCount(args[index + 1]!);
      if (wanted === undefined || wanted < 0) return new ReplyError('ERR', "LIMIT can't be negative");
      limit = wanted === 0 ? Infinity : wanted;
      index += 1;
    } else {
      return syntaxError;
    }
  }
  return { weights, aggregate, withScores, limit };
}

function wordOf(bytes: Buffer): string {
  return bytes.byteLength > 16 ? '' : bytes.toString('latin1').toUpperCase();
}
