/** A colour for each shard, the same wherever it is shown. */
const hues = [174, 256, 28, 330, 205, 90, 48, 290, 0, 140];

/** The colour of the shard at this place among the names in order; beyond the list, hues go on by the golden angle. */
export function shardColour(names: readonly string[], name: string): string {
  const place = names.indexOf(name);
  if (place < 0) return 'var(--muted)';
  const hue = hues[place] ?? (place * 137.5) % 360;
  return `hsl(${hue} var(--shard-saturation) var(--shard-lightness))`;
}
