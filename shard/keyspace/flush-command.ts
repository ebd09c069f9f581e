/**
 * FLUSHALL, FLUSHDB: deletes every plain key of the slots that this shard serves. Prompt blocks stay; they are no part of
 * the database that Redis' clients see.
 *
 * Keys are deleted a batch at a time, each batch one group of tombstones in the log, with turns for others in between: a
 * million keys stop nobody, and a crash in the middle brings back only what was not deleted yet. The answer comes when
 * all are gone, with ASYNC too: a client that reads afterwards finds nothing of before. What is written meanwhile may go
 * or stay, as if it had come before or after.
 *
 * Rejected: one record that makes everything older void. It would be instant in the log, and every key would still have
 * to leave the index, the expiry wheel and RAM, one by one, while nobody may see it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CommandContext } from '../../commands/command.ts';
import { OK, type Reply, ReplyError } from '../../commands/reply.ts';
import type { ScanPosition } from '../../commands/scan-cursor.ts';
import { flushEntriesPerTurn, scanExaminedPerTurnMax } from '../../limits.ts';
import { syntaxError, wordOf } from './arguments.ts';
import { deletionOf } from './change.ts';
import type { CommandFamily } from './handler.ts';
import type { Keyspace } from './keyspace.ts';
import { scanPage } from './scan.ts';

export function flushCommands(keyspace: Keyspace): CommandFamily {
  return [
    ['FLUSHALL', (args, context) => flush(keyspace, args, context)],
    ['FLUSHDB', (args, context) => flush(keyspace, args, context)],
  ];
}

async function flush(keyspace: Keyspace, args: readonly Buffer[], context: CommandContext): Promise<Reply> {
  const word = args.length === 0 ? 'SYNC' : wordOf(args[0]!);
  if (args.length > 1 || (word !== 'SYNC' && word !== 'ASYNC')) return syntaxError;
  const fault = keyspace.acknowledgementFault(context);
  if (fault !== undefined) return fault;
  let from: ScanPosition | undefined = { slot: 0, boundary: 0 };
  let safe: Reply | Promise<Reply> = OK;
  while (from !== undefined) {
    const batch: Batch = await deleteBatch(keyspace, from, context);
    if (batch instanceof ReplyError) return batch;
    // The log is in order: the last batch is safe only after all before it.
    safe = batch.safe ?? safe;
    from = batch.next;
    if (from !== undefined) await nextTurn();
  }
  return safe;
}

interface Deleted {
  /** Answers when the batch is as safe as asked; undefined if nothing was deleted. */
  readonly safe: Reply | Promise<Reply> | undefined;
  readonly next: ScanPosition | undefined;
}
type Batch = Deleted | ReplyError;

/** Deletes the keys of one page at its turn, when the log has room for it. */
async function deleteBatch(keyspace: Keyspace, from: ScanPosition, context: CommandContext): Promise<Batch> {
  let deleted: Deleted | undefined;
  const refusal = await keyspace.queue.run<undefined>(flushEntriesPerTurn * tombstoneBytes, context, () => {
    const { entries, next } = scanPage(keyspace.index.keysBySlot, {
      from,
      prefix: '',
      count: flushEntriesPerTurn,
      examinedMax: scanExaminedPerTurnMax,
      withValues: false,
      shows: (entry) => keyspace.shows(entry.slot),
    });
    const safe = entries.length === 0 ? undefined : keyspace.commit(entries.map(deletionOf), context, OK);
    deleted = { safe, next };
    return undefined;
  });
  return refusal ?? deleted!;
}

/** About what a deletion takes in the log. */
const tombstoneBytes = 128;
