import { afterEach, expect, test } from 'vitest';
import { tokenizeCharsMax, tokenizeQueueMax } from '../limits.ts';
import { loadEncoding } from './encodings.ts';
import { Tokenizer } from './tokenizer.ts';

const tokenizers: Tokenizer[] = [];
afterEach(() => {
  for (const tokenizer of tokenizers.splice(0)) tokenizer.close();
});

function open(options: { timeoutMs?: number } = {}): Tokenizer {
  const tokenizer = new Tokenizer(options);
  tokenizers.push(tokenizer);
  return tokenizer;
}

test('a text has the tokens that its encoding is known for, and blocks say what they hold', async () => {
  const tokenizer = open();
  expect(await tokenizer.tokenize('hello world', 'cl100k_base')).toEqual({
    tokens: [15339, 1917],
    texts: ['hello world'],
  });
  expect((await tokenizer.tokenize('hello world', 'o200k_base')).tokens).toEqual([24912, 2375]);
  const { tokens, texts } = await tokenizer.tokenize('one two '.repeat(100), 'cl100k_base');
  expect([texts.length, texts.join('')]).toEqual([Math.ceil(tokens.length / 128), 'one two '.repeat(100)]);
  expect(await tokenizer.tokenize('', 'cl100k_base')).toEqual({ tokens: [], texts: [] });
});

test('what looks like a special token is text', async () => {
  const encoding = await loadEncoding('cl100k_base');
  const tokens = encoding.encode('a<|endoftext|>b');
  expect([tokens.includes(100_257), encoding.decode(tokens)]).toEqual([false, 'a<|endoftext|>b']);
  expect(encoding.encodeChat([{ role: 'user', content: 'hi' }]).length).toBeGreaterThan(3);
});

test('a text that takes too long is given up, and the next one is not', async () => {
  const tokenizer = open({ timeoutMs: 1_000 });
  await expect(tokenizer.tokenize('a'.repeat(300_000), 'cl100k_base')).rejects.toMatchObject({ code: 'TIMEOUT' });
  const patient = open();
  expect((await patient.tokenize('hello', 'cl100k_base')).tokens).toEqual([15339]);
});

test('a text that is too long, and one too many, are refused', async () => {
  const tokenizer = open();
  const long = 'a'.repeat(tokenizeCharsMax + 1);
  await expect(tokenizer.tokenize(long, 'cl100k_base')).rejects.toMatchObject({ code: 'TOOLARGE' });
  const all = Array.from({ length: tokenizeQueueMax + 1 }, () => tokenizer.tokenize('hi', 'cl100k_base'));
  const outcomes = await Promise.allSettled(all);
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(tokenizeQueueMax);
});
