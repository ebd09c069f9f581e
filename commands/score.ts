/** Scores of sorted sets as text: read as C's strtod reads them, written as Redis 7.0 does, with 17 significant digits. */

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const infinite = /^([+-]?)inf(?:inity)?$/i;

/** The number that a text is; undefined for anything else, NaN included. */
export function parseScore(text: string): number | undefined {
  const infinity = infinite.exec(text);
  if (infinity !== null) return infinity[1] === '-' ? -Infinity : Infinity;
  return decimal.test(text) ? Number(text) : undefined;
}

/** The same where a number beyond what a double holds is no number. */
export function parseFiniteText(text: string): number | undefined {
  const score = parseScore(text);
  if (score === undefined || infinite.test(text)) return score;
  const isTooSmall = score === 0 && /[1-9]/.test(text.split(/[eE]/)[0]!);
  return Number.isFinite(score) && !isTooSmall ? score : undefined;
}

/** As C's `%.17g`. */
export function formatScore(score: number): string {
  if (!Number.isFinite(score)) return score > 0 ? 'inf' : '-inf';
  if (Number.isInteger(score) && Math.abs(score) < 1e15) return Object.is(score, -0) ? '-0' : String(score);
  const [mantissa, exponentText] = score.toExponential(16).split('e') as [string, string];
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < 17) return trimmed(score.toFixed(Math.max(0, 16 - exponent)));
  const digits = Math.abs(exponent).toString().padStart(2, '0');
  return `${trimmed(mantissa)}e${exponent < 0 ? '-' : '+'}${digits}`;
}

function trimmed(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
