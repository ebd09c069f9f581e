/**
 * Figures for people, of three digits: an idle cache's figures stay the same from one look to the next, and those of a
 * busy one change only when somebody would care.
 */
const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${threeDigits(value)}${units[unit]!}`;
}

/** 123456 → 123000. */
export function roundedCount(count: number): number {
  return Number(count.toPrecision(3));
}

/** The share of reads that found their key; undefined before the first read. */
export function hitRateText(reads: { readonly hit: number; readonly miss: number }): string | undefined {
  const all = reads.hit + reads.miss;
  return all === 0 ? undefined : `${threeDigits((reads.hit / all) * 100)}%`;
}

/** Whole seconds, and coarser the longer it is. */
export function lagText(lagMs: number): string {
  if (lagMs < 10_000) return lagMs === 0 ? '0s' : '<10s';
  const seconds = Math.round(lagMs / 10_000) * 10;
  return seconds < 120 ? `${seconds}s` : `${Math.round(seconds / 60)}m`;
}

function threeDigits(value: number): string {
  return String(Number(value.toPrecision(3)));
}
