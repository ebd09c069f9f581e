/**
 * One shard with little RAM and little disk, and far more data than both: the rest lies in Blob, and all of it is read
 * back right, while the process's memory stays bounded.
 *
 * A quarter of the sizes is written by default; KVCACHE_LONG=1 writes it all: 2 GiB over 256 MiB of disk and 64 MiB of
 * hot values.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { forEachInWindow } from '../cli/playground/for-each.ts';
import { startTestAzurite, type TestAzurite } from '../testing/azurite.ts';
import { ResidentMemory } from './resident-memory.ts';
import { ShardProcess } from './shard-process.ts';
import { valueOf, versionOf } from './values.ts';

const MiB = 1024 * 1024;
const scale = process.env['KVCACHE_LONG'] === '1' ? 1 : 1 / 4;
const valueBytes = MiB;
const values = 2_048 * scale;
const diskBytes = 256 * MiB * scale;
const hotBytes = 64 * MiB * scale;
/**
 * What the process may take in all. It is not scaled: the runtime, the buffers in flight and two blocks on their way to
 * Blob are the same however much is stored. `memory.limit` promises resident memory within 1.25 times of it.
 */
const memoryLimitBytes = 256 * MiB;
const residentBytesMax = memoryLimitBytes * 1.25;
const timeoutMs = 90_000 * (scale === 1 ? 6 : 1);
/** Written and read at one time. */
const window = 4;

const keys = Array.from({ length: values }, (_, index) => `value-${index}`);

let azurite: TestAzurite;
let shard: ShardProcess;
let memory: ResidentMemory;

beforeAll(async () => {
  azurite = await startTestAzurite();
  shard = await ShardProcess.start({
    dataPath: mkdtempSync(join(tmpdir(), 'kvcache-tiers-')),
    settings: {
      'blob.connection_string': azurite.azurite.connectionString,
      'memory.limit': memoryLimitBytes,
      'hot.size': hotBytes,
      'disk.size': diskBytes,
      'blob.full_wait': '60s',
      // Every value is a candidate for RAM, which is far too small for all.
      'value.disk_threshold': 2 * MiB,
    },
  });
  memory = new ResidentMemory(shard.pid);
});
afterAll(async () => {
  memory?.[Symbol.dispose]();
  await shard?.dispose();
  await azurite?.remove();
});

test('far more than disk and RAM hold is taken, without losing a key', { timeout: timeoutMs }, async () => {
  const client = shard.keyClient({ timeoutMs: 60_000 });
  await forEachInWindow(keys, window, async (key) => {
    await client.set(key, valueOf(key, 1, valueBytes));
  });
  await client.flush('blob', { timeoutMs: 60_000 });
  const { keys: count, disk, hot } = await shard.info();
  expect(count).toBe(values);
  expect(disk.bytes).toBeLessThanOrEqual(diskBytes);
  expect(hot.bytes).toBeLessThanOrEqual(hotBytes);
});

test('all of it is read back right, from Blob where it lies there alone', { timeout: timeoutMs }, async () => {
  const client = shard.keyClient({ timeoutMs: 60_000 });
  await forEachInWindow(keys, window, async (key) => {
    expect(versionOf(key, (await client.get(key))!)).toBe(1);
  });
  const metrics = await shard.metrics();
  expect(metrics.value('kvcache_evicted_files_total')).toBeGreaterThan(0);
  expect(metrics.value('kvcache_blob_reads_total') * valueBytes).toBeGreaterThanOrEqual(
    values * valueBytes - diskBytes,
  );
  expect(metrics.value('kvcache_corrupt_records_total')).toBe(0);
});

test('what was read last comes from RAM', async () => {
  const client = shard.keyClient();
  const before = (await shard.info()).reads;
  for (const key of keys.slice(-4)) expect(versionOf(key, (await client.get(key))!)).toBe(1);
  const after = (await shard.info()).reads;
  expect(after.hot - before.hot).toBe(4);
  expect(after.cold).toBe(before.cold);
});

test('resident memory has stayed bounded all along', () => {
  expect(memory.samples).toBeGreaterThan(10);
  expect(memory.peakBytes).toBeLessThan(residentBytesMax);
});
