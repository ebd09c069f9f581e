import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

const fresh = mkdtempSync(join(tmpdir(), 'kvcache-generated-'));
afterAll(() => rmSync(fresh, { recursive: true }));

test('the committed generated code is what the protos give', () => {
  const committed = join(import.meta.dirname, 'generated');
  const { status, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, '../scripts/generate.ts'), fresh]);
  expect(status, stderr.toString()).toBe(0);
  const names = readdirSync(fresh).sort();
  expect(names).toEqual(readdirSync(committed).sort());
  for (const name of names) {
    expect(readFileSync(join(fresh, name)).equals(readFileSync(join(committed, name))), name).toBe(true);
  }
});
