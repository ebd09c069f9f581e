import { resolve } from 'node:path';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryCache } from '../testing/memory-cache.ts';
import type { PlaygroundReport } from './playground/report.ts';
import { kvcache, type Outcome, type RunOptions } from './testing/command.ts';

const file = resolve(import.meta.dirname, '../acceptance/data/prompts.json');
const cache = new MemoryCache();
beforeAll(() => cache.start());
afterAll(() => cache.close());

let partitions = 0;

/** Runs the playground in a partition of its own. */
function playground(args: readonly string[], options?: RunOptions): Promise<Outcome> {
  const fixed = ['--server', cache.server, '--buffer-size', '10KB', '--partition', `test-${partitions++}`];
  return kvcache(['playground', ...args, ...fixed], options);
}

function reportOf({ out }: Outcome): PlaygroundReport {
  return JSON.parse(out) as PlaygroundReport;
}

describe('kvcache playground', () => {
  test('prints one JSON object with counts, percentiles and rates', async () => {
    const outcome = await playground([file, '2', '4', '--json']);
    expect(outcome).toMatchObject({ code: 0, err: '' });
    const report = reportOf(outcome);
    expect(report).toMatchObject({ blocks: 110, distinct: 32, written: 32, read: 110, mismatched: 0, errors: 0 });
    expect(report).toMatchObject({ iterations: 2, concurrency: 4, bufferBytes: 10_000, prompts: 8 });
    for (const operation of ['lookup', 'read', 'write'] as const) {
      expect(report.p50Ms[operation]).toBeGreaterThan(0);
      expect(report.p90Ms[operation]).toBeGreaterThanOrEqual(report.p50Ms[operation]);
      expect(report.p100Ms[operation]).toBeGreaterThanOrEqual(report.p90Ms[operation]);
    }
  });

  test('prints tables and a verdict for people', async () => {
    const { out, code } = await playground([file]);
    expect(code).toBe(0);
    expect(out.split('\n')[1]).toBe('55\t32\t23\t32\t55\t0\t0\t41.8 %');
    expect(out).toMatch(/^55 blocks read and verified byte by byte in /m);
  });

  test('reads standard input', async () => {
    const outcome = await playground(['-', '--json'], { input: readFileSync(file) });
    expect(reportOf(outcome)).toMatchObject({ blocks: 55 });
  });

  test('tells a line a prompt with -l info, and a line a call with -v', async () => {
    const info = await playground([file, '-l', 'info']);
    expect(info.err.trim().split('\n')).toHaveLength(8);
    expect(info.err).toContain('prompt 1: 9 blocks, 8 of them cached\n');
    const verbose = await playground([file, '-v']);
    expect(verbose.err).toContain('prompt 0 block 0: written\n');
    expect(verbose.err).toContain('prompt 0 block 0: read, 10000 bytes as they should be\n');
  });

  test('keeps accounts, containers and partitions apart', async () => {
    const args = ['playground', file, '--json', '--server', cache.server, '--buffer-size', '1KB'];
    const run = async (...more: string[]): Promise<number> => reportOf(await kvcache([...args, ...more])).written;
    expect(await run('-s', 'https://a.example', '-c', 'x')).toBe(32);
    expect(await run('-s', 'https://a.example', '-c', 'x')).toBe(0);
    expect(await run('--account-url', 'https://a.example', '-c', 'x')).toBe(0);
    expect(await run('-s', 'https://b.example', '-c', 'x')).toBe(32);
    expect(await run('-s', 'https://a.example', '-c', 'y')).toBe(32);
    expect(await run('-s', 'https://a.example', '-c', 'x', '--partition', 'z')).toBe(32);
  });

  test('reads by streams where asked to', async () => {
    expect(reportOf(await playground([file, '--stream', '--json']))).toMatchObject({ read: 55, mismatched: 0 });
  });

  test('caps concurrency at 200', async () => {
    expect(reportOf(await playground([file, '1', '5000', '--json']))).toMatchObject({ concurrency: 200, read: 55 });
  });

  test('ends with exit code 1 when a block comes back wrong', async () => {
    let damaged = false;
    cache.intercept = (command, context) => {
      if (command.name !== 'BLOCK.GET' || damaged) return undefined;
      damaged = true;
      const [meta, body] = cache.engineReply(command, context) as [Buffer, Buffer];
      return [meta, Buffer.alloc(body.byteLength)];
    };
    const outcome = await playground([file, '--json']);
    cache.intercept = () => undefined;
    expect(outcome.code).toBe(1);
    expect(outcome.err).toBe("kvcache: prompt 0 block 0: 10000 bytes that are not this block's\n");
    expect(reportOf(outcome)).toMatchObject({ mismatched: 1, errors: 0 });
  });

  test('names the field of a file of another form', async () => {
    const outcome = await playground(['-'], { input: '{"prompts":[{"text":"a","token_count":0}]}' });
    expect(outcome.code).toBe(2);
    expect(outcome.err).toMatch(/^kvcache: standard input: field 'prompts\[0\]\.tokens' is missing; expected \{/);
  });

  test.each([
    [[file, '0'], "iterations is '0'; it must be a whole number from 1 to"],
    [[file, '1', 'many'], "concurrency is 'many'; it must be a whole number"],
    [[file, '--buffer-size', 'big'], "--buffer-size is 'big'; it must be a size such as 1.2MB"],
  ])('refuses wrong arguments by name: %s', async (args, message) => {
    const outcome = await kvcache(['playground', ...args]);
    expect(outcome.code).toBe(2);
    expect(outcome.err).toContain(message);
  });

  test('says where it looked when no cluster is there', async () => {
    const outcome = await kvcache(['playground', file, '--server', '127.0.0.1:1']);
    expect(outcome.code).toBe(4);
    expect(outcome.err).toMatch(/^kvcache: cannot reach the cluster at 127\.0\.0\.1:1 /);
  });
});
