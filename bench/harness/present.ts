/** Figures as people read them: three digits, and the prefix that fits. */
import type { Goal, Unit } from './scenario.ts';

const decimal = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'K'],
] as const;

export function presented(value: number, unit: Unit): string {
  return presenters[unit](value);
}

const presenters: Readonly<Record<Unit, (value: number) => string>> = {
  'op/s': (value) => `${scaled(value, '')}/s`,
  'B/s': (value) => `${scaled(value, 'B')}/s`,
  B: (value) => scaled(value, 'B'),
  share: (value) => value.toFixed(4),
  s: (value) => `${digits(value)} s`,
  ms: (value) => `${digits(value)} ms`,
  µs: (value) => `${digits(value)} µs`,
};

/** Three significant digits, without an exponent. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size >= 100 || size === 0) return value.toFixed(0);
  return value.toFixed(size >= 10 ? 1 : 2);
}

export function presentedGoal(goal: Goal): string {
  return 'atLeast' in goal ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`;
}

function scaled(value: number, unit: string): string {
  for (const [size, prefix] of decimal) {
    if (Math.abs(value) >= size) return `${digits(value / size)} ${prefix}${unit}`;
  }
  return `${digits(value)} ${unit}`.trimEnd();
}
