/** Storage over its disk and a real Azurite: what each of the two alone can give back. */
import { randomBytes, randomUUID } from 'node:crypto';
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTestAzurite, type TestAzurite } from '../../testing/azurite.ts';
import { type BlobTestStore, openBlobTestStore } from '../../testing/blob-store.ts';
import { roomyEviction, temporaryFolder } from '../../testing/store.ts';
import { segmentHeaderBytes } from '../log/segment-header.ts';
import type { SegmentState } from '../log/segment-state.ts';
import type { StorageOptions } from './storage-options.ts';

const MiB = 1024 * 1024;
/** Only a bound for a hang. */
const waitMax = { timeout: 20_000 };
let azurite: TestAzurite;
let folder: { path: string; remove: () => void };
let prefix: string;

beforeAll(async () => {
  azurite = await startTestAzurite();
});
afterAll(() => azurite.remove());
beforeEach(() => {
  folder = temporaryFolder('tiers');
  prefix = randomUUID();
});
afterEach(() => folder.remove());

function open(options: Partial<StorageOptions> = {}, path = folder.path): Promise<BlobTestStore> {
  return openBlobTestStore(path, azurite.azurite.connectionString, prefix, options);
}

async function openOnNewDisk(options: Partial<StorageOptions> = {}): Promise<BlobTestStore> {
  folder.remove();
  folder = temporaryFolder('tiers');
  return open(options);
}

function readsOf(blobs: BlobTestStore['blobs']): number {
  return blobs.counts.readRange.attempts;
}

function logFiles(): string[] {
  return readdirSync(join(folder.path, 'segments'))
    .filter((name) => name.endsWith('.log'))
    .map((name) => join(folder.path, 'segments', name));
}

describe('a lost disk', () => {
  test('costs nothing that was flushed: sealed segments come back by their hints, values by range reads', async () => {
    const first = await open();
    const value = randomBytes(300_000);
    for (let key = 0; key < 30; key++) first.store.set(`key-${key}`, Buffer.concat([Buffer.from(`${key}:`), value]));
    first.store.delete('key-7');
    await first.store.close();
    const second = await openOnNewDisk();
    expect(second.store.storage.log.segments.size).toBeGreaterThan(0);
    expect(logFiles().every((path) => statSync(path).size === segmentHeaderBytes)).toBe(true);
    for (let key = 0; key < 30; key++) {
      const found = await second.store.get(`key-${key}`);
      if (key === 7) expect(found).toBeUndefined();
      else expect(found?.subarray(String(key).length + 1).equals(value)).toBe(true);
    }
    await second.store.close();
  });

  test('after a crash: an open segment that only Blob has is replayed and sealed', async () => {
    const first = await open();
    for (let key = 0; key < 100; key++) first.store.set(`key-${key}`, `value-${key}`);
    await first.store.storage.durable(first.store.storage.log.position(), 'blob');
    await first.store.crash();
    const second = await openOnNewDisk();
    for (let key = 0; key < 100; key++) expect(await second.store.text(`key-${key}`)).toBe(`value-${key}`);
    await second.store.close();
    const third = await openOnNewDisk();
    for (let key = 0; key < 100; key++) expect(await third.store.text(`key-${key}`)).toBe(`value-${key}`);
    await third.store.close();
  });

  test('values in parts come back whole', async () => {
    const large = randomBytes(21 * MiB);
    const first = await open();
    await first.store.storage.durable(first.store.set('large', large), 'blob');
    await first.store.crash();
    const second = await openOnNewDisk();
    expect(large.equals((await second.store.get('large'))!)).toBe(true);
    await second.store.close();
  });
});

test('bytes that the disk lost in a crash of the machine come back from Blob', async () => {
  const first = await open();
  for (let key = 0; key < 100; key++) first.store.set(`key-${key}`, `value-${key}`.repeat(50));
  await first.store.storage.durable(first.store.storage.log.position(), 'blob');
  await first.store.crash();
  const [path] = logFiles();
  truncateSync(path!, 5000);
  const second = await open();
  expect(second.store.storage.report?.bytesFromBlob).toBeGreaterThan(1000);
  for (let key = 0; key < 100; key++) expect(await second.store.text(`key-${key}`)).toBe(`value-${key}`.repeat(50));
  await second.store.close();
});

