import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseTokensFile, readTokensFile } from './tokens-file.ts';

const good = { prompts: [{ text: 'hi', tokens: [1, 2], token_count: 2 }] };

describe('a tokens file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kvcache-playground-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('is read from a path', async () => {
    const path = join(folder, 'prompts.json');
    await writeFile(path, JSON.stringify(good));
    expect(await readTokensFile(path, Readable.from([]))).toEqual([
      { text: 'hi', tokens: BigInt64Array.from([1n, 2n]) },
    ]);
  });

  test('is read from standard input where the path is -', async () => {
    const [first, second] = [JSON.stringify(good).slice(0, 20), JSON.stringify(good).slice(20)];
    expect(await readTokensFile('-', Readable.from([Buffer.from(first), second]))).toHaveLength(1);
  });

  test('that does not exist is named', async () => {
    await expect(readTokensFile(join(folder, 'absent.json'), Readable.from([]))).rejects.toThrow(
      /absent\.json: cannot/,
    );
  });

  test.each<[string, unknown, string]>([
    ['without prompts', { prompt: [] }, "field 'prompts' is missing"],
    ['whose prompts are no array', { prompts: 'x' }, `field 'prompts' is the string "x", not an array`],
    ['without any prompt', { prompts: [] }, "field 'prompts' is empty"],
    ['that is a list', [good], "field 'prompts' is missing"],
    [
      'with a prompt that is no object',
      { prompts: [good.prompts[0], 7] },
      "field 'prompts[1]' is the number 7, not an object",
    ],
    ['without tokens', { prompts: [{ text: '', token_count: 0 }] }, "field 'prompts[0].tokens' is missing"],
    ['without text', { prompts: [{ tokens: [], token_count: 0 }] }, "field 'prompts[0].text' is missing"],
    [
      'with a token that is no whole number',
      { prompts: [good.prompts[0], { text: '', tokens: [1, 2.5], token_count: 2 }] },
      "field 'prompts[1].tokens[1]' is the number 2.5",
    ],
    [
      'with a token that is text',
      { prompts: [{ text: '', tokens: ['1'], token_count: 1 }] },
      `field 'prompts[0].tokens[0]' is the string "1"`,
    ],
    ['without token_count', { prompts: [{ text: '', tokens: [] }] }, "field 'prompts[0].token_count' is missing"],
    [
      'whose token_count is wrong',
      { prompts: [{ text: '', tokens: [1], token_count: 2 }] },
      "field 'prompts[0].token_count' is 2, but 'prompts[0].tokens' has 1",
    ],
  ])('%s is refused by the name of the field', (_, document, message) => {
    expect(() => parseTokensFile(JSON.stringify(document), 'FILE')).toThrow(`FILE: ${message}`);
    expect(() => parseTokensFile(JSON.stringify(document), 'FILE')).toThrow(
      expect.objectContaining({ code: 'CONFIG' }),
    );
  });

  test('that is not JSON is refused', () => {
    expect(() => parseTokensFile('{', 'FILE')).toThrow(/^FILE: not JSON/);
  });
});
