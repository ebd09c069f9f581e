/**
 * Any key, each about as likely as any other.
 *
 * A slot is drawn by its number of keys, then a leaf of it by a random hash, then a key of the leaf. Leaves of one slot
 * differ by a factor of two or so, and by as much their keys' chances; slots, of which most have one leaf, do not.
 */
import { slotCount } from '../../limits.ts';
import type { LentEntry } from '../journal.ts';
import { hashEnd, type SlotMap } from './slot-map.ts';

/**
 * An entry of a slot that is shown, or undefined if none is found. `total`: how many keys these slots have together;
 * `random` gives numbers from 0 to below 1.
 */
export function randomEntry(
  keys: SlotMap<LentEntry>,
  shows: (slot: number) => boolean,
  total: number,
  random: () => number,
): LentEntry | undefined {
  const slot = slotAt(keys, shows, Math.floor(random() * total));
  if (slot === undefined) return undefined;
  const { leaf } = keys.run(slot, Math.floor(random() * hashEnd))!;
  // A leaf may be empty while its neighbours are not.
  const entries = leaf.size > 0 ? leaf.values() : keys.values(slot);
  let skipped = Math.floor(random() * leaf.size);
  for (const entry of entries) if (skipped-- <= 0) return entry;
  return undefined;
}

/** The slot of the key that has so many before it, in the order of slots. */
function slotAt(keys: SlotMap<LentEntry>, shows: (slot: number) => boolean, place: number): number | undefined {
  let left = place;
  for (let slot = 0; slot < slotCount; slot++) {
    const size = keys.sizeOf(slot);
    if (size === 0 || !shows(slot)) continue;
    left -= size;
    if (left < 0) return slot;
  }
  return undefined;
}