test('a damaged record on disk is read from Blob, and reported', async () => {
  const first = await open();
  first.store.set('a', 'a'.repeat(1000));
  await first.store.close();
  const [path] = logFiles();
  truncateSync(path!, statSync(path!).size - 10);
  const second = await open();
  expect(second.store.storage.report?.damages).toHaveLength(1);
  expect(await second.store.text('a')).toBe('a'.repeat(1000));
  await second.store.close();
});

describe('eviction', () => {
  test('from the disk loses no key: what is above the threshold is read from Blob, one read a value', async () => {
    const small = { eviction: { ...roomyEviction, diskBytes: 8 * MiB }, segmentBytes: MiB, fullWaitMs: 20_000 };
    const { store, below, blobs } = await open(small);
    const value = randomBytes(200_000);
    for (let key = 0; key < 150; key++) {
      await store.storage.admit(value.byteLength);
      store.set(`key-${key}`, Buffer.concat([Buffer.from(`${key}:`), value]));
    }
    await store.storage.flush('blob');
    await store.storage.maintain();
    expect(store.storage.log.localBytes()).toBeLessThanOrEqual(8 * MiB);
    expect(store.storage.evictor.statistics.bytesDropped).toBeGreaterThan(10 * MiB);
    expect(store.index.evicted).toEqual([]);
    const readsBefore = readsOf(blobs);
    const found = await Promise.all([store.get('key-0'), store.get('key-0'), store.get('key-0')]);
    expect(found.every((body) => body?.subarray(2).equals(value))).toBe(true);
    expect(readsOf(blobs) - readsBefore).toBe(1);
    for (let key = 0; key < 150; key++) {
      expect((await store.get(`key-${key}`))?.subarray(String(key).length + 1).equals(value)).toBe(true);
    }
    await store.close();
    expect(below.stats().fenced).toBe(false);
  });

  test('from the disk leaves the files that compaction has begun to read', async () => {
    const eviction = { ...roomyEviction, diskBytes: 1024 * MiB };
    const { store, below } = await open({ segmentBytes: MiB, eviction });
    const value = randomBytes(100_000);
    for (let key = 0; key < 40; key++) store.set(`key-${key}`, value);
    const { log, evictor, compactor } = store.storage;
    await log.roll();
    await store.storage.flush('blob');
    const safe = (): SegmentState[] => [...log.segments.values()].filter(({ id }) => below.isSafe(id));
    await expect.poll(() => safe().length).toBeGreaterThan(2);
    eviction.diskBytes = 2 * MiB;
    // It has looked at all segments and removes the first one when compaction takes the second.
    const evicting = evictor.run();
    const compacting = compactor.compact([safe()[1]!]);
    await Promise.all([evicting, compacting]);
    expect(evictor.statistics.filesDropped).toBeGreaterThan(0);
    for (let key = 0; key < 40; key++) expect((await store.get(`key-${key}`))?.equals(value)).toBe(true);
    await store.close();
  });

  test('by retention takes keys and blobs off, and they stay gone after a restore', async () => {
    const options = {
      eviction: { ...roomyEviction, retentionBytes: 3 * MiB },
      segmentBytes: MiB,
      // By larger ones these segments would be small, and be merged before they are looked at.
      compaction: { liveRatio: 0.5, bytesPerSecond: 1024 * MiB, segmentBytes: MiB },
    };
    const first = await open(options);
    const value = 'v'.repeat(100_000);
    for (let key = 0; key < 100; key++) first.store.set(`key-${key}`, value);
    await first.store.storage.log.roll();
    await first.store.storage.flush('blob');
    // A segment counts as safe, and so may go, when its sealing has been seen in Blob.
    await expect
      .poll(async () => {
        await first.store.storage.maintain();
        const kept = first.below.summaries().reduce((sum, summary) => sum + summary.bytes, 0);
        return first.store.storage.evictor.statistics.keys.retention_size > 50 && kept <= 4 * MiB;
      }, waitMax)
      .toBe(true);
    expect(await first.store.text('key-0')).toBeUndefined();
    expect(await first.store.text('key-99')).toBe(value);
    await first.store.close();
    const second = await openOnNewDisk();
    expect(await second.store.text('key-0')).toBeUndefined();
    expect(await second.store.text('key-99')).toBe(value);
    await second.store.close();
  });
});

