/**
 * What an entry says of its value's copy in RAM, in one number: which it is, and whether it was used of late.
 *
 *   entry.hot    0: none     n: the copy of node n     −n: the same, used since it was put where it is in the order of use
 */
import type { LentEntry } from '../journal.ts';

/** The node of the entry's copy in the order of use, or none. */
export function nodeOf({ hot }: LentEntry): number {
  return hot < 0 ? -hot : hot;
}

/** Gives the entry's copy another node: its use stays noted. */
export function setNode(entry: LentEntry, node: number): void {
  entry.hot = entry.hot < 0 ? -node : node;
}

/** Notes a use of the entry's copy. */
export function noteUse(entry: LentEntry): void {
  if (entry.hot > 0) entry.hot = -entry.hot;
}

/** True, once, if a use of the entry's copy was noted. */
export function takeUse(entry: LentEntry): boolean {
  if (entry.hot >= 0) return false;
  entry.hot = -entry.hot;
  return true;
}
