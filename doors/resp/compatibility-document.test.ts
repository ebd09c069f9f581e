import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compatibilityDocument } from './compatibility-document.ts';

test('docs/redis-compatibility.md is what the tables of commands say (npm run generate writes it)', () => {
  const path = join(import.meta.dirname, '../../docs/redis-compatibility.md');
  expect(readFileSync(path, 'utf8')).toBe(compatibilityDocument());
});
