import { describe, expect, test } from 'vitest';
import { plotOf } from './plot.ts';
import { type Case, rate } from './scenario.ts';
import { rowsOf } from './summary.ts';

const what: Case = { title: 'GET <100 B>', figures: [rate], comparisons: [] };

describe('the plot', () => {
  test('has a bar a side, as long as its median within the largest figure of the case', () => {
    const samples = new Map([
      ['shard', [{ rate: 50 }, { rate: 50 }]],
      ['redis', [{ rate: 100 }, { rate: 100 }]],
    ]);
    const svg = plotOf('resp', ['shard', 'redis'], rowsOf([{ case: what, samples }]));
    const widths = [...svg.matchAll(/<rect x="250" y="\d+" width="([\d.]+)"/g)].map(([, width]) => Number(width));
    expect(widths).toEqual([240, 480]);
    expect(svg).toMatch(/^<svg .*<\/svg>\n$/s);
  });

  test('names are escaped, and a side that was not measured has no bar', () => {
    const samples = new Map([
      ['shard', [{ rate: 50 }]],
      ['redis', [undefined]],
    ] as const);
    const mutable = new Map([...samples].map(([name, list]) => [name, [...list]]));
    const svg = plotOf('a & b', ['shard', 'redis'], rowsOf([{ case: what, samples: mutable }]));
    expect(svg).toContain('GET &lt;100 B&gt;');
    expect(svg).toContain('a &amp; b');
    expect(svg.match(/<rect x="250"/g)).toHaveLength(1);
  });
});
