/** When a value with deltas is due for a new base. Why these bounds: collections.ts. */
import { baseBytesPerDelta, deltasMax, deltasMin } from '../../limits.ts';
import type { Chain } from '../journal.ts';

/** True if a chain has so many deltas, or so many bytes of them, that a new base is due, or `ratio` times as many. */
export function isLong(chain: Chain | undefined, ratio: number): boolean {
  if (chain === undefined) return false;
  const { baseBodyBytes, deltas } = chain;
  const deltasDue = Math.min(deltasMax, Math.max(deltasMin, baseBodyBytes / baseBytesPerDelta));
  if (deltas.length >= ratio * deltasDue) return true;
  return deltas.reduce((sum, delta) => sum + delta.bodyBytes, 0) >= ratio * baseBodyBytes;
}
