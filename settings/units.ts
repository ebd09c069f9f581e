/**
 * Sizes, durations and shares as people write them, and back.
 *
 *   size      1024, '64MiB', '1.5GB', '512 KiB'   bytes; KB, MB, GB, TB are powers of 1000, KiB … of 1024
 *   duration  60, '60s', '500ms', '1.5h', '7d'    milliseconds; a plain number is seconds
 *   share     0.5, '50%'                          0 to 1
 *   percent   80, '80%', 0.8                      0 to 100; a plain number below 1 is a share
 *
 * Every parser takes what a flag, an environment variable or a YAML file gives (a string or a number), answers
 * undefined for anything it does not understand, and never rounds: '0.3B' is a mistake, not zero.
 * `format…` writes the shortest form that reads back as the same number.
 */

/** What a setting looks like before it is parsed. */
export type Written = string | number;

const byteUnits: ReadonlyMap<string, number> = new Map([
  ['b', 1],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['tb', 1e12],
  ['kib', 1024],
  ['mib', 1024 ** 2],
  ['gib', 1024 ** 3],
  ['tib', 1024 ** 4],
]);

const durationUnits: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

const quantityPattern = /^(\d+(?:\.\d+)?)\s*([a-z%]*)$/i;

interface Quantity {
  readonly amount: number;
  /** Lower case, '' where none is written. */
  readonly unit: string;
}

function quantityOf(written: Written): Quantity | undefined {
  const match = quantityPattern.exec(String(written).trim());
  return match ? { amount: Number(match[1]), unit: match[2]!.toLowerCase() } : undefined;
}

/** `amount × factor` where that is a whole number which a double holds exactly. */
function wholeProduct(amount: number, factor: number): number | undefined {
  const product = amount * factor;
  const whole = Math.round(product);
  const isWhole = Math.abs(product - whole) <= 1e-9 * Math.max(1, product);
  return isWhole && Number.isSafeInteger(whole) ? whole : undefined;
}

function parseWithUnits(written: Written, units: ReadonlyMap<string, number>, plain: number): number | undefined {
  const quantity = quantityOf(written);
  if (!quantity) return undefined;
  const factor = quantity.unit === '' ? plain : units.get(quantity.unit);
  return factor === undefined ? undefined : wholeProduct(quantity.amount, factor);
}

/** Bytes, or undefined where the text is no size. */
export function parseBytes(written: Written): number | undefined {
  return parseWithUnits(written, byteUnits, 1);
}

/** Milliseconds, or undefined where the text is no duration. */
export function parseDurationMs(written: Written): number | undefined {
  return parseWithUnits(written, durationUnits, durationUnits.get('s')!);
}

/** 0 to 1, or undefined: '50%' and 0.5 are the same. */
export function parseShare(written: Written): number | undefined {
  const quantity = quantityOf(written);
  if (!quantity || (quantity.unit !== '' && quantity.unit !== '%')) return undefined;
  const share = quantity.unit === '%' ? quantity.amount / 100 : quantity.amount;
  return share <= 1 ? share : undefined;
}

/** 0 to 100, or undefined: 80, '80%' and 0.8 are the same; '0.8%' is less than one percent. */
export function parsePercent(written: Written): number | undefined {
  const quantity = quantityOf(written);
  if (!quantity || (quantity.unit !== '' && quantity.unit !== '%')) return undefined;
  if (quantity.unit === '' && quantity.amount < 1) return Number((quantity.amount * 100).toPrecision(12));
  return quantity.amount <= 100 ? quantity.amount : undefined;
}

function formatInLargestUnit(value: number, units: readonly (readonly [string, number])[]): string {
  for (const [unit, factor] of units) {
    if (value >= factor && value % factor === 0) return `${value / factor}${unit}`;
  }
  return `${value}`;
}

const bytesFormats = [
  ['TiB', 1024 ** 4],
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
  ['TB', 1e12],
  ['GB', 1e9],
  ['MB', 1e6],
  ['KB', 1e3],
] as const;

const durationFormats = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** The exact size in the largest unit that divides it: 67108864 → '64MiB', 1000000 → '1MB', 1001 → '1001'. */
export function formatBytes(bytes: number): string {
  return formatInLargestUnit(bytes, bytesFormats);
}

/** The exact duration: 60000 → '1m', 500 → '500ms', 0 → '0'. */
export function formatDurationMs(durationMs: number): string {
  if (durationMs === 0) return '0';
  const text = formatInLargestUnit(durationMs, durationFormats);
  return text === `${durationMs}` ? `${durationMs}ms` : text;
}

/** A size for a table: three digits and a binary unit, 1536 → '1.50 KiB'. Not meant to be read back. */
export function roundedBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes} B` : `${value.toPrecision(value >= 1000 ? 4 : 3)} ${units[unit]}`;
}
