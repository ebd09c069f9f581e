import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadEncoding } from '../../tokenizer/encodings.ts';
import { parseTokensFile } from '../playground/tokens-file.ts';
import { kvcache } from '../testing/command.ts';
import { formOf, promptsOf } from './prompts.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvcache-tokenize-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const encoding = await loadEncoding('cl100k_base');
const hello = { text: 'hello world', tokens: [15339, 1917], token_count: 2 };
const conversation = [
  { role: 'system', content: 'be brief' },
  { role: 'user', content: 'hi' },
];

test('a text is one prompt, lines are several', () => {
  expect(promptsOf('hello world', 'text', encoding, 'x')).toEqual([hello]);
  expect(promptsOf('hello world\r\n\nhello world\n', 'lines', encoding, 'x')).toEqual([hello, hello]);
});

test('conversations are read in every form that people keep them in', () => {
  const one = promptsOf(JSON.stringify(conversation), 'chat', encoding, 'x');
  expect(one[0]!.text).toMatch(/^<\|im_start\|>system<\|im_sep\|>be brief<\|im_end\|>/);
  const forms = [
    JSON.stringify({ messages: conversation }),
    JSON.stringify([conversation]),
    JSON.stringify([{ messages: conversation }]),
  ];
  for (const form of forms) expect(promptsOf(form, 'chat', encoding, 'x')).toEqual(one);
  const lines = `${JSON.stringify({ messages: conversation })}\n${JSON.stringify(conversation)}\n`;
  expect(promptsOf(lines, 'chat', encoding, 'x')).toEqual([...one, ...one]);
  expect([formOf('a.json'), formOf('a.jsonl'), formOf('a.txt'), formOf('-')]).toEqual(['chat', 'chat', 'text', 'text']);
});

test('what is no conversation is refused with its place', () => {
  const refusal =
    (text: string): (() => unknown) =>
    () =>
      promptsOf(text, 'chat', encoding, 'chat.json');
  expect(refusal('{')).toThrow(/^chat.json is no JSON: /);
  expect(refusal('{}\n{')).toThrow(/^chat.json: line 2 is no JSON: /);
  expect(refusal('[]')).toThrow('chat.json is no conversation; expected [{"role":"user","content":"…"}]');
  expect(refusal('[{"role":"king","content":""}]')).toThrow('chat.json: message 0: role must be system, user or');
  expect(refusal('[[{"role":"user","content":5}]]')).toThrow('chat.json: message 0: content must be a string');
});

test('the command writes what the playground reads', async () => {
  const printed = await kvcache(['tokenize'], { input: Buffer.from('hello world') });
  expect([printed.code, JSON.parse(printed.out)]).toEqual([0, { prompts: [hello] }]);
  writeFileSync(join(folder, 'chat.json'), JSON.stringify(conversation));
  writeFileSync(join(folder, 'prompt.txt'), 'hello world');
  const files = ['prompt.txt', 'chat.json'].map((name) => join(folder, name));
  const output = join(folder, 'tokens.json');
  const written = await kvcache(['tokenize', ...files, '-e', 'o200k_base', '-o', output]);
  expect(written).toMatchObject({ code: 0, out: '' });
  const prompts = parseTokensFile(readFileSync(output, 'utf8'), output);
  expect([prompts.length, prompts[0]!.tokens]).toEqual([2, BigInt64Array.from([24912n, 2375n])]);
  const missing = await kvcache(['tokenize', join(folder, 'none.txt')]);
  expect([missing.code, missing.err]).toEqual([2, expect.stringContaining('none.txt: cannot be read')]);
});
