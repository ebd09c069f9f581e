/**
 * The same sequence of commands to an engine or a router of ours and to a real redis-server, reply by reply.
 *
 * An engine is made to work for it: with a journal, every few commands all copies in RAM are dropped, so that values come
 * from base and deltas. A router has its keys on several shards, and a command that wants one slot gets keys of one
 * (`forSlots`). Replies whose order Redis does not promise are compared as sets.
 */
import { expect } from 'vitest';
import { type Executor, libraryContext } from '../commands/command.ts';
import { endOfKeys, isOverSlots } from '../commands/key-slots.ts';
import type { Reply } from '../commands/reply.ts';
import { commandTable } from '../commands/table.ts';
import { commandDeadlineDefaultMs } from '../limits.ts';
import { slotOf } from '../topology/slot.ts';
import { TestShard } from './engine-shard.ts';
import type { RedisServer } from './redis-server.ts';

/** Name and arguments; latin1 text. */
export type Call = readonly [name: string, ...args: readonly string[]];

export interface Comparison {
  /** How a command's reply is compared: as it is, in any order, in pairs in any order, or in its length alone. */
  readonly orderOf?: (call: Call) => 'exact' | 'any' | 'pairs' | 'length';
  /** By command, how far two integers may differ: times that pass while the test runs. */
  readonly tolerances?: ReadonlyMap<string, number>;
}

export interface EngineComparison extends Comparison {
  readonly withJournal: boolean;
}

/** An engine of its own. */
export async function compareWithRedis(
  redis: RedisServer,
  calls: readonly Call[],
  options: EngineComparison,
): Promise<void> {
  const shard = new TestShard({ withJournal: options.withJournal });
  let done = 0;
  const run = (name: string, args: readonly Buffer[]): Promise<Reply> => {
    shard.clock.set(Date.now());
    if (options.withJournal && done++ % 3 === 0) shard.chill();
    return shard.begin(name, ...args);
  };
  await compare(redis, calls, run, options);
  shard.engine.close();
}

/** An executor over several shards, whose clocks are the system's; what it has is flushed. */
export async function compareExecutorWithRedis(
  redis: RedisServer,
  calls: readonly Call[],
  executor: Executor,
  options: Comparison,
): Promise<void> {
  const run = async (name: string, args: readonly Buffer[]): Promise<Reply> =>
    executor.execute({ name, args }, libraryContext(commandDeadlineDefaultMs));
  expect(await run('FLUSHALL', [])).toBe('OK');
  await compare(redis, calls.map(forSlots), run, options);
}

async function compare(
  redis: RedisServer,
  calls: readonly Call[],
  run: (name: string, args: readonly Buffer[]) => Promise<Reply>,
  options: Comparison,
): Promise<void> {
  void redis.run('FLUSHALL');
  const theirs = await Promise.all(
    calls.map(([name, ...args]) => {
      // Redis counts what has expired until somebody comes by it: SCAN takes it away, KEYS does not.
      if (name === 'DBSIZE') void redis.run('SCAN', 0, 'COUNT', 100_000);
      return redis.run(name, ...args.map(bytesOf));
    }),
  );
  const lines: string[] = [];
  for (const [at, call] of calls.entries()) {
    const [name, ...args] = call;
    const ours = await run(name, args.map(bytesOf));
    lines.push(`${name} ${args.map((argument) => JSON.stringify(argument)).join(' ')}`);
    if (isAbout(ours, theirs[at]!, options.tolerances?.get(name))) continue;
    const order = options.orderOf?.(call) ?? 'exact';
    expect(arranged(shown(ours), order), lines.slice(-12).join('\n')).toEqual(arranged(shown(theirs[at]!), order));
  }
}

/** Two keys of one slot; the others have slots of their own. */
const twins = new Map([
  ['a', '{a}b'],
  ['{a}b', 'a'],
]);

/** The same call with `b` in the slot of `a`, and only keys of the first's slot where a command takes no others. */
function forSlots(call: Call): Call {
  const [name, ...args] = call;
  const spec = commandTable.get(name);
  if (spec?.keys === undefined) return call;
  const { first, step } = spec.keys;
  const end = endOfKeys(spec.keys, args.map(bytesOf));
  const eachKey = (change: (key: string) => string): void => {
    for (let at = first; at < end; at += step) args[at] = change(args[at]!);
  };
  eachKey((key) => (key === 'b' ? '{a}b' : key));
  if (isOverSlots(spec, { name, args: args.map(bytesOf) })) {
    const slot = slotOf(bytesOf(args[first]!));
    const twin = twins.get(args[first]!) ?? args[first]!;
    eachKey((key) => (slotOf(bytesOf(key)) === slot ? key : twin));
  }
  return [name, ...args];
}

function isAbout(ours: Reply, theirs: Reply, tolerance: number | undefined): boolean {
  if (tolerance === undefined || typeof ours !== 'number' || typeof theirs !== 'number') return false;
  return Math.abs(ours - theirs) <= tolerance;
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** Bytes as latin1 text in quotes, so that they differ from statuses; errors with code and message. */
export function shown(reply: Reply): unknown {
  if (Buffer.isBuffer(reply)) return JSON.stringify(reply.toString('latin1'));
  if (Array.isArray(reply)) return reply.map(shown);
  return typeof reply === 'bigint' ? String(reply) : reply;
}

function arranged(reply: unknown, order: 'exact' | 'any' | 'pairs' | 'length'): unknown {
  // What is taken at random is some bytes.
  if (order === 'length' && typeof reply === 'string' && reply.startsWith('"')) return 'bytes';
  if (!Array.isArray(reply) || order === 'exact') return reply;
  if (order === 'length') return reply.length;
  if (order === 'any') return reply.map(String).sort();
  const pairs: string[] = [];
  for (let index = 0; index < reply.length; index += 2) pairs.push(`${reply[index]} ${reply[index + 1]}`);
  return pairs.sort();
}
