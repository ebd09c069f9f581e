/** What plots are drawn with: by hand, since a plot library brings a canvas or a browser for a few dozen shapes. */

/** Told apart without red against green. */
const colours = ['#2f6fb0', '#e08a1e', '#4c9f70', '#8a5bb0', '#777777', '#b04a4a'];

export function colourOf(index: number): string {
  return colours[index % colours.length]!;
}

export function text(x: number, y: number, words: string, anchor: 'start' | 'middle' | 'end' = 'start'): string {
  const anchored = anchor === 'start' ? '' : ` text-anchor="${anchor}"`;
  return `<text x="${fixed(x)}" y="${fixed(y)}"${anchored}>${escaped(words)}</text>`;
}

export function fixed(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** A whole picture: a title, a legend with a square for each of the sides, and what is drawn below `headPx`. */
export function pictureOf(
  widthPx: number,
  heightPx: number,
  title: string,
  sides: readonly string[],
  drawn: readonly string[],
): string {
  const legend = sides.map((side, index) => {
    const x = 16 + index * (widthPx / Math.max(sides.length, 4));
    return `<rect x="${x}" y="36" width="12" height="12" fill="${colourOf(index)}"/>${text(x + 18, 46, side)}`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${widthPx}" height="${heightPx}" viewBox="0 0 ${widthPx} ${heightPx}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<g font-size="15" font-weight="bold">${text(16, 22, title)}</g>`,
    ...legend,
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
}

/** Where what is drawn begins, below title and legend. */
export const headPx = 64;
