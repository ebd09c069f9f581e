/** Medians and spread of a few samples. Quantiles lie between samples, linearly, as in R's type 7. */

export interface Summary {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** Half of the distance between the quartiles, as a share of the median: half of all rounds lie within ± this. */
  readonly spread: number;
}

/** The value below which `share` of the samples lie; NaN for none. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return NaN;
  const place = (sorted.length - 1) * share;
  const below = Math.floor(place);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (place - below);
}

export function summaryOf(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  const median = quantile(sorted, 0.5);
  const between = quantile(sorted, 0.75) - quantile(sorted, 0.25);
  return {
    median,
    low: sorted[0] ?? NaN,
    high: sorted.at(-1) ?? NaN,
    spread: between === 0 ? 0 : between / 2 / median,
  };
}

/** Ratios of figures of the same round; rounds that miss one of them are left out. */
export function ratiosOf(samples: readonly (number | undefined)[], against: readonly (number | undefined)[]): number[] {
  return samples.flatMap((sample, round) => {
    const other = against[round];
    return sample === undefined || other === undefined ? [] : [sample / other];
  });
}
