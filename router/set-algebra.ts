/**
 * SINTER, SUNION, SDIFF and SINTERCARD of sets at several shards: the router fetches the members and combines them.
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
import { type Algebra, combineSets } from '../commands/set-algebra.ts';
import { algebraBytesMax, algebraFetchesInFlightMax } from '../limits.ts';

/** Asks the owner of a command's key, as any command is routed. */
export type Ask = (command: Command) => Promise<Reply>;

const operations: ReadonlyMap<string, Algebra> = new Map([
  ['SINTER', 'inter'],
  ['SUNION', 'union'],
  ['SDIFF', 'diff'],
]);

/** The answer to a command whose keys have several owners. */
export async function combineAtRouter({ name, args }: Command, ask: Ask): Promise<Reply> {
  const operation = operations.get(name);
  if (operation !== undefined) {
    const sets = await fetchSets(args, ask);
    return sets instanceof ReplyError ? sets : combineSets(operation, sets).map(bytesOf);
  }
  const parsed = parseCardinality(args);
  if (parsed instanceof ReplyError) return parsed;
  const sets = await fetchSets(parsed.keys, ask);
  return sets instanceof ReplyError ? sets : combineSets('inter', sets, parsed.limit).length;
}

function bytesOf(member: string): Buffer {
  return Buffer.from(member, 'latin1');
}

/** The members of all sets in the order of the keys, or the first fault. A key that comes twice is fetched once. */
async function fetchSets(keys: readonly Buffer[], ask: Ask): Promise<ReadonlySet<string>[] | ReplyError> {
  const byName = new Map<string, ReadonlySet<string>>();
  const names = new Set(keys.map((key) => key.toString('latin1')));
  const waiting = names.values();
  let bytes = 0;
  let fault: ReplyError | undefined;
  const lane = async (): Promise<void> => {
    for (const name of waiting) {
      if (fault !== undefined) return;
      const reply = await ask({ name: 'SMEMBERS', args: [bytesOf(name)] });
      bytes += replyBytes(reply);
      if (reply instanceof ReplyError) fault ??= reply;
      else if (bytes > algebraBytesMax) fault ??= tooLarge;
      else byName.set(name, new Set((reply as Buffer[]).map((member) => member.toString('latin1'))));
    }
  };
  await Promise.all(Array.from({ length: Math.min(names.size, algebraFetchesInFlightMax) }, lane));
  return fault ?? keys.map((key) => byName.get(key.toString('latin1'))!);
}

const tooLarge = new ReplyError(
  'TOOLARGE',
  `sets at several shards are combined up to ${algebraBytesMax} bytes of members: give the keys a common {tag}`,
);
