/**
 * Any key, each about as likely as any other.
 *
 * A slot is drawn by its number of keys, then a leaf of it by a random hash, then a key of the leaf. Leaves of one slot
 * differ by a factor of two or so, and by as much their keys' chances; slots, of which most have one leaf, do not.
 */
import { slotCount } from '../../limits.ts';
import type { Entry } from '../journal.ts';
import { hashEnd, type SlotMap } from './slot-map.ts';

/** An entry of a slot that is shown, or undefined if there is none. `random` gives numbers from 0 to below 1. */
export function randomEntry(
  keys: SlotMap<Entry>,
  shows: (slot: number) => boolean,
  random: () => number,
): Entry | undefined {
  const sizes = Array.from({ length: slotCount }, (_, slot) =>
    keys.sizeOf(slot) > 0 && shows(slot) ? keys.sizeOf(slot) : 0,
  );
  let place = Math.floor(random() * sizes.reduce((sum, size) => sum + size, 0));
  const slot = sizes.findIndex((size) => (place -= size) < 0);
  if (slot < 0) return undefined;
  const { map } = keys.run(slot, Math.floor(random() * hashEnd))!;
  // A leaf may be empty while its neighbours are not.
  const entries = map.size > 0 ? map.values() : keys.values(slot);
  let skipped = Math.floor(random() * map.size);
  for (const entry of entries) if (skipped-- <= 0) return entry;
  return undefined;
}
