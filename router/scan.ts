/**
 * PREFIXSCAN, SCAN and KEYS over all shards with one cursor.
 *
 * Keys have one order that every shard knows: by slot, then by a hash of the key. The cursor is a place in it
 * (commands/scan-cursor.ts), which means the same whichever shard owns the slot, so it stays right when slots move
 * between two pages: everything below it has been listed.
 *
 * A page asks every shard at once for what it has from the cursor on, a little more than its part of the page. Each
 * answers keys in order and how far it got. What is below the place that the slowest has reached is complete; the rest
 * is thrown away and listed by the next page. Likewise where the page would be too long: it is cut between two slots.
 *
 * KEYS is a walk over such pages, so that neither a shard nor a slot on the move sees more than a page at a time.
 *
 * Rejected: visiting the owners of slot ranges one after the other. A topology has dozens of ranges for every shard, and
 * a scan would take a round trip for each.
 */
import type { Command } from '../commands/command.ts';
import { type Reply, ReplyError } from '../commands/reply.ts';
import {
  binaryCursor,
  comparePositions,
  type CursorForm,
  numericCursor,
  type ScanPosition,
} from '../commands/scan-cursor.ts';
import { parseScanOptions } from '../commands/scan-options.ts';
import { keysReplyBytesMax, scanCountMax } from '../limits.ts';
import { slotOf } from '../topology/slot.ts';
import { isAway } from './away.ts';

/** How one page's request looks to a shard. */
export interface ScanPage {
  readonly countMax: number;
  /** Arguments for one item: 1 for KEYS, 2 for VALUES and ALL. */
  readonly step: number;
  readonly form: CursorForm;
  readonly command: Command;
  /** The only slot where matching keys can be, if the prefix holds a whole hash tag. */
  readonly slot: number | undefined;
}

/** One shard's answer to a page. */
export interface ScanAnswer {
  readonly shard: string;
  readonly reply: Reply;
}

/** Items of one slot, in the order of their hashes. */
interface SlotItems {
  readonly slot: number;
  readonly items: Reply[];
  readonly count: number;
}

const invalidCursor = new ReplyError('ERR', 'invalid cursor');

/** What to ask each of so many shards; the error where the arguments are wrong. */
export function scanPage(command: Command, shardCount: number): ScanPage | ReplyError {
  return command.name === 'SCAN' ? patternPage(command, shardCount) : prefixPage(command, shardCount);
}

function prefixPage(command: Command, shardCount: number): ScanPage | ReplyError {
  const [cursor, prefix, count, what] = command.args as [Buffer, Buffer, Buffer, Buffer];
  const countText = count.toString('latin1');
  const countMax = Math.min(Number(countText), scanCountMax);
  const listed = what.toString('latin1').toUpperCase();
  if (!/^[0-9]{1,15}$/.test(countText) || countMax === 0) return new ReplyError('ERR', 'count is no positive integer');
  if (listed !== 'KEYS' && listed !== 'VALUES' && listed !== 'ALL') {
    return new ReplyError('ERR', 'syntax error: KEYS, VALUES or ALL expected');
  }
  if (binaryCursor.decode(cursor) === undefined) return invalidCursor;
  const slot = slotOfPrefix(prefix);
  const asked = Buffer.from(String(slot === undefined ? shareOf(countMax, shardCount) : countMax));
  return {
    countMax,
    step: listed === 'KEYS' ? 1 : 2,
    form: binaryCursor,
    command: { name: command.name, args: [cursor, prefix, asked, what] },
    slot,
  };
}

function patternPage(command: Command, shardCount: number): ScanPage | ReplyError {
  const [cursor, ...options] = command.args as [Buffer, ...Buffer[]];
  if (numericCursor.decode(cursor) === undefined) return invalidCursor;
  const parsed = parseScanOptions(command.args);
  if (parsed instanceof ReplyError) return parsed;
  const countMax = Math.min(parsed.count, scanCountMax);
  // Of options that come twice the last counts.
  const share = [Buffer.from('COUNT'), Buffer.from(String(shareOf(countMax, shardCount)))];
  return {
    countMax,
    step: 1,
    form: numericCursor,
    command: { name: command.name, args: [cursor, ...options, ...share] },
    slot: undefined,
  };
}

