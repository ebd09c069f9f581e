/**
 * Real prompts through a real cluster: written once, found again, every byte verified.
 *
 * The committed excerpt is always run. KVCACHE_PROMPTS names a larger tokens file to run too; the figures expected of
 * it are counted from the file itself.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blockCount, chainedHashes } from '../client/hash.ts';
import { parseTokensFile } from '../cli/playground/tokens-file.ts';
import { TestCluster } from './cluster.ts';

const excerpt = join(import.meta.dirname, 'data/prompts.json');
const files = [excerpt, process.env['KVCACHE_PROMPTS'] ?? ''].filter((path) => path !== '');

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start();
});
afterAll(() => cluster.dispose());

/** Blocks that a run reads at least, so that it lasts while processes are killed. */
const blocksPerLongRun = 550;

describe.each(files)('the prompts of %s', { timeout: 300_000 }, (file) => {
  const prompts = parseTokensFile(readFileSync(file, 'utf8'), file);
  const blocks = prompts.reduce((sum, { tokens }) => sum + blockCount(tokens.length), 0);
  const distinct = new Set(prompts.flatMap(({ tokens }) => chainedHashes(tokens))).size;
  const clean = { blocks, distinct, read: blocks, mismatched: 0, errors: 0, retried: 0 };

  test('are written where they are missing, and read back as they were written', async () => {
    const { report, code } = await cluster.playground([file]);
    expect(report).toMatchObject({ ...clean, written: distinct, cached: blocks - distinct });
    expect(code).toBe(0);
  });

  test('are all found by a second run', async () => {
    const { report, code } = await cluster.playground([file]);
    expect(report).toMatchObject({ ...clean, written: 0, cached: blocks, hitRate: 1 });
    expect(code).toBe(0);
  });

  test('are all found by many readers at once, one by one and by streams', async () => {
    for (const more of [[], ['--stream']]) {
      const { report } = await cluster.playground([file, '2', '16', ...more]);
      expect(report).toMatchObject({
        blocks: 2 * blocks,
        cached: 2 * blocks,
        read: 2 * blocks,
        mismatched: 0,
        errors: 0,
      });
    }
  });

  test('are written once by many writers at once', async () => {
    const { report } = await cluster.playground([file, '2', '16', '--partition', 'crowd', '--buffer-size', '100KB']);
    expect(report).toMatchObject({ blocks: 2 * blocks, written: distinct, read: 2 * blocks, mismatched: 0, errors: 0 });
  });

  test('outlive the death of every shard and of the router while they are written and read', async () => {
    const iterations = Math.max(1, Math.round(blocksPerLongRun / blocks));
    const running = cluster.playground([file, `${iterations}`, '4', '--partition', 'killed']);
    let isRunning = true;
    void running.finally(() => (isRunning = false));
    for (const id of [...cluster.shardIds, 'router']) if (isRunning) await cluster.restart(id);
    const { report, code } = await running;
    const all = iterations * blocks;
    expect(report).toMatchObject({ blocks: all, read: all, mismatched: 0, errors: 0 });
    expect(code).toBe(0);
  });
});

test('nothing of the cluster is left when it has stopped', async () => {
  await cluster.stop();
});
