import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { hitRatio, leastRecentlyUsed, readTrace } from './block-trace.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvcache-trace-'));
const path = join(folder, 'trace.jsonl');
afterAll(() => rmSync(folder, { recursive: true }));

describe('a trace of blocks', () => {
  test('is read line by line, other fields ignored', async () => {
    writeFileSync(path, '{"timestamp":0,"hash_ids":[1,2]}\n\n{"hash_ids":[3]}\n');
    expect(await readTrace(path)).toEqual([[1, 2], [3]]);
  });

  test('a line without ids is named', async () => {
    writeFileSync(path, '{"hash_ids":[1]}\n{"ids":[2]}\n');
    await expect(readTrace(path)).rejects.toThrow('trace.jsonl:2 has no "hash_ids"');
    writeFileSync(path, 'nothing\n');
    await expect(readTrace(path)).rejects.toThrow('trace.jsonl:1 is no JSON');
  });

  test('only blocks before the first missing one of a prompt are hits', () => {
    const written = new Set([1, 3]);
    const cache = { read: (id: number) => written.has(id), write: (id: number) => void written.add(id) };
    expect(
      hitRatio(
        [
          [1, 2, 3],
          [1, 2, 3],
        ],
        cache,
      ),
    ).toBe(4 / 6);
  });

  test('the least recently used block goes first, and a read is a use', () => {
    const cache = leastRecentlyUsed(2);
    cache.write(1);
    cache.write(2);
    expect(cache.read(1)).toBe(true);
    cache.write(3);
    expect([cache.read(2), cache.read(1), cache.read(3)]).toEqual([false, true, true]);
  });
});
