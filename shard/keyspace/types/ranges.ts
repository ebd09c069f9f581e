/** `start stop` as places: negative ones count from the end, both ends belong to the range. */

export interface PlaceRange {
  readonly from: number;
  /** Exclusive; never below `from`. */
  readonly to: number;
}

export function rangeOf(start: number, stop: number, size: number): PlaceRange {
  const from = Math.max(0, start < 0 ? start + size : start);
  const last = Math.min(size - 1, stop < 0 ? stop + size : stop);
  return from > last ? { from: 0, to: 0 } : { from, to: last + 1 };
}
