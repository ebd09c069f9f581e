/**
 * What a compaction does with each record of a victim, told by the victim's hint and the index.
 *
 *   the newest of its key          copied with its sequence, or, where it has deltas, folded with them
 *   a tombstone, or expired        carried as a tombstone while an older record of the key may lie elsewhere
 *   anything else                  left behind
 *
 * The plan is made while writes go on: whoever carries it out looks again whether an entry is still where it was.
 */
import { setImmediate as nextStep } from 'node:timers/promises';
import { hintEntriesPerStep } from '../../limits.ts';
import type { Entry, RecordIndex } from '../journal.ts';
import { liesAt } from '../log/chain.ts';
import { hintCursor, readHintHead } from '../log/hint.ts';
import type { Log } from '../log/log.ts';
import { isTombstone, isWhole, recordKinds } from '../log/record.ts';
import type { SegmentState } from '../log/segment-state.ts';
import { KeptRecords } from './kept-records.ts';
import { OlderRecords } from './older-records.ts';
import type { TierBelow } from './tier-below.ts';

export interface PlanParts {
  readonly log: Log;
  readonly index: RecordIndex;
  readonly below: TierBelow | undefined;
}

export interface Plan {
  readonly victim: SegmentState;
  readonly kept: KeptRecords;
  /** Live values with deltas of which some record lies here. */
  readonly chains: Set<Entry>;
  tombstonesDropped: number;
}

/** Decides about every record that the victim's hint lists. */
export async function planOf({ log, index }: PlanParts, victim: SegmentState, hint: Buffer): Promise<Plan> {
  const kept = new KeptRecords(readHintHead(hint)?.count ?? 0);
  const plan: Plan = { victim, kept, chains: new Set(), tombstonesDropped: 0 };
  const older = await OlderRecords.outside(log, victim);
  const nowMs = log.now();
  let inStep = 0;
  for (const record = hintCursor(hint); record.next();) {
    if (++inStep === hintEntriesPerStep) {
      inStep = 0;
      await nextStep();
    }
    const { kind, space, slot, sequence, expireAtMs, offset } = record;
    const entry = kind === recordKinds.slotDrop ? undefined : index.findInSlot(space, slot, record.name);
    if (entry !== undefined && liesAt(entry, victim.id, offset)) {
      if (entry.chain !== undefined) plan.chains.add(entry);
      else if (isWhole(kind)) kept.addLive(record, entry);
      continue;
    }
    const isExpired = expireAtMs !== 0 && expireAtMs <= nowMs && !isTombstone(kind);
    const buries = isTombstone(kind) || kind === recordKinds.slotDrop || isExpired;
    if (!buries || entry !== undefined) continue;
    if (!older.mayExist(record.key, space, sequence)) plan.tombstonesDropped++;
    else kept.addTombstone(record, isExpired);
  }
  return plan;
}

/** The hint of a segment, from this disk or from Blob. */
export async function hintOf({ log, below }: Pick<PlanParts, 'log' | 'below'>, segment: SegmentState): Promise<Buffer> {
  try {
    return await log.readHint(segment.id);
  } catch (error) {
    if (below === undefined) throw error;
    return below.readHint(segment.summary());
  }
}
