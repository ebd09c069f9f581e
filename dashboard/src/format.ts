/** Numbers as people read them. */

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function count(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)} k`;
  return value >= 100 || Number.isInteger(value) ? `${Math.round(value)}` : value.toFixed(1);
}

export function percent(share: number | undefined): string {
  if (share === undefined) return '–';
  const isNearAnEnd = (share > 0 && share < 0.1) || (share > 0.99 && share < 1);
  return `${(share * 100).toFixed(isNearAnEnd ? 1 : 0)} %`;
}

/** A duration in seconds, from microseconds to days. */
export function seconds(value: number | undefined): string {
  if (value === undefined) return '–';
  if (value === 0) return '0 s';
  if (value < 0.001) return `${Math.round(value * 1e6)} µs`;
  if (value < 1) return `${(value * 1e3).toFixed(value < 0.01 ? 1 : 0)} ms`;
  if (value < 120) return `${value.toFixed(value < 10 ? 1 : 0)} s`;
  if (value < 7_200) return `${Math.round(value / 60)} min`;
  if (value < 172_800) return `${Math.round(value / 3_600)} h`;
  return `${Math.round(value / 86_400)} d`;
}
