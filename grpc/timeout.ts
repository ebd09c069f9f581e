/** `grpc-timeout`: at most eight digits and a unit, H M S m u n. */

const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};
const digitsMax = 99_999_999;

/** Milliseconds, fractions included; undefined if the text is no timeout. */
export function parseTimeout(text: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  return match ? Number(match[1]) * unitMs[match[2]!]! : undefined;
}

/** The header for so many milliseconds, rounded up; at least one millisecond. */
export function formatTimeout(timeoutMs: number): string {
  const milliseconds = Math.max(1, Math.ceil(timeoutMs));
  if (milliseconds <= digitsMax) return `${milliseconds}m`;
  const seconds = Math.ceil(milliseconds / 1_000);
  if (seconds <= digitsMax) return `${seconds}S`;
  return `${Math.min(digitsMax, Math.ceil(seconds / 3_600))}H`;
}
