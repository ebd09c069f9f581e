/**
 * The same sequence of commands to an engine of ours and to a real redis-server, reply by reply.
 *
 * Our side is made to work for it: with a journal, every few commands all copies in RAM are dropped, so that values come
 * from base and deltas. Replies whose order Redis does not promise are compared as sets.
 */
import { expect } from 'vitest';
import type { Reply } from '../commands/reply.ts';
import { TestShard } from './engine-shard.ts';
import type { RedisServer } from './redis-server.ts';

/** Name and arguments; latin1 text. */
export type Call = readonly [name: string, ...args: readonly string[]];

export interface Comparison {
  readonly withJournal: boolean;
  /** How a command's reply is compared: as it is, in any order, in pairs in any order, or in its length alone. */
  readonly orderOf?: (call: Call) => 'exact' | 'any' | 'pairs' | 'length';
  /** By command, how far two integers may differ: times that pass while the test runs. */
  readonly tolerances?: ReadonlyMap<string, number>;
}

export async function compareWithRedis(redis: RedisServer, calls: readonly Call[], options: Comparison): Promise<void> {
  const shard = new TestShard({ withJournal: options.withJournal });
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
    shard.clock.set(Date.now());
    if (options.withJournal && at % 3 === 0) shard.chill();
    const ours = await shard.begin(name, ...args.map(bytesOf));
    lines.push(`${name} ${args.map((argument) => JSON.stringify(argument)).join(' ')}`);
    if (isAbout(ours, theirs[at]!, options.tolerances?.get(name))) continue;
    const order = options.orderOf?.(call) ?? 'exact';
    expect(arranged(shown(ours), order), lines.slice(-12).join('\n')).toEqual(arranged(shown(theirs[at]!), order));
  }
  shard.engine.close();
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
