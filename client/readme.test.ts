import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MemoryCache } from '../testing/memory-cache.ts';

const cache = new MemoryCache();
beforeAll(() => cache.start());
afterAll(() => cache.close());

const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8');
const examples = [...readme.matchAll(/^## (.*?)$(?:(?!^## )[^])*?^```ts\n([^]*?)^```$/gm)].map((match) => ({
  title: match[1]!,
  code: match[2]!,
}));

test('the README has an example in each of its chapters', () => {
  expect(examples).toHaveLength(readme.match(/^## /gm)!.length);
});

test.each(examples)('the example of "$title" runs and prints what its comments say', async ({ code }) => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module-typescript', '--eval', code], {
    cwd: resolve(import.meta.dirname, '..'),
    env: { ...process.env, KVSTORE_GRPC_SERVER: cache.server },
  });
  const promised = [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map((match) => match[1]);
  const printed = new Set(stdout.trim().split('\n'));
  for (const line of promised) expect(printed).toContain(line);
});