/** More than its share: the page ends where the first shard ends, and shards are never filled alike. */
function shareOf(countMax: number, shardCount: number): number {
  return shardCount > 1 ? Math.min(countMax, Math.ceil((2 * countMax) / shardCount) + 16) : countMax;
}

/** The page out of the shards' answers. Those of shards that are away are left out if `skipAway` says so. */
export function mergeScan(page: ScanPage, answers: readonly ScanAnswer[], skipAway: (shard: string) => boolean): Reply {
  let frontier: ScanPosition | undefined;
  let frontierShard: string | undefined;
  const listed: { shard: string; items: readonly Reply[] }[] = [];
  for (const { shard, reply } of answers) {
    if (isAway(reply) && skipAway(shard)) continue;
    if (reply instanceof ReplyError) {
      return new ReplyError(reply.code, `${page.command.name} failed on ${shard}: ${reply.message}`);
    }
    const [cursor, items] = reply as [Buffer, Reply[]];
    listed.push({ shard, items });
    const reached = page.form.decode(cursor);
    if (reached === undefined) return new ReplyError('ERR', `shard ${shard} answered a scan with no cursor`);
    // The start stands for the end.
    if (reached.slot === 0 && reached.boundary === 0) continue;
    if (frontier === undefined || comparePositions(reached, frontier) < 0) {
      frontier = reached;
      frontierShard = shard;
    }
  }
  const complete = listed.flatMap(({ shard, items }) =>
    itemsBySlot(items, page.step).filter(
      ({ slot }) =>
        frontier === undefined || slot < frontier.slot || (slot === frontier.slot && shard === frontierShard),
    ),
  );
  return cutPage(
    complete.sort((a, b) => a.slot - b.slot),
    page,
    frontier,
  );
}

/** All pages of SCAN with this pattern, `ask`ed for one after the other, as one reply. */
export async function walkKeys(pattern: Buffer, ask: (page: Command) => Promise<Reply>): Promise<Reply> {
  const found: Reply[] = [];
  let bytes = 0;
  let cursor: Buffer = numericCursor.encode(undefined);
  const options = ['MATCH', pattern, 'COUNT', String(scanCountMax)].map((option) => Buffer.from(option));
  do {
    const reply = await ask({ name: 'SCAN', args: [cursor, ...options] });
    if (reply instanceof ReplyError) return reply;
    const [next, keys] = reply as [Buffer, Buffer[]];
    for (const key of keys) {
      bytes += key.byteLength;
      found.push(key);
    }
    if (bytes > keysReplyBytesMax) {
      return new ReplyError('TOOLARGE', `KEYS finds more than ${keysReplyBytesMax} bytes of keys: use SCAN`);
    }
    cursor = next;
  } while (cursor.toString('latin1') !== '0');
  return found;
}

/** Whole slots up to the count, at least one. */
function cutPage(slots: readonly SlotItems[], { countMax, form }: ScanPage, frontier: ScanPosition | undefined): Reply {
  const items: Reply[] = [];
  let count = 0;
  for (const run of slots) {
    if (count > 0 && count + run.count > countMax && run.slot > slots[0]!.slot) {
      return [form.encode({ slot: run.slot, boundary: 0 }), items];
    }
    for (const item of run.items) items.push(item);
    count += run.count;
  }
  return [form.encode(frontier), items];
}

function itemsBySlot(items: readonly Reply[], step: number): SlotItems[] {
  const runs: { slot: number; items: Reply[]; count: number }[] = [];
  for (let index = 0; index < items.length; index += step) {
    const slot = slotOf(items[index] as Buffer);
    let run = runs.at(-1);
    if (run?.slot !== slot) {
      run = { slot, items: [], count: 0 };
      runs.push(run);
    }
    for (let offset = 0; offset < step; offset++) run.items.push(items[index + offset]!);
    run.count += 1;
  }
  return runs;
}

function slotOfPrefix(prefix: Buffer): number | undefined {
  const open = prefix.indexOf('{');
  if (open < 0) return undefined;
  return prefix.indexOf('}', open + 1) > open + 1 ? slotOf(prefix) : undefined;
}
