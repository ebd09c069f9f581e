import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildDashboard, builtFolder } from './build.ts';

test('the dashboard that is served is the one that its sources build', async () => {
  const built = await buildDashboard();
  expect(readdirSync(builtFolder).sort()).toEqual([...built.keys()].sort());
  for (const [name, content] of built) {
    const isSame = readFileSync(join(builtFolder, name), 'utf8') === content;
    expect(isSame, `${name} differs: npm run generate`).toBe(true);
  }
});
