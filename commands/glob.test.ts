import { expect, test } from 'vitest';
import { compileGlob } from './glob.ts';

test.each([
  ['*', ['', 'a', 'any\n'], []],
  ['**', ['a'], ['']],
  ['h?llo', ['hello', 'h\u0000llo'], ['hllo', 'heello']],
  ['h[ae]llo', ['hello', 'hallo'], ['hillo']],
  ['h[^e]llo', ['hallo'], ['hello', 'hllo']],
  ['h[b-a]llo', ['hallo', 'hbllo'], ['hcllo']],
  ['h\\[a', ['h[a'], ['ha']],
  ['a*b*c', ['abc', 'axxbxxc', 'abcbc'], ['abcx', 'acb']],
  ['[a', ['a'], ['[a', 'b']],
  ['a\\', ['a\\'], ['a']],
  ['', [''], ['a']],
])('%j matches %j and not %j', (pattern, matching, others) => {
  const glob = compileGlob(pattern);
  for (const name of matching) expect([name, glob.matches(name)]).toEqual([name, true]);
  for (const name of others) expect([name, glob.matches(name)]).toEqual([name, false]);
});

test('what every match begins with is known', () => {
  expect(compileGlob('user:\\*:*')).toMatchObject({ prefix: 'user:*:', isLiteral: false });
  expect(compileGlob('user')).toMatchObject({ prefix: 'user', isLiteral: true });
});

test('a hostile pattern takes no longer than pattern times text', () => {
  const glob = compileGlob('a*'.repeat(10_000) + 'b');
  expect(glob.matches('a'.repeat(20_000))).toBe(false);
});
