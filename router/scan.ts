/**
 * PREFIXSCAN over all shards with one cursor.
 *
 * Keys have one order that every shard knows: by slot, then by a hash of the key. The cursor is a place in it, which
 * means the same whichever shard owns the slot, so it stays right when slots move between two pages:
 *
 *   slot u16 · hash u32     big-endian: everything below has been listed; empty to begin and when done
 *
 * A page asks every shard at once for what it has from the cursor on, a little more than its part of the page. Each
 * answers keys in order and how far it got. What is below the place that the slowest has reached is complete; the rest
 * is thrown away and listed by the next page. Likewise where the page would be too long: it is cut between two slots.
 *
 * Rejected: visiting the owners of slot ranges one after the other. A topology has dozens of ranges for every shard, and
 * a scan would take a round trip for each.
 */
import type { Command } from '../commands/command.ts';
import { type Reply, ReplyError } from '../commands/reply.ts';
import { scanCountMax, slotCount } from '../limits.ts';
import { slotOf } from '../topology/slot.ts';
import { isAway } from './away.ts';

const scanCursorBytes = 6;
const emptyCursor = Buffer.alloc(0);

/** How one page's request looks to a shard. */
export interface ScanPage {
  readonly countMax: number;
  /** Arguments for one item: 1 for KEYS, 2 for VALUES. */
  readonly step: number;
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

/** What to ask each of so many shards; the error where the arguments are wrong. */
export function scanPage(command: Command, shardCount: number): ScanPage | ReplyError {
  const [cursor, prefix, count, what] = command.args as [Buffer, Buffer, Buffer, Buffer];
  const countText = count.toString('latin1');
  const countMax = Math.min(Number(countText), scanCountMax);
  const listed = what.toString('latin1').toUpperCase();
  if (!/^[0-9]{1,15}$/.test(countText) || countMax === 0) return new ReplyError('ERR', 'count is no positive integer');
  if (listed !== 'KEYS' && listed !== 'VALUES') return new ReplyError('ERR', 'syntax error: KEYS or VALUES expected');
  const isPlace = cursor.byteLength === scanCursorBytes && cursor.readUInt16BE(0) < slotCount;
  if (cursor.byteLength > 0 && !isPlace) return new ReplyError('ERR', 'invalid cursor');
  const slot = slotOfPrefix(prefix);
  // More than its share: the page ends where the first shard ends, and shards are never filled alike.
  const share = slot === undefined && shardCount > 1 ? Math.ceil((2 * countMax) / shardCount) + 16 : countMax;
  const asked = Buffer.from(String(Math.min(countMax, share)));
  return {
    countMax,
    step: listed === 'KEYS' ? 1 : 2,
    command: { name: command.name, args: [cursor, prefix, asked, what] },
    slot,
  };
}

/** The page out of the shards' answers. Those of shards that are away are left out if `skipAway` says so. */
export function mergeScan(page: ScanPage, answers: readonly ScanAnswer[], skipAway: (shard: string) => boolean): Reply {
  let frontier: Buffer = emptyCursor;
  let frontierShard: string | undefined;
  const listed: { shard: string; items: readonly Reply[] }[] = [];
  for (const { shard, reply } of answers) {
    if (isAway(reply) && skipAway(shard)) continue;
    if (reply instanceof ReplyError)
      return new ReplyError(reply.code, `PREFIXSCAN failed on ${shard}: ${reply.message}`);
    const [cursor, items] = reply as [Buffer, Reply[]];
    listed.push({ shard, items });
    if (cursor.byteLength === 0) continue;
    if (frontierShard === undefined || Buffer.compare(cursor, frontier) < 0) {
      frontier = cursor;
      frontierShard = shard;
    }
  }
  const frontierSlot = frontierShard === undefined ? slotCount : frontier.readUInt16BE(0);
  const complete = listed.flatMap(({ shard, items }) =>
    itemsBySlot(items, page.step).filter(
      ({ slot }) => slot < frontierSlot || (slot === frontierSlot && shard === frontierShard),
    ),
  );
  return cutPage(
    complete.sort((a, b) => a.slot - b.slot),
    page.countMax,
    frontier,
  );
}

/** Whole slots up to the count, at least one. */
function cutPage(slots: readonly SlotItems[], countMax: number, frontier: Buffer): Reply {
  const items: Reply[] = [];
  let count = 0;
  for (const run of slots) {
    if (count > 0 && count + run.count > countMax && run.slot > slots[0]!.slot) return [cursorAt(run.slot), items];
    for (const item of run.items) items.push(item);
    count += run.count;
  }
  return [frontier, items];
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

function cursorAt(slot: number): Buffer {
  const cursor = Buffer.alloc(scanCursorBytes);
  cursor.writeUInt16BE(slot, 0);
  return cursor;
}

function slotOfPrefix(prefix: Buffer): number | undefined {
  const open = prefix.indexOf('{');
  if (open < 0) return undefined;
  return prefix.indexOf('}', open + 1) > open + 1 ? slotOf(prefix) : undefined;
}
