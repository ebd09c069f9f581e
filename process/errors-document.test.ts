import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { errorsDocument } from './errors-document.ts';
import { exitCodes } from './exit-codes.ts';

test('docs/errors.md is what errors.ts and the exit codes say (npm run generate writes it)', () => {
  const path = join(import.meta.dirname, '../docs/errors.md');
  expect(readFileSync(path, 'utf8')).toBe(errorsDocument());
});

test('no two exit codes are the same', () => {
  const codes = Object.values(exitCodes);
  expect(codes).toEqual([...new Set(codes)]);
});
