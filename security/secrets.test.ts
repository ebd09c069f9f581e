import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { passwordPattern, tokenPattern } from '../settings/types.ts';
import { fixedSecret, type SecretLines, SecretSet, watchSecrets } from './secrets.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvcache-secrets-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(text: string, pattern = tokenPattern): SecretLines {
  const path = join(folder, 'tokens');
  writeFileSync(path, text);
  const watched = watchSecrets({ name: 'auth.token_file', path }, pattern, () => undefined);
  watched.close();
  return watched.value;
}

describe('a set of secrets', () => {
  const set = new SecretSet(['open sesame', 'geöffnet']);

  test.each(['open sesame', 'geöffnet'])('accepts %s', (shown) => expect(set.accepts(shown)).toBe(true));

  test.each(['', 'open', 'open sesame ', 'Open sesame', 'open sesame\0', 'x'.repeat(100_000)])('refuses %s', (shown) =>
    expect(set.accepts(shown)).toBe(false),
  );

  test('that is empty accepts nothing, not even nothing', () => {
    expect(new SecretSet([]).accepts('')).toBe(false);
  });
});

describe('a file of secrets', () => {
  test('has one a line: all are accepted and the first is shown', () => {
    const { first, accepted } = read('one\r\ntwo\n\nthree');
    expect(first).toBe('one');
    expect(['one', 'two', 'three', '', 'four'].map((shown) => accepted.accepts(shown))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  test('may have passwords with spaces, which count', () => {
    const { first, accepted } = read(' two words \n', passwordPattern);
    expect(first).toBe(' two words ');
    expect(accepted.accepts('two words')).toBe(false);
  });

  test.each([
    ['', 'which has no line with a secret'],
    ['\n\n', 'which has no line with a secret'],
    ['good\nvery secret\n', 'whose secret 2 has characters that it must not have'],
    ['x\n'.repeat(17), 'which has more than 16 lines'],
  ])('is refused where it says %j, without saying what it says', (text, fault) => {
    expect(() => read(text)).toThrow(`auth.token_file is '${join(folder, 'tokens')}', ${fault}`);
  });
});

test('a secret that is given is shown and accepted', () => {
  const { value } = fixedSecret('sesame');
  expect([value.first, value.accepted.accepts('sesame'), value.accepted.accepts('barley')]).toEqual([
    'sesame',
    true,
    false,
  ]);
});