describe('compaction', () => {
  test('deletes the blobs of dead segments, also when they lie in Blob alone', async () => {
    const first = await open({ segmentBytes: MiB });
    for (let round = 0; round < 4; round++) {
      for (let key = 0; key < 20; key++) first.store.set(`key-${key}`, `${round}:`.padEnd(40_000, 'x'));
    }
    first.store.set('lonely', 'kept');
    await first.store.close();
    const second = await openOnNewDisk();
    const before = second.below.summaries().length;
    for (let key = 0; key < 20; key++) second.store.set(`key-${key}`, 'new');
    await second.store.storage.log.roll();
    await second.store.storage.maintain();
    expect(second.below.summaries().length).toBeLessThan(before);
    const listed = await second.blobs.list('segments/');
    expect(listed.kind).toBe('done');
    await second.store.close();
    const third = await openOnNewDisk();
    expect(await third.store.text('lonely')).toBe('kept');
    for (let key = 0; key < 20; key++) expect(await third.store.text(`key-${key}`)).toBe('new');
    await third.store.close();
  });
});

describe('while Blob is away', () => {
  test('a shard with its disk starts and serves, and is taken over in Blob when that is back', async () => {
    const first = await open();
    first.store.set('before', '1');
    await first.store.close();
    azurite.azurite.pause();
    const second = await open();
    expect(second.store.storage.isDetached).toBe(true);
    expect(await second.store.text('before')).toBe('1');
    const position = second.store.set('during', '2');
    azurite.azurite.resume();
    await second.store.storage.durable(position, 'blob');
    expect(second.store.storage.isDetached).toBe(false);
    await second.store.close();
    const third = await openOnNewDisk();
    expect(await third.store.text('during')).toBe('2');
    await third.store.close();
  });

  test('writes go on to the bound, then fail by name; afterwards everything acknowledged is in Blob', async () => {
    const options = { eviction: { ...roomyEviction, unflushedBytesMax: 2 * MiB }, segmentBytes: MiB, fullWaitMs: 100 };
    const { store } = await open(options);
    azurite.azurite.pause();
    const value = 'v'.repeat(100_000);
    let written = 0;
    const fill = async (): Promise<void> => {
      for (; written < 1000; written++) {
        await store.storage.admit(value.length);
        store.set(`key-${written}`, value);
        await store.storage.durable(store.storage.log.position(), 'disk');
      }
    };
    await expect(fill()).rejects.toMatchObject({ code: 'BLOBFULL' });
    expect(written).toBeGreaterThan(10);
    azurite.azurite.resume();
    await store.storage.flush('blob');
    await store.close();
    const second = await openOnNewDisk();
    for (let key = 0; key < written; key++) expect(await second.store.text(`key-${key}`)).toBe(value);
    await second.store.close();
  });

  test("with 'evict-unflushed' writes go on and the oldest bytes go, counted", async () => {
    const options = {
      eviction: { ...roomyEviction, unflushedBytesMax: 2 * MiB, onBlobFull: 'evict-unflushed' as const },
      segmentBytes: MiB,
    };
    const { store } = await open(options);
    azurite.azurite.pause();
    const value = 'v'.repeat(100_000);
    for (let key = 0; key < 100; key++) {
      await store.storage.admit(value.length);
      store.set(`key-${key}`, value);
      await store.storage.durable(store.storage.log.position(), 'disk');
      await store.storage.evictor.run();
    }
    expect(store.storage.evictor.statistics.keys.blob_full).toBeGreaterThan(20);
    expect(await store.text('key-99')).toBe(value);
    azurite.azurite.resume();
    // The last flush of a shard that ends does not wait for a Blob that is just coming back.
    await store.storage.flush('blob');
    await store.close();
  });
});

test('the older of two shards on one prefix is fenced, and none of its late writes is ever read', async () => {
  const older = await open();
  older.store.set('key', 'old');
  await older.store.storage.flush('blob');
  const otherFolder = temporaryFolder('younger');
  const younger = await open({}, otherFolder.path);
  expect(await younger.store.text('key')).toBe('old');
  younger.store.set('key', 'new');
  await younger.store.storage.flush('blob');
  const late = older.store.set('key', 'late');
  await expect(older.store.storage.durable(late, 'blob')).rejects.toMatchObject({ code: 'FENCED' });
  expect(older.fenced).toHaveLength(1);
  await expect(older.store.storage.admit(1)).rejects.toMatchObject({ code: 'FENCED' });
  await older.store.close();
  await younger.store.close();
  otherFolder.remove();
  // The older one's disk comes back: what it wrote after the takeover is void.
  const again = await open();
  expect(again.store.storage.report?.staleSegments.length).toBeGreaterThan(0);
  expect(await again.store.text('key')).toBe('new');
  await again.store.close();
});
