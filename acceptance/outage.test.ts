/**
 * Blob is away under writes: at first it does not answer at all, then it answers with 429 and 500. Memory stays
 * bounded, writers hear of the bound by name, and what was acknowledged is in Blob afterwards.
 *
 * Ten and five seconds by default, a minute and half of one with KVCACHE_LONG=1.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { azuriteConnectionString } from '../azurite/azurite.ts';
import { forEachInWindow } from '../cli/playground/for-each.ts';
import type { KvcacheClient } from '../client/key-client.ts';
import { KvcacheError } from '../errors.ts';
import { startTestAzurite, type TestAzurite } from '../testing/azurite.ts';
import { FaultProxy } from '../testing/fault-proxy.ts';
import { ResidentMemory } from './resident-memory.ts';
import { ShardProcess } from './shard-process.ts';
import { valueOf, versionOf } from './values.ts';

const MiB = 1024 * 1024;
const isLong = process.env['KVCACHE_LONG'] === '1';
const silenceMs = isLong ? 60_000 : 10_000;
const faultsMs = isLong ? 30_000 : 5_000;
const timeoutMs = isLong ? 240_000 : 60_000;
const memoryLimitBytes = 256 * MiB;
const residentBytesMax = memoryLimitBytes * 1.25;
const unflushedBytesMax = 32 * MiB;
const valueBytes = 100_000;
const writers = 4;
/** Keys are written over and over, so that a log that never ends holds few live ones. */
const keysPerWriter = 50;

let azurite: TestAzurite;
let proxy: FaultProxy;
let shard: ShardProcess;
let memory: ResidentMemory;
/** The newest version of a key that was acknowledged, and the newest that was sent. */
const acknowledged = new Map<string, number>();
const sent = new Map<string, number>();
const faults = new Map<string, number>();

beforeAll(async () => {
  azurite = await startTestAzurite();
  proxy = await FaultProxy.start(azurite.azurite.port);
  shard = await ShardProcess.start({
    dataPath: mkdtempSync(join(tmpdir(), 'kvcache-outage-')),
    settings: {
      'blob.connection_string': azuriteConnectionString(proxy.port),
      'blob.max_unflushed': unflushedBytesMax,
      'blob.full_wait': '200ms',
      'log.segment_size': '8MiB',
      'memory.limit': memoryLimitBytes,
    },
  });
  memory = new ResidentMemory(shard.pid);
});
afterAll(async () => {
  memory?.[Symbol.dispose]();
  await shard?.dispose();
  azurite?.azurite.resume();
  await proxy?.close();
  await azurite?.remove();
});

/** Writes while `during` goes on, and counts what was acknowledged and what was not. */
async function writeDuring(during: () => Promise<void>): Promise<void> {
  const client = shard.keyClient({ retry: { attemptsMax: 1 } });
  const over = new AbortController();
  const lanes = Array.from({ length: writers }, async (_, writer) => {
    for (let turn = 0; !over.signal.aborted; turn++) await write(client, `writer-${writer}-${turn % keysPerWriter}`);
  });
  try {
    await during();
  } finally {
    over.abort();
    await Promise.all(lanes);
  }
}

async function write(client: KvcacheClient, key: string): Promise<void> {
  const version = (sent.get(key) ?? 0) + 1;
  sent.set(key, version);
  try {
    await client.set(key, valueOf(key, version, valueBytes));
    acknowledged.set(key, version);
  } catch (error) {
    if (!(error instanceof KvcacheError)) throw error;
    faults.set(error.code, (faults.get(error.code) ?? 0) + 1);
  }
}

async function unflushedBytes(): Promise<number> {
  return (await shard.info()).blob!.unflushedBytes;
}

async function expectAcknowledged(): Promise<void> {
  const client = shard.keyClient();
  expect(acknowledged.size).toBe(writers * keysPerWriter);
  await forEachInWindow([...acknowledged], 16, async ([key, safe]) => {
    const version = versionOf(key, (await client.get(key))!);
    expect(version).toBeGreaterThanOrEqual(safe);
    expect(version).toBeLessThanOrEqual(sent.get(key)!);
  });
}

test('while Blob is silent, writes go on to the bound and then fail by name', { timeout: timeoutMs }, async () => {
  await writeDuring(async () => {
    await expect.poll(() => acknowledged.size, { timeout: 20_000 }).toBe(writers * keysPerWriter);
    expect(faults.size).toBe(0);
    azurite.azurite.pause();
    await delay(silenceMs);
  });
  expect([...faults.keys()]).toEqual(['BLOBFULL']);
  const unflushed = await unflushedBytes();
  expect(unflushed).toBeGreaterThan(unflushedBytesMax / 2);
  // What is already on its way when the bound is noticed: a tenth of a second of writes.
  expect(unflushed).toBeLessThan(unflushedBytesMax * 2);
  // Reads know nothing of the outage.
  await expectAcknowledged();
});

test('when Blob answers again, what had gathered goes up and writes go on', { timeout: timeoutMs }, async () => {
  azurite.azurite.resume();
  await shard.keyClient().flush('blob', { timeoutMs });
  faults.clear();
  // One writer: several at full speed may outrun Blob, and then the bound is reached by right.
  const client = shard.keyClient({ retry: { attemptsMax: 1 } });
  for (let turn = 0; turn < keysPerWriter; turn++) await write(client, `writer-0-${turn}`);
  expect([...faults.keys()]).toEqual([]);
});

test(
  'while Blob answers with 429 and 500, writes go on to the bound and then fail by name',
  { timeout: timeoutMs },
  async () => {
    await writeDuring(async () => {
      for (const [status, code] of [
        [429, 'TooManyRequests'],
        [500, 'InternalError'],
      ] as const) {
        proxy.removeRules();
        proxy.addRule({ fault: { kind: 'status', status, code } });
        await delay(faultsMs / 2);
      }
    });
    expect([...faults.keys()]).toEqual(['BLOBFULL']);
    await expectAcknowledged();
  },
);

test(
  'afterwards everything acknowledged is in Blob: the disk is lost, and all of it is read back',
  { timeout: timeoutMs },
  async () => {
    proxy.removeRules();
    await shard.keyClient().flush('blob', { timeoutMs });
    expect(memory.samples).toBeGreaterThan(20);
    expect(memory.peakBytes).toBeLessThan(residentBytesMax);
    memory[Symbol.dispose]();
    await shard.end('SIGKILL');
    shard.loseDisk();
    await shard.restart();
    await expectAcknowledged();
  },
);
